//! `tepui drain`, `tepui deactivate`, `tepui reactivate` and `tepui gone` take agents out of service and back.

use std::time::Duration;

use messages::v1::{AgentId, DrainState};
use tepui_client::operator_calls;

use super::operator_call::OperatorCall;
use super::time::duration;
use crate::commands::cli::CommandError;
use crate::commands::find;
use crate::commands::state::{State, short};

/// The interval at which a draining agent is checked.
const POLL: Duration = Duration::from_millis(300);

/// Take an agent out of service: kill its tasks and make no more offers of it
///
/// Every task on the agent is killed, with its own grace period or --grace if that is shorter; frameworks start the
/// tasks elsewhere. When nothing runs any more, the agent is DRAINED. It can then be restarted, upgraded or switched
/// off. It comes back with `tepui reactivate`. Draining survives restarts of the agent and of the master.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui drain S3                   by the end of its id
  tepui drain node7.example        by its host name
  tepui drain S3 --grace 1m --wait allow tasks at most a minute; return when it is drained
  tepui drain S3 --gone            mark it gone once it is drained
  tepui agents                     shows draining and drained agents
  tepui reactivate S3              offer it again")]
pub struct Drain {
    #[command(flatten)]
    agent: Named,
    /// The longest a task may take to end, e.g. 30s or 5m; 0s kills at once [what the task itself asks for]
    #[arg(long, value_parser = duration)]
    grace: Option<Duration>,
    /// Mark the agent gone once it is drained, for machines that are removed
    #[arg(long)]
    gone: bool,
    /// Return when the agent is drained
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    operator_call: OperatorCall,
}

/// Make no more offers of an agent; its tasks continue
///
/// Use this to examine a machine, or to let its tasks end by themselves. `tepui drain` ends them instead.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui deactivate S3
  tepui reactivate S3     offer it again")]
pub struct Deactivate {
    #[command(flatten)]
    agent: Named,
    #[command(flatten)]
    operator_call: OperatorCall,
}

/// Make offers again of an agent that was deactivated or drained
///
/// An agent that is still draining has to be drained first. An agent that a recovery policy keeps from offers is
/// offered again as well, until a new failure occurs; `tepui explain agent` says why it is not offered.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui reactivate S3
  tepui reactivate node7.example")]
pub struct Reactivate {
    #[command(flatten)]
    agent: Named,
    #[command(flatten)]
    operator_call: OperatorCall,
}

/// Declare that an agent will never come back
///
/// Its tasks count as ended for their frameworks (TASK_GONE_BY_OPERATOR), which can safely start them elsewhere. If the
/// agent tries to register, it is told to shut down. There is no way back: a new agent on that machine has to start
/// with an empty --work_dir. To end the tasks in an orderly way first, use `tepui drain --gone`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui gone S3
  tepui gone node7.example")]
pub struct Gone {
    #[command(flatten)]
    agent: Named,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Named {
    /// The agent: its id, the end or beginning of its id, or its host name
    agent: String,
}

impl Named {
    async fn id(&self, operator_call: &OperatorCall) -> Result<AgentId, CommandError> {
        let state = State::get(&operator_call.target.master).await?;
        find::agent_id_anywhere(&operator_call.target.master, &state, &self.agent).await
    }
}

pub async fn drain(args: Drain) -> Result<(), CommandError> {
    let id = args.agent.id(&args.operator_call).await?;
    let what_then = if args.gone { "; once drained it is marked gone" } else { "" };
    let said = format!(
        "agent {} drains: its tasks are told to end, and nothing of it is offered{what_then}",
        short(&id.value)
    );
    args.operator_call.send(&operator_calls::drain_agent(id.clone(), args.grace, args.gone), said).await?;
    if args.wait {
        until_drained(&args.operator_call, &id, args.gone).await?;
        args.operator_call.note(format!(
            "agent {} is {}",
            short(&id.value),
            if args.gone { "gone" } else { "drained" }
        ));
    }
    Ok(())
}

async fn until_drained(operator_call: &OperatorCall, id: &AgentId, gone: bool) -> Result<(), CommandError> {
    loop {
        let state = State::get(&operator_call.target.master).await?;
        let agent = state.agents.agents.iter().find(|agent| agent.agent_info.id.as_ref() == Some(id));
        match agent.map(|agent| agent.drain_info.as_ref().map(|info| info.state())) {
            None if gone => return Ok(()),
            None => {
                return Err(CommandError::message(format!(
                    "agent {} is not connected now: it goes on draining when it is back, see `tepui agents`",
                    short(&id.value)
                )));
            }
            Some(Some(DrainState::Drained)) if !gone => return Ok(()),
            Some(None) => {
                return Err(CommandError::message(format!("agent {} was reactivated meanwhile", short(&id.value))));
            }
            Some(Some(_)) => tokio::time::sleep(POLL).await,
        }
    }
}

pub async fn deactivate(args: Deactivate) -> Result<(), CommandError> {
    let id = args.agent.id(&args.operator_call).await?;
    let said = format!("agent {} is deactivated: nothing of it is offered, what runs there goes on", short(&id.value));
    args.operator_call.send(&operator_calls::deactivate_agent(id), said).await
}

pub async fn reactivate(args: Reactivate) -> Result<(), CommandError> {
    let id = args.agent.id(&args.operator_call).await?;
    let said = format!("agent {} is offered again", short(&id.value));
    args.operator_call.send(&operator_calls::reactivate_agent(id), said).await
}

pub async fn gone(args: Gone) -> Result<(), CommandError> {
    let id = args.agent.id(&args.operator_call).await?;
    let said = format!("agent {} is gone: its tasks are over, and it cannot come back", short(&id.value));
    args.operator_call.send(&operator_calls::mark_agent_gone(id), said).await
}

//! `tepui explain`: why a task or framework is where it is.

use messages::v1;
use messages::v1::task_status::Reason;

use super::cli::{Failure, Target};
use super::find;
use super::state::{State, scalar, short};
use crate::output;
use vocabulary::is_terminal;

#[derive(clap::Args)]
pub struct Explain {
    #[command(flatten)]
    target: Target,
    /// A task or framework: id, unique part of it, or name
    subject: String,
}

pub async fn explain(args: Explain) -> Result<(), Failure> {
    let state = State::get(&args.target.master).await?;
    // `tepui run --name x` makes a framework and a task of one name; the task is what people mean.
    let is_task = state.all_tasks().any(|t| t.task_id.value == args.subject);
    let lines = match framework(&state, &args.subject).filter(|_| !is_task) {
        Some(lines) => lines,
        None => task(&state, find::task(&state, &args.subject)?),
    };
    for line in lines {
        output::line(line);
    }
    Ok(())
}

fn task(state: &State, task: &v1::Task) -> Vec<String> {
    let agents = state.agent_names();
    let agent = agents.get(task.agent_id.value.as_str()).cloned();
    let mut lines = vec![format!(
        "task '{}' of framework {} is {}",
        task.task_id.value,
        short(&task.framework_id.value),
        task.state().as_str_name()
    )];
    lines.push(match agent {
        Some(agent) => format!("it was placed on agent {agent}"),
        None => format!("its agent {} is not registered with the master now", task.agent_id.value),
    });
    for status in &task.statuses {
        let mut line = format!("- {}", status.state().as_str_name());
        if let Some(message) = status.message.as_deref().filter(|m| !m.is_empty()) {
            line.push_str(&format!(": {message}"));
        }
        if let Some(reason) = status.reason.and_then(|r| Reason::try_from(r).ok()) {
            line.push_str(&format!(" ({})", meaning(reason)));
        }
        lines.push(line);
    }
    if task.state() == v1::TaskState::TaskStaging {
        lines.push("it was sent to the agent, which is fetching its files or starting its executor".to_owned());
    }
    if is_terminal(task.state()) {
        lines.push(format!("its output: tepui logs {0}   and   tepui logs --stderr {0}", task.task_id.value));
    }
    lines
}

fn framework(state: &State, subject: &str) -> Option<Vec<String>> {
    let (framework, live) = state.frameworks().find(|(f, _)| {
        let id = f.framework_info.id.as_ref().map_or("", |id| id.value.as_str());
        id == subject || short(id) == subject || f.framework_info.name == subject
    })?;
    let info = &framework.framework_info;
    let id = info.id.as_ref().map_or("", |id| id.value.as_str());
    let mut lines = vec![format!("framework '{}' ({id})", info.name)];
    if !live {
        lines
            .push("is completed: it was torn down, or stayed disconnected longer than its failover_timeout".to_owned());
        return Some(lines);
    }
    if !framework.connected {
        lines.push(format!(
            "is disconnected: it gets no offers until its scheduler subscribes again; after {} s without it, it is removed",
            info.failover_timeout()
        ));
        return Some(lines);
    }
    if !framework.active {
        lines.push("is connected but deactivated: it gets no offers".to_owned());
    }
    let tasks = state.tasks.tasks.iter().filter(|t| t.framework_id.value == id).count();
    lines.push(format!("has {tasks} live tasks and holds {} offers", framework.offers.len()));
    if !framework.offers.is_empty() {
        lines.push("what it was offered is its own until it accepts or declines; it waits for its scheduler, not for the cluster".to_owned());
        return Some(lines);
    }
    lines.extend(supply(state));
    Some(lines)
}

/// What the cluster could still give to anybody.
fn supply(state: &State) -> Vec<String> {
    let active: Vec<_> = state.agents.agents.iter().filter(|a| a.active).collect();
    if active.is_empty() {
        return vec![
            "no agent is active, so there is nothing to offer: `tepui agents` shows their condition".to_owned(),
        ];
    }
    let free = |name| -> f64 {
        let of = |a: &&v1::master::response::get_agents::Agent| {
            scalar(&a.total_resources, name) - scalar(&a.allocated_resources, name) - scalar(&a.offered_resources, name)
        };
        active.iter().map(of).sum()
    };
    let (cpus, mem) = (free("cpus"), free("mem"));
    let mut lines =
        vec![format!("{} active agents have {cpus:.1} cpus and {mem:.0} MB of memory that nobody holds", active.len())];
    lines.push(if cpus < 0.01 || mem < 32.0 {
        "that is too little to offer (at least 0.01 cpus or 32 MB): other frameworks hold the rest".to_owned()
    } else {
        "it is not being offered them: it declined them and its filter has not expired, suppressed its roles, or lacks a capability or role they need".to_owned()
    });
    lines
}

/// Mesos' reasons in plain words.
fn meaning(reason: Reason) -> &'static str {
    use Reason::*;
    match reason {
        ContainerLaunchFailed => "its container could not be started; the agent's log and the sandbox's stderr say why",
        ContainerLimitationMemory => "it used more memory than it asked for",
        ContainerLimitationDisk => "it used more disk than it asked for",
        ContainerLimitation => "it broke a limit of its container",
        ExecutorRegistrationTimeout => "its executor did not register in time",
        ExecutorTerminated => "its executor ended without saying how the task ended",
        FrameworkRemoved => "its framework was removed",
        InvalidOffers => "the offer it was launched on was no longer valid: rescinded, or already used",
        Reconciliation => "reported because the framework asked",
        AgentRemoved => "its agent was removed from the cluster",
        AgentDisconnected => "its agent lost its connection to the master",
        AgentRestarted => "its agent was restarted",
        TaskInvalid | TaskGroupInvalid => "the master refused its description",
        TaskKilledDuringLaunch => "it was killed before it had started",
        MaxCompletionTimeReached => "it ran longer than its max_completion_time",
        ResourcesUnknown => "it used a resource that its agent does not know",
        other => other.as_str_name(),
    }
}

//! The observer of a task with a terminal, which this terminal is connected to (`tepui run -it`).

use std::time::Duration;

use messages::v1;
use tepui_client::{Address, AgentOperator, Error};
use tokio::task::JoinHandle;

use super::stall_explainer::StallExplainer;
use crate::batch::{Observer, Source, Stalled};
use crate::commands::cli::CommandError;
use crate::commands::containers::{Forwarding, RawTerminal, relay};
use crate::output;
use crate::signals::Cancel;

/// The label with which a task says that its output waits for its first reader, who then sees it from the beginning. Agents of
/// Mesos do not know it.
pub(super) const WAITS: (&str, &str) = ("tepui.terminal", "waits");

/// Connects this terminal to that of the task once the task has a container.
#[derive(Debug)]
pub struct LiveTerminal {
    master: Address,
    framework: v1::FrameworkId,
    interactive: bool,
    connection: Option<JoinHandle<Result<(), CommandError>>>,
    stall_explainer: StallExplainer,
}

impl LiveTerminal {
    /// Creates an observer. What is typed goes to the task if `interactive`.
    pub fn new(master: Address, interactive: bool) -> Self {
        let framework = v1::FrameworkId::default();
        LiveTerminal { master, framework, interactive, connection: None, stall_explainer: StallExplainer::default() }
    }

    /// Returns when the output has ended.
    ///
    /// # Errors
    /// The task could not be connected to.
    pub async fn finish(&mut self) -> Result<(), CommandError> {
        match self.connection.take() {
            // A connection that was cancelled belongs to a runtime that is ending.
            Some(connection) => connection.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

async fn connect(source: Source, id: v1::ContainerId, interactive: bool) -> Result<(), CommandError> {
    let agent = AgentOperator::new(source.address().await?);
    let mut output = agent.attach_output(id.clone()).await?;
    let input = agent.attach_input(id).await?;
    let raw = match interactive {
        true => {
            RawTerminal::enter().map_err(|source| CommandError::Io { doing: "use the terminal".to_owned(), source })?
        }
        false => None,
    };
    let forwarding = Forwarding { stdin: interactive, terminal: true, detaches: false };
    let ended = relay(&mut output, Some(input), forwarding, &mut Cancel::listen()).await;
    drop(raw);
    ended?;
    Ok(())
}

impl Observer for LiveTerminal {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        self.framework = framework.clone();
    }

    fn updated(&mut self, status: &v1::TaskStatus) {
        let container = status.container_status.as_ref().and_then(|status| status.container_id.as_deref());
        let (Some(agent), Some(id), None) = (status.agent_id.clone(), container, &self.connection) else { return };
        let (master, framework) = (self.master.clone(), self.framework.clone());
        let source = Source { master, framework, agent, executor: status.task_id.value.clone(), nested: None };
        self.connection = Some(tokio::spawn(connect(source, id.clone(), self.interactive)));
    }

    fn stalled(&mut self, stalled: Stalled) {
        self.master = stalled.master.clone();
        self.stall_explainer.explain(stalled);
    }

    fn lost(&mut self, error: &Error, retry_in: Duration) {
        output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
    }
}

//! A command in a container of its own beside a task, of which its agent keeps nothing after its end.

use std::time::Duration;

use messages::v1;
use tepui_client::{AgentOperator, ContainerEnd, ContainerOutput, Error};
use tokio::task::JoinHandle;

use super::exec::with_advice;
use super::target::TaskContainer;
use crate::commands::cli::CommandError;

/// The time within which an agent ends and removes a session that is abandoned. The user waits for it after Ctrl-C.
const ABANDON_LIMIT: Duration = Duration::from_secs(5);

/// A session (LAUNCH_NESTED_CONTAINER_SESSION). It has to be finished or abandoned: an agent keeps a container that has ended
/// until it is removed.
#[derive(Debug)]
pub struct Session {
    agent: AgentOperator,
    /// Its container.
    pub id: v1::ContainerId,
    /// The output of the command. The agent ends the command when it is dropped.
    pub output: ContainerOutput,
    wait: JoinHandle<Result<ContainerEnd, Error>>,
}

impl Session {
    /// Starts a command in the container of a task.
    ///
    /// # Errors
    ///
    /// Fails if the agent cannot run the command.
    pub async fn start(
        target: &TaskContainer,
        command: v1::CommandInfo,
        container: Option<v1::ContainerInfo>,
    ) -> Result<Self, CommandError> {
        let (agent, id) = (target.agent.clone(), target.new_nested());
        let output = match agent.launch_session(id.clone(), command, container).await {
            Ok(output) => output,
            Err(error) => {
                // The refusal says what is wrong; whether there is anything to remove does not matter then.
                let _ = agent.remove_container(id).await;
                return Err(with_advice(error));
            }
        };
        // The answer comes with the end of the command, and needs no round trip then.
        let wait = tokio::spawn({
            let (agent, id) = (agent.clone(), id.clone());
            async move { agent.wait_container(id).await }
        });
        Ok(Session { agent, id, output, wait })
    }

    /// Waits for the end of the command, and lets the agent forget it.
    ///
    /// # Errors
    ///
    /// Fails if the agent does not say how the command has ended.
    pub async fn finish(self) -> Result<ContainerEnd, CommandError> {
        let end = match self.wait.await {
            Ok(end) => end?,
            Err(error) => {
                return Err(CommandError::message(format!("the wait for the command ended by itself: {error}")));
            }
        };
        // The end of the task removes what cannot be removed now.
        let _ = self.agent.remove_container(self.id).await;
        Ok(end)
    }

    /// Ends the command, and lets the agent forget it.
    pub async fn abandon(self) {
        let Session { agent, id, output, wait } = self;
        drop(output);
        let ended = async {
            let _ = wait.await;
            let _ = agent.remove_container(id).await;
        };
        // An agent that does not answer in time removes it with the task.
        let _ = tokio::time::timeout(ABANDON_LIMIT, ended).await;
    }
}

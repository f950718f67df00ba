//! The container of the task that an argument names, and its agent.

use messages::v1;
use messages::v1::agent::{Call, call};
use model::is_terminal;
use tepui_client::AgentOperator;

use super::lookup::{self, Found};
use crate::commands::cli::{CommandError, Master};
use crate::commands::find;
use crate::commands::state::State;

/// A task, its agent and its container.
#[derive(Debug)]
pub struct TaskContainer {
    /// The parts of the task that find its container.
    pub task: v1::Task,
    /// The agent that runs it.
    pub agent: AgentOperator,
    /// Its container: a nested one for a task of a pod, otherwise that of its executor.
    pub id: v1::ContainerId,
}

impl TaskContainer {
    /// Finds the container of a task that runs. Tasks that are over are looked at only if no other task fits. A task that is
    /// named by its whole id is asked for alone, since the state of a large cluster takes long; other names are searched in
    /// the whole state.
    ///
    /// # Errors
    ///
    /// There is no such task, it is over, or its agent does not know a container of it.
    pub async fn find(master: &Master, given: &str) -> Result<Self, CommandError> {
        let Found { task, agent } = match lookup::by_id(master, given).await? {
            Some(found) => found,
            None => {
                let state = State::get(master).await?;
                let task = find::running_task(&state, given)?;
                Found { task: task.clone(), agent: find::agent_of(&state, task) }
            }
        };
        if is_terminal(task.state()) {
            let (id, state) = (&task.task_id.value, task.state().as_str_name());
            return Err(CommandError::message(format!(
                "task '{id}' is over ({state}), so it has no container any more; its output is still there: `tepui logs {id}`"
            )));
        }
        let agent = AgentOperator::new(agent?);
        let id = match find::container(&task) {
            Some(id) => id.clone(),
            None => of_executor(&agent, &task).await?,
        };
        Ok(TaskContainer { task, agent, id })
    }

    /// Returns the id of a new container inside that of the task.
    pub fn new_nested(&self) -> v1::ContainerId {
        v1::ContainerId { value: format!("tepui-{}", random_hex()), parent: Some(Box::new(self.id.clone())) }
    }

    /// Returns whether the task has a terminal.
    pub fn has_terminal(&self) -> bool {
        self.task.container.as_ref().is_some_and(|container| container.tty_info.is_some())
    }
}

/// Asks an agent for the container of a task of which no update has come: that of its executor, unless this is a default
/// executor, which is about to launch a container for the task.
async fn of_executor(agent: &AgentOperator, task: &v1::Task) -> Result<v1::ContainerId, CommandError> {
    let executor = task.executor_id.as_ref().map_or(task.task_id.value.as_str(), |id| id.value.as_str());
    let get = async |kind: call::Type| agent.call(&Call { r#type: Some(kind.into()), ..Default::default() }).await;
    let executors = get(call::Type::GetExecutors).await?.get_executors.map(|answer| answer.executors);
    let is_default = executors.unwrap_or_default().iter().map(|one| &one.executor_info).any(|info| {
        info.r#type() == v1::executor_info::Type::Default
            && info.executor_id.value == executor
            && info.framework_id.as_ref() == Some(&task.framework_id)
    });
    let containers = match is_default {
        true => Vec::new(),
        false => {
            get(call::Type::GetContainers).await?.get_containers.map(|answer| answer.containers).unwrap_or_default()
        }
    };
    let is_of = |container: &&v1::agent::response::get_containers::Container| {
        container.executor_id.as_ref().is_some_and(|id| id.value == executor)
            && container.framework_id.as_ref() == Some(&task.framework_id)
    };
    let found = containers.iter().find(is_of).map(|container| container.container_id.clone());
    found.ok_or_else(|| {
        let id = &task.task_id.value;
        CommandError::message(format!(
            "agent {} has no container of task '{id}' yet: try again in a moment",
            agent.address()
        ))
    })
}

/// Returns 128 random bits, from the keys of the hash maps of this process, which the operating system has chosen.
fn random_hex() -> String {
    use std::hash::BuildHasher;
    let half = || std::collections::hash_map::RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

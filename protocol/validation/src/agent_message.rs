//! Validation of agents that register or re-register.

use std::collections::BTreeSet;

use messages::internal::{RegisterSlaveMessage, ReregisterSlaveMessage};
use messages::v1::{AgentInfo, ExecutorInfo, Task, TaskState};

use crate::{ValidationError, Within, executor, framework, ids, resource};

/// Checks an agent that registers. Agents always checkpoint since Mesos 1.0, so checkpointed resources are allowed.
///
/// # Errors
///
/// The reason is that of `master::message::registerSlave` in Mesos' `src/master/validation.cpp`.
pub fn validate_register(message: &RegisterSlaveMessage) -> Result<(), ValidationError> {
    validate_info(&message.slave)?;
    resource::validate_each(&message.checkpointed_resources)
}

/// Checks the report of a returning agent about itself, its frameworks, executors and tasks.
///
/// # Errors
///
/// The reason is that of `master::message::reregisterSlave` in Mesos' `src/master/validation.cpp`; the master answers
/// it with a shutdown of the agent.
pub fn validate_reregister(message: &ReregisterSlaveMessage) -> Result<(), ValidationError> {
    validate_info(&message.slave)?;
    resource::validate_each(&message.checkpointed_resources)?;

    let mut frameworks = BTreeSet::new();
    for info in &message.frameworks {
        framework::validate(info)?;
        let id = info.id.as_ref().map_or("", |id| &id.value);
        if !frameworks.insert(id) {
            return Err(ValidationError::new(format!("Framework has a duplicate FrameworkID: '{id}'")));
        }
    }
    let mut executors = BTreeSet::new();
    for info in &message.executor_infos {
        validate_executor(info, &frameworks, &mut executors)?;
    }
    for task in &message.tasks {
        validate_task(task, &message.slave, &frameworks, &executors)?;
    }
    Ok(())
}

fn validate_info(agent: &AgentInfo) -> Result<(), ValidationError> {
    if let Some(id) = &agent.id {
        ids::validate(&id.value)?;
    }
    resource::validate_each(&agent.resources)
}

/// Resources are checked for syntax only, since an agent reports them without allocation.
fn validate_executor<'a>(
    info: &'a ExecutorInfo,
    frameworks: &BTreeSet<&str>,
    executors: &mut BTreeSet<(&'a str, &'a str)>,
) -> Result<(), ValidationError> {
    executor::validate(info)?;
    resource::validate_each(&info.resources)?;
    let framework = info.framework_id.as_ref().map_or("", |id| &id.value);
    if !frameworks.contains(framework) {
        return Err(ValidationError::new(format!("Executor has an invalid FrameworkID '{framework}'")));
    }
    let id = info.executor_id.value.as_str();
    if !executors.insert((framework, id)) {
        return Err(ValidationError::new(format!("Framework '{framework}' has a duplicate ExecutorID '{id}'")));
    }
    Ok(())
}

fn validate_task(
    task: &Task,
    agent: &AgentInfo,
    frameworks: &BTreeSet<&str>,
    executors: &BTreeSet<(&str, &str)>,
) -> Result<(), ValidationError> {
    ids::validate(&task.task_id.value).within("Task has an invalid TaskID")?;
    if agent.id.as_ref() != Some(&task.agent_id) {
        return Err(ValidationError::new(format!("Task has an invalid SlaveID '{}'", task.agent_id.value)));
    }
    let framework = task.framework_id.value.as_str();
    if !frameworks.contains(framework) {
        return Err(ValidationError::new(format!("Task has an invalid FrameworkID '{framework}'")));
    }
    // A command task names no executor, and an executor that ended is not reported.
    if let Some(id) = task.executor_id.as_ref().filter(|_| task.state() == TaskState::TaskRunning)
        && !executors.contains(&(framework, id.value.as_str()))
    {
        return Err(ValidationError::new(format!("Task has an invalid ExecutorID '{}'", id.value)));
    }
    resource::validate_each(&task.resources).within("Task uses invalid resources")
}

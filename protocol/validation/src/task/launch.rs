//! LAUNCH: one task, with a command or an executor of its own.

use messages::v1::{ExecutorInfo, TaskInfo, executor_info};
use resources::Resources;

use super::{Context, common};
use crate::error::require;
use crate::{ValidationError, Within, container, executor, resource};

/// Checks one task of a LAUNCH.
///
/// # Errors
///
/// The reason is that of `task::validate` in Mesos' `src/master/validation.cpp`, for the first rule that is broken.
pub fn validate(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    common::validate(task, context)?;
    require(
        task.executor.is_some() != task.command.is_some(),
        "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
    )?;
    if let Some(executor) = &task.executor {
        validate_executor(executor, context)?;
    }
    validate_together(task)?;
    validate_offered(task, context)?;
    require(
        container::share_cgroups(task.container.as_deref()) != Some(false),
        "Only tasks in a task group may have 'share_cgroups' set to 'false'",
    )
}

/// Too little cpu or memory for an executor is refused by LAUNCH_GROUP only; LAUNCH accepts it, as in Mesos.
fn validate_executor(executor: &ExecutorInfo, context: &Context) -> Result<(), ValidationError> {
    let running = (context.running_executor)(&executor.executor_id.value);
    executor::validate_launch(executor, context.framework_id, running)?;
    require(
        executor.r#type.is_none() || executor.r#type() == executor_info::Type::Custom,
        "'ExecutorInfo.type' must be 'CUSTOM'",
    )?;
    require(executor.command.is_some(), "'ExecutorInfo.command' must be set")?;
    if executor.resources.iter().any(|resource| resource.shared.is_some()) {
        return Err(ValidationError::new(format!(
            "Executor resources {} should not contain any shared resources",
            sum(&[&executor.resources])?
        )));
    }
    require(
        container::share_cgroups(executor.container.as_deref()) != Some(true),
        "The 'share_cgroups' field cannot be set to 'true' on executor containers",
    )
}

/// Checks the sum of task and executor; each part has passed its own checks.
fn validate_together(task: &TaskInfo) -> Result<(), ValidationError> {
    let Some(executor) = &task.executor else { return Ok(()) };
    if resource::overlap(&[&task.resources, &executor.resources]) {
        return Err(ValidationError::new(format!(
            "There are overlapping resources in the task resources {} and executor resources {}",
            sum(&[&task.resources])?,
            sum(&[&executor.resources])?
        )));
    }
    let together = [task.resources.as_slice(), &executor.resources].concat();
    resource::validate_unique_persistence(&together).within("Task and its executor use duplicate persistence ID")?;
    resource::validate_revocable_mix(&together)
        .within("Task and its executor mix revocable and non-revocable resources")
}

/// Checks that the offers contain the resources. A running executor has its resources already.
fn validate_offered(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    let new_executor = task
        .executor
        .as_deref()
        .filter(|executor| (context.running_executor)(&executor.executor_id.value).is_none())
        .map_or(&[][..], |executor| &executor.resources);
    let total = sum(&[&task.resources, new_executor])?;
    if context.offered.contains(&total) {
        return Ok(());
    }
    Err(ValidationError::new(format!(
        "Total resources {total} required by task and its executor is more than available {}",
        context.offered
    )))
}

pub(super) fn sum(parts: &[&[messages::v1::Resource]]) -> Result<Resources, ValidationError> {
    Resources::from_proto(&parts.concat()).map_err(|error| ValidationError::new(error.to_string()))
}

//! The eleven rules for a task apart from its executor. The first broken rule gives the reason.

use messages::v1::{DurationInfo, TaskInfo};

use super::{Context, TaskIdUse};
use crate::container_labels::ContainerLabels;
use crate::error::require;
use crate::{ValidationError, Within, bounds, check, command, container, health_checks, ids, resource};

pub(super) fn validate(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    ids::validate(&task.task_id.value)?;
    validate_unique_id(task, context)?;
    validate_agent_id(task, context)?;
    validate_durations(task)?;
    if let Some(check) = &task.check {
        check::validate(check).within("Task uses invalid check")?;
    }
    if let Some(health_check) = &task.health_check {
        check::validate_health_check(health_check).within("Task uses invalid health check")?;
    }
    health_checks::named(task.labels.as_deref())?;
    let labels = ContainerLabels::of(task.labels.as_deref())?;
    if task.executor.is_some() { labels.refuse_for_executor() } else { labels.check(task.container.as_deref()) }?;
    validate_resources(task)?;
    if let Some(command) = &task.command {
        command::validate(command).within("Task's `CommandInfo` is invalid")?;
    }
    if let Some(container) = &task.container {
        container::validate(container).within("Task's `ContainerInfo` is invalid")?;
    }
    validate_limits(task, context)
}

fn validate_unique_id(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    let id = &task.task_id.value;
    match (context.task_id_use)(id) {
        Some(TaskIdUse::Running) => Err(ValidationError::new(format!("Task has duplicate ID: {id}"))),
        Some(TaskIdUse::Unreachable) => {
            Err(ValidationError::new(format!("Task reuses the ID of an unreachable task: {id}")))
        }
        None => Ok(()),
    }
}

fn validate_agent_id(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    let (named, expected) = (task.agent_id.value.as_str(), context.agent.id);
    if named == expected {
        return Ok(());
    }
    Err(ValidationError::new(format!("Task uses invalid agent {named} while agent {expected} is expected")))
}

fn validate_durations(task: &TaskInfo) -> Result<(), ValidationError> {
    let non_negative = |duration: Option<DurationInfo>| duration.is_none_or(|duration| duration.nanoseconds >= 0);
    require(
        non_negative(task.kill_policy.as_ref().and_then(|policy| policy.grace_period)),
        "Task's 'kill_policy.grace_period' must be non-negative",
    )?;
    require(non_negative(task.max_completion_time), "Task's `max_completion_time` must be non-negative")
}

fn validate_resources(task: &TaskInfo) -> Result<(), ValidationError> {
    let resources = &task.resources;
    require(!resources.is_empty(), "Task uses no resources")?;
    resource::validate(resources).within("Task uses invalid resources")?;
    bounds::validate_persistent_volumes(resources).within("Task uses invalid resources")?;
    resource::validate_unique_persistence(resources).within("Task uses duplicate persistence ID")?;
    resource::validate_allocated_to_single_role(resources).within("Invalid task resources")?;
    resource::validate_revocable_mix(resources).within("Task mixes revocable and non-revocable resources")
}

/// A limit bounds what a task may use beyond its request, so it is at least the request.
fn validate_limits(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    let limits = &task.limits;
    if limits.is_empty() {
        return Ok(());
    }
    require(context.agent.task_resource_limits, "Agent is not capable of handling task resource limits")?;
    require(
        limits.keys().all(|name| matches!(name.as_str(), "cpus" | "mem")),
        "Only cpus and mem may be included in a task's resource limits",
    )?;
    let requested = |name| resource::scalar_thousandths(&task.resources, name).map(|amount| amount as f64 / 1000.0);
    if let Some(limit) = limits.get("cpus") {
        let Some(requested) = requested("cpus") else {
            return Err(ValidationError::new("When a CPU limit is specified, a CPU request must also be specified"));
        };
        require(limit.value >= requested, "The cpu limit must be greater than or equal to the cpu request")?;
    }
    if let Some(limit) = limits.get("mem") {
        let Some(requested) = requested("mem") else {
            return Err(ValidationError::new(
                "When a memory limit is specified, a memory request must also be specified",
            ));
        };
        require(limit.value >= requested, "The memory limit must be greater than or equal to the memory request")?;
    }
    Ok(())
}

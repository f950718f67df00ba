//! LAUNCH_GROUP: a pod of tasks under one executor. One invalid task refuses all of them.

use messages::v1::{ExecutorInfo, Resource, TaskGroupInfo, TaskInfo, container_info, executor_info, health_check};

use prost::Message as _;

use super::launch::sum;
use super::{Context, common};
use crate::error::require;
use crate::health_checks;
use crate::{ValidationError, Within, bounds, command, container, executor, resource, text};

/// The least resources of an executor of a group; a default executor cannot run with less.
const MIN_CPUS: f64 = 0.01;
const MIN_MEM_MEGABYTES: f64 = 32.0;

/// The number of bytes that the copies of an executor may add for each byte of a task group.
const COPY_FACTOR: usize = 32;
/// Copies of up to this many bytes are always allowed.
const COPY_FLOOR: usize = 1 << 20;

/// Checks whether the executor can be copied into each task that names none. A large executor and many small tasks
/// would make messages far larger than the call; Mesos has no such bound.
///
/// # Errors
///
/// The reason names the size of the executor and the number of its copies.
pub fn validate_executor_copies(group: &TaskGroupInfo, executor: &ExecutorInfo) -> Result<(), ValidationError> {
    let size = executor.encoded_len();
    let copies = group.tasks.iter().filter(|task| task.executor.is_none()).count();
    let allowed = (group.encoded_len() + size).saturating_mul(COPY_FACTOR).saturating_add(COPY_FLOOR);
    if size.saturating_mul(copies) <= allowed {
        return Ok(());
    }
    Err(ValidationError::new(format!(
        "An executor of {size} bytes cannot be repeated in {copies} tasks: launch fewer tasks in a group, or shorten the \
         executor's data, command and labels"
    )))
}

/// Checks a task group and its executor. The master has put `executor` into each task that names none.
///
/// # Errors
///
/// The reason is that of `task::group::validate` in Mesos' `src/master/validation.cpp`, for the first rule that is
/// broken, or that of [`bounds`].
pub fn validate(group: &TaskGroupInfo, executor: &ExecutorInfo, context: &Context) -> Result<(), ValidationError> {
    bounds::GROUP_TASKS.check(group.tasks.len())?;
    for task in &group.tasks {
        validate_task(task, context).within(&format!("Task '{}' is invalid", task.task_id.value))?;
    }
    validate_executor(group, executor, context)?;
    validate_share_cgroups(group, executor, context)
}

fn validate_task(task: &TaskInfo, context: &Context) -> Result<(), ValidationError> {
    common::validate(task, context)?;
    require(task.executor.is_some(), "'TaskInfo.executor' must be set")?;
    if let Some(container) = &task.container {
        let named = health_checks::named(task.labels.as_deref())?;
        let mut checks = task.health_check.as_deref().into_iter().chain(named.iter().map(|named| &named.check));
        let probes_network =
            checks.any(|check| matches!(check.r#type(), health_check::Type::Http | health_check::Type::Tcp));
        require(
            container.network_infos.is_empty() || !probes_network,
            "HTTP and TCP health checks are not supported for nested containers not joining parent's network",
        )?;
        require(
            container.r#type() != container_info::Type::Docker,
            "Docker ContainerInfo is not supported on the task",
        )?;
    }
    require(
        task.limits.is_empty() || container::share_cgroups(task.container.as_deref()) == Some(false),
        "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set \
         to 'false'.",
    )
}

fn validate_executor(group: &TaskGroupInfo, executor: &ExecutorInfo, context: &Context) -> Result<(), ValidationError> {
    let running = (context.running_executor)(&executor.executor_id.value);
    executor::validate_launch(executor, context.framework_id, running)?;
    require(executor.r#type.is_some(), "'ExecutorInfo.type' must be set")?;
    require(executor.r#type() != executor_info::Type::Unknown, "Unknown executor type")?;
    require(
        executor.container.as_ref().is_none_or(|container| container.r#type() != container_info::Type::Docker),
        "Docker ContainerInfo is not supported on the executor",
    )?;
    for task in &group.tasks {
        if task.executor.as_deref().is_some_and(|own| !executor::same(own, executor)) {
            return Err(ValidationError::new(format!(
                "The `ExecutorInfo` of task '{}' is different from executor '{}'",
                task.task_id.value, executor.executor_id.value
            )));
        }
    }
    validate_minimum(executor)?;
    validate_together(group, executor)?;
    validate_offered(group, executor, running.is_some(), context)?;
    if let Some(command) = &executor.command {
        // The missing space is Mesos'.
        let place = format!("Executor '{}'contains an invalid command", executor.executor_id.value);
        command::validate(command).within(&place)?;
    }
    Ok(())
}

fn validate_minimum(executor: &ExecutorInfo) -> Result<(), ValidationError> {
    let id = &executor.executor_id.value;
    let amount =
        |name| resource::scalar_thousandths(&executor.resources, name).map(|thousandths| thousandths as f64 / 1000.0);
    let cpus = amount("cpus");
    if cpus.is_none_or(|cpus| cpus < MIN_CPUS) {
        let has = cpus.map_or("None".to_owned(), text::double);
        let least = text::double(MIN_CPUS);
        return Err(ValidationError::new(format!(
            "Executor '{id}' uses less CPUs ({has}) than the minimum required ({least})"
        )));
    }
    let mem = amount("mem");
    if mem.is_none_or(|mem| mem < MIN_MEM_MEGABYTES) {
        let has = mem.map_or("None".to_owned(), text::megabytes);
        let least = text::megabytes(MIN_MEM_MEGABYTES);
        return Err(ValidationError::new(format!(
            "Executor '{id}' uses less memory ({has}) than the minimum required ({least})"
        )));
    }
    if amount("disk").is_none() {
        return Err(ValidationError::new(format!("Executor '{id}' uses no disk")));
    }
    Ok(())
}

fn validate_together(group: &TaskGroupInfo, executor: &ExecutorInfo) -> Result<(), ValidationError> {
    let tasks: Vec<&[Resource]> = group.tasks.iter().map(|task| task.resources.as_slice()).collect();
    let parts: Vec<&[Resource]> = tasks.iter().copied().chain([executor.resources.as_slice()]).collect();
    let all = parts.concat();
    resource::validate_unique_persistence(&all).within("Task group and executor use duplicate persistence ID")?;
    resource::validate_revocable_mix(&all)
        .within("Task group and executor mix revocable and non-revocable resources")?;
    if resource::overlap(&parts) {
        let tasks: Result<Vec<String>, ValidationError> =
            tasks.iter().map(|part| Ok(sum(&[part])?.to_string())).collect();
        return Err(ValidationError::new(format!(
            "There are overlapping resources in the task group's task resources [ {} ] and/or executor resources {}",
            tasks?.join(", "),
            sum(&[&executor.resources])?
        )));
    }
    Ok(())
}

fn validate_offered(
    group: &TaskGroupInfo,
    executor: &ExecutorInfo,
    running: bool,
    context: &Context,
) -> Result<(), ValidationError> {
    let mut parts: Vec<&[Resource]> = group.tasks.iter().map(|task| task.resources.as_slice()).collect();
    if !running {
        parts.push(&executor.resources);
    }
    let total = sum(&parts)?;
    if context.offered.contains(&total) {
        return Ok(());
    }
    Err(ValidationError::new(format!(
        "Total resources {total} required by task group and its executor are more than available {}",
        context.offered
    )))
}

/// Checks that either all tasks of an executor have cgroups of their own, or none has.
fn validate_share_cgroups(
    group: &TaskGroupInfo,
    executor: &ExecutorInfo,
    context: &Context,
) -> Result<(), ValidationError> {
    require(
        container::share_cgroups(executor.container.as_deref()) != Some(true),
        "The 'share_cgroups' field cannot be set to 'true' on executor containers",
    )?;
    let mut values = group
        .tasks
        .iter()
        .map(|task| container::share_cgroups(task.container.as_deref()).unwrap_or(true))
        .chain((context.share_cgroups_under)(&executor.executor_id.value));
    let Some(first) = values.next() else { return Ok(()) };
    require(
        values.all(|value| value == first),
        "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a \
         single executor",
    )
}

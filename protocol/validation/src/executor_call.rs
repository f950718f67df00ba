//! Validation of an executor's call, without regard to the agent's state.

use messages::v1::executor::{Call, call::Type};
use messages::v1::{TaskState, TaskStatus, task_status::Source};

use crate::error::{call_type, present};
use crate::{ValidationError, check, ids};

/// Checks an executor's call.
///
/// # Errors
///
/// The reason is that of `validateExecutorCall` in Mesos' `src/common/validation.cpp`.
pub fn validate(call: &Call) -> Result<(), ValidationError> {
    let kind: Type = call_type(call.r#type)?;
    match kind {
        Type::Subscribe => present(&call.subscribe, "subscribe").map(drop),
        Type::Update => validate_update(call, &present(&call.update, "update")?.status),
        Type::Message => present(&call.message, "message").map(drop),
        Type::Heartbeat | Type::Unknown => Ok(()),
    }
}

fn validate_update(call: &Call, status: &TaskStatus) -> Result<(), ValidationError> {
    let (executor, framework) = (&call.executor_id.value, &call.framework_id.value);
    ids::validate_uuid(present(&status.uuid, "uuid")?)?;
    if let Some(other) = status.executor_id.as_ref().filter(|id| **id != call.executor_id) {
        let other = &other.value;
        return Err(ValidationError::new(format!(
            "ExecutorID in Call: {executor} does not match ExecutorID in TaskStatus: {other}"
        )));
    }
    if status.source() != Source::Executor {
        return Err(ValidationError::new(format!(
            "Received Call from executor {executor} of framework {framework} with invalid source, \
             expecting 'SOURCE_EXECUTOR'"
        )));
    }
    // Only the master and the agent may say that a task is staging.
    if status.state() == TaskState::TaskStaging {
        return Err(ValidationError::new(format!(
            "Received TASK_STAGING from executor {executor} of framework {framework} which is not allowed"
        )));
    }
    status.check_status.as_deref().map_or(Ok(()), check::validate_status)
}

//! Checks and health checks of tasks, and the status of a check.

use messages::v1::{self, check_info, health_check};

use crate::error::require;
use crate::{ValidationError, Within, command};

/// Checks a check of a task.
///
/// # Errors
///
/// The reason is that of `validateCheckInfo` in Mesos' `src/common/validation.cpp`.
pub fn validate(check: &v1::CheckInfo) -> Result<(), ValidationError> {
    require(check.r#type.is_some(), "CheckInfo must specify 'type'")?;
    match check.r#type() {
        check_info::Type::Command => {
            let Some(wrapper) = &check.command else {
                return Err(ValidationError::new("Expecting 'command' to be set for COMMAND check"));
            };
            let command = &wrapper.command;
            require_value(command, "Command check")?;
            command::validate(command).within("Check's `CommandInfo` is invalid")?;
        }
        check_info::Type::Http => {
            let Some(http) = &check.http else {
                return Err(ValidationError::new("Expecting 'http' to be set for HTTP check"));
            };
            require_rooted(&http.path, "HTTP check")?;
        }
        check_info::Type::Tcp => require(check.tcp.is_some(), "Expecting 'tcp' to be set for TCP check")?,
        check_info::Type::Unknown => return Err(ValidationError::new("'UNKNOWN' is not a valid check type")),
    }
    non_negative(check.delay_seconds, "delay_seconds")?;
    non_negative(check.interval_seconds, "interval_seconds")?;
    non_negative(check.timeout_seconds, "timeout_seconds")
}

/// Checks a health check of a task.
///
/// # Errors
///
/// The reason is that of `validateHealthCheck` in Mesos' `src/common/validation.cpp`.
pub fn validate_health_check(check: &v1::HealthCheck) -> Result<(), ValidationError> {
    require(check.r#type.is_some(), "HealthCheck must specify 'type'")?;
    match check.r#type() {
        health_check::Type::Command => {
            let Some(command) = &check.command else {
                return Err(ValidationError::new("Expecting 'command' to be set for COMMAND health check"));
            };
            require_value(command, "Command health check")?;
            command::validate(command).within("Health check's `CommandInfo` is invalid")?;
        }
        health_check::Type::Http => {
            let Some(http) = &check.http else {
                return Err(ValidationError::new("Expecting 'http' to be set for HTTP health check"));
            };
            if let Some(scheme) = http.scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
                return Err(ValidationError::new(format!("Unsupported HTTP health check scheme: '{scheme}'")));
            }
            require_rooted(&http.path, "HTTP health check")?;
        }
        health_check::Type::Tcp => require(check.tcp.is_some(), "Expecting 'tcp' to be set for TCP health check")?,
        health_check::Type::Unknown => return Err(ValidationError::new("'UNKNOWN' is not a valid health check type")),
    }
    non_negative(check.delay_seconds, "delay_seconds")?;
    non_negative(check.grace_period_seconds, "grace_period_seconds")?;
    non_negative(check.interval_seconds, "interval_seconds")?;
    non_negative(check.timeout_seconds, "timeout_seconds")
}

/// Checks the status of a check.
///
/// # Errors
///
/// The reason is that of `validateCheckStatusInfo` in Mesos' `src/common/validation.cpp`.
pub fn validate_status(status: &v1::CheckStatusInfo) -> Result<(), ValidationError> {
    require(status.r#type.is_some(), "CheckStatusInfo must specify 'type'")?;
    match status.r#type() {
        check_info::Type::Command => {
            require(status.command.is_some(), "Expecting 'command' to be set for COMMAND check's status")
        }
        check_info::Type::Http => require(status.http.is_some(), "Expecting 'http' to be set for HTTP check's status"),
        check_info::Type::Tcp => require(status.tcp.is_some(), "Expecting 'tcp' to be set for TCP check's status"),
        check_info::Type::Unknown => Err(ValidationError::new("'UNKNOWN' is not a valid check's status type")),
    }
}

fn require_value(command: &v1::CommandInfo, of: &str) -> Result<(), ValidationError> {
    if command.value.is_some() {
        return Ok(());
    }
    let what = if command.shell() { "'shell command'" } else { "'executable path'" };
    Err(ValidationError::new(format!("{of} must contain {what}")))
}

fn require_rooted(path: &Option<String>, of: &str) -> Result<(), ValidationError> {
    match path {
        Some(path) if !path.starts_with('/') => {
            Err(ValidationError::new(format!("The path '{path}' of {of} must start with '/'")))
        }
        _ => Ok(()),
    }
}

fn non_negative(seconds: Option<f64>, field: &str) -> Result<(), ValidationError> {
    match seconds {
        Some(seconds) if seconds < 0.0 => Err(ValidationError::new(format!("Expecting '{field}' to be non-negative"))),
        _ => Ok(()),
    }
}

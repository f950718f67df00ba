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
            require_port(http.port, "HTTP check")?;
        }
        check_info::Type::Tcp => {
            let Some(tcp) = &check.tcp else {
                return Err(ValidationError::new("Expecting 'tcp' to be set for TCP check"));
            };
            require_port(tcp.port, "TCP check")?;
        }
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
            require_port(http.port, "HTTP health check")?;
        }
        health_check::Type::Tcp => {
            let Some(tcp) = &check.tcp else {
                return Err(ValidationError::new("Expecting 'tcp' to be set for TCP health check"));
            };
            require_port(tcp.port, "TCP health check")?;
        }
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

/// Mesos accepts every number, and a check of an invalid port then always fails.
fn require_port(port: u32, of: &str) -> Result<(), ValidationError> {
    if (1..=u32::from(u16::MAX)).contains(&port) {
        return Ok(());
    }
    Err(ValidationError::new(format!("The 'port' {port} of {of} must be between 1 and {}", u16::MAX)))
}

/// Mesos refuses only negative numbers, and aborts when it converts another invalid number to a duration.
fn non_negative(seconds: Option<f64>, field: &str) -> Result<(), ValidationError> {
    /// Mesos' durations are nanoseconds in 63 bits.
    const MOST: f64 = i64::MAX as f64 / 1e9;
    match seconds {
        Some(seconds) if seconds < 0.0 => Err(ValidationError::new(format!("Expecting '{field}' to be non-negative"))),
        Some(seconds) if seconds.is_nan() || seconds > MOST => {
            Err(ValidationError::new(format!("Expecting '{field}' to be at most {MOST} seconds")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number of a check either has a meaning or is refused with an error that names the field.
    #[test]
    fn invalid_numbers_are_refused_with_the_field_name() {
        type Set<T> = fn(&mut T, f64);
        let checks: [(&str, Set<v1::CheckInfo>); 3] = [
            ("delay_seconds", |check, value| check.delay_seconds = Some(value)),
            ("interval_seconds", |check, value| check.interval_seconds = Some(value)),
            ("timeout_seconds", |check, value| check.timeout_seconds = Some(value)),
        ];
        let health_checks: [(&str, Set<v1::HealthCheck>); 4] = [
            ("delay_seconds", |check, value| check.delay_seconds = Some(value)),
            ("grace_period_seconds", |check, value| check.grace_period_seconds = Some(value)),
            ("interval_seconds", |check, value| check.interval_seconds = Some(value)),
            ("timeout_seconds", |check, value| check.timeout_seconds = Some(value)),
        ];
        // Zero means no delay, no grace period, no interval, and no timeout of a check.
        let values = [(0.0, true), (0.5, true), (9e9, true), (-1.0, false), (-f64::INFINITY, false)];
        let values = values.into_iter().chain([f64::NAN, f64::INFINITY, 1e10, 1e308].map(|value| (value, false)));
        for (value, is_valid) in values {
            let compare = |field: &str, found: Result<(), ValidationError>| match found {
                Ok(()) => assert!(is_valid, "{field} = {value}"),
                Err(reason) => assert!(!is_valid && reason.to_string().contains(field), "{field} = {value}: {reason}"),
            };
            for (field, set) in checks {
                let tcp = Some(check_info::Tcp { port: 80 });
                let kind = Some(check_info::Type::Tcp.into());
                let mut check = v1::CheckInfo { r#type: kind, tcp, ..Default::default() };
                set(&mut check, value);
                compare(field, validate(&check));
            }
            for (field, set) in health_checks {
                let tcp = Some(health_check::TcpCheckInfo { port: 80, protocol: None });
                let kind = Some(health_check::Type::Tcp.into());
                let mut check = v1::HealthCheck { r#type: kind, tcp, ..Default::default() };
                set(&mut check, value);
                compare(field, validate_health_check(&check));
            }
        }
    }

    #[test]
    fn invalid_ports_are_refused() {
        for (port, is_valid) in [(0, false), (1, true), (65_535, true), (65_536, false), (u32::MAX, false)] {
            let tcp = v1::CheckInfo {
                r#type: Some(check_info::Type::Tcp.into()),
                tcp: Some(check_info::Tcp { port }),
                ..Default::default()
            };
            let http = v1::CheckInfo {
                r#type: Some(check_info::Type::Http.into()),
                http: Some(check_info::Http { port, path: None }),
                ..Default::default()
            };
            let health_tcp = v1::HealthCheck {
                r#type: Some(health_check::Type::Tcp.into()),
                tcp: Some(health_check::TcpCheckInfo { port, protocol: None }),
                ..Default::default()
            };
            let health_http = v1::HealthCheck {
                r#type: Some(health_check::Type::Http.into()),
                http: Some(Box::new(health_check::HttpCheckInfo { port, ..Default::default() })),
                ..Default::default()
            };
            let found = [
                validate(&tcp),
                validate(&http),
                validate_health_check(&health_tcp),
                validate_health_check(&health_http),
            ];
            for found in found {
                match found {
                    Ok(()) => assert!(is_valid, "{port}"),
                    Err(reason) => assert!(!is_valid && reason.to_string().contains("'port'"), "{port}: {reason}"),
                }
            }
        }
    }
}

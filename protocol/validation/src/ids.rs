//! The syntax of ids that clients choose.

use crate::ValidationError;

/// The longest file name Linux allows: ids become directory names on agents.
pub const MAX_LENGTH: usize = 255;

/// Checks a TaskID, ExecutorID, FrameworkID, AgentID, OperationID or persistence id.
///
/// # Errors
///
/// The reason is that of `validateID` in Mesos' `src/common/validation.cpp`.
pub fn validate(id: &str) -> Result<(), ValidationError> {
    if id.is_empty() {
        return Err(ValidationError::new("ID must not be empty"));
    }
    if id.len() > MAX_LENGTH {
        return Err(ValidationError::new(format!("ID must not be greater than {MAX_LENGTH} characters")));
    }
    if id == "." || id == ".." {
        return Err(ValidationError::new(format!("'{id}' is disallowed")));
    }
    // A backslash separates paths on Windows agents, which Mesos admits to the same cluster.
    if id.bytes().any(|byte| byte.is_ascii_control() || byte == b'/' || byte == b'\\') {
        return Err(ValidationError::new(format!("'{id}' contains invalid characters")));
    }
    Ok(())
}

/// Checks the UUID of a status: 16 bytes with one of the five versions of RFC 4122.
///
/// # Errors
///
/// Returns an error if the bytes are not a UUID.
pub fn validate_uuid(bytes: &[u8]) -> Result<(), ValidationError> {
    match bytes.get(6).map(|byte| byte >> 4) {
        Some(1..=5) if bytes.len() == 16 => Ok(()),
        _ => Err(ValidationError::new("Not a valid UUID")),
    }
}

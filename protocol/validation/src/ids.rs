//! The syntax of ids that clients choose.

use crate::ValidationError;

/// The longest file name Linux allows: ids become directory names on agents.
pub const MAX_LENGTH: usize = 255;

/// The rule for TaskID, ExecutorID, FrameworkID, AgentID, OperationID and persistence ids.
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

/// The uuid of a status: 16 bytes whose version nibble is one of RFC 4122's five.
pub fn validate_uuid(bytes: &[u8]) -> Result<(), ValidationError> {
    match bytes.get(6).map(|byte| byte >> 4) {
        Some(1..=5) if bytes.len() == 16 => Ok(()),
        _ => Err(ValidationError::new("Not a valid UUID")),
    }
}

//! The syntax of container ids.

use messages::v1;

use crate::{ValidationError, Within, ids};

/// What is left of a file name once the launcher's `.lock` and the like are taken off.
pub const MAX_LENGTH: usize = 242;

/// Nesting this deep is refused before it is walked: no containerizer goes near it,
/// and a chain of parents is the one place where a client chooses our recursion.
const MAX_DEPTH: usize = 32;

/// Checks the id and all its ancestors.
pub fn validate(id: &v1::ContainerId) -> Result<(), ValidationError> {
    validate_at(id, 1)
}

fn validate_at(id: &v1::ContainerId, depth: usize) -> Result<(), ValidationError> {
    let value = &id.value;
    ids::validate(value)?;
    if value.len() > MAX_LENGTH {
        return Err(ValidationError::new(format!(
            "'ContainerID.value' '{value}' exceeds the maximum length ({MAX_LENGTH})"
        )));
    }
    // In text a nested id is `<parent>.<child>`, so a period is the separator.
    if value.contains(['.', ' ']) {
        return Err(ValidationError::new(format!("'ContainerID.value' '{value}' contains invalid characters")));
    }
    match &id.parent {
        Some(_) if depth >= MAX_DEPTH => Err(ValidationError::new("'ContainerID' is nested too deeply")),
        Some(parent) => validate_at(parent, depth + 1).within("'ContainerID.parent' is invalid"),
        None => Ok(()),
    }
}

//! The syntax of container ids.

use ::ids::ContainerId;
use messages::v1;

use crate::{ValidationError, Within, ids};

/// The longest id of one container in bytes: a file name without the suffixes of the launcher, such as `.lock`.
pub const MAX_LENGTH: usize = 242;

/// Checks an id and all its ancestors.
///
/// # Errors
///
/// The reason is that of `container::validateContainerId` in Mesos' `src/slave/validation.cpp`.
pub fn validate(id: &v1::ContainerId) -> Result<(), ValidationError> {
    validate_at(id, 1)
}

/// The recursion is bounded, because a client determines its depth with a chain of parents.
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
        Some(_) if depth >= ContainerId::MAX_DEPTH => Err(ValidationError::new("'ContainerID' is nested too deeply")),
        Some(parent) => validate_at(parent, depth + 1).within("'ContainerID.parent' is invalid"),
        None => Ok(()),
    }
}

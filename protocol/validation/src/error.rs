//! The error of this crate: the reason for which a message is refused, as clients see it.

use std::borrow::Cow;

/// The reason for which a message is refused. The text is that of Mesos, since clients see it: in the body of a 400,
/// in an ERROR event, in the message of a TASK_ERROR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValidationError(Cow<'static, str>);

impl ValidationError {
    /// Creates an error with this reason. A reason of more than 2,048 bytes is cut.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        ValidationError(shortened(reason.into()))
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// The longest reason in bytes. Every refused task of a call repeats the reason, which may list all resources of an
/// agent: without a bound, a short call could cause an answer of any size.
const MAX_REASON: usize = 2048;

fn shortened(reason: Cow<'static, str>) -> Cow<'static, str> {
    if reason.len() <= MAX_REASON {
        return reason;
    }
    // The last boundary of a character within the bound.
    let part = (0..=MAX_REASON).rev().find_map(|end| reason.get(..end));
    Cow::Owned(format!("{}…", part.unwrap_or_default()))
}

/// Adds the place of the refused part in a larger message to a reason.
pub trait Within<T> {
    /// Prefixes the reason: `<place>: <reason>`.
    ///
    /// # Errors
    ///
    /// Returns the error of `self` with the prefix.
    fn within(self, place: &str) -> Result<T, ValidationError>;
}

impl<T, E: std::fmt::Display> Within<T> for Result<T, E> {
    fn within(self, place: &str) -> Result<T, ValidationError> {
        self.map_err(|inner| ValidationError::new(format!("{place}: {inner}")))
    }
}

/// Refuses with a fixed reason unless `holds`.
pub(crate) fn require(holds: bool, reason: &'static str) -> Result<(), ValidationError> {
    if holds { Ok(()) } else { Err(ValidationError::new(reason)) }
}

/// Returns the type of a call, which must be present and known.
pub(crate) fn call_type<T: TryFrom<i32>>(number: Option<i32>) -> Result<T, ValidationError> {
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| ValidationError::new("Expecting 'type' to be present"))
}

/// Returns the sub-message that a call of its type must contain.
pub(crate) fn present<'a, T>(field: &'a Option<T>, name: &str) -> Result<&'a T, ValidationError> {
    field.as_ref().ok_or_else(|| ValidationError::new(format!("Expecting '{name}' to be present")))
}

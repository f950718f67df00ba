//! The one error of this crate: why a message is refused, in the words clients see.

use std::borrow::Cow;

/// A message was refused. The text is what Mesos says, because it travels: in the
/// body of a 400, in an ERROR event, in the message of a TASK_ERROR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// A refusal for a reason. A reason of more than 2,048 bytes is cut.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Invalid(shortened(reason.into()))
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// The longest reason in bytes. Every refused task of a call repeats the reason, which may list all resources of an
/// agent: without a bound a short call had answers of any size.
const MAX_REASON: usize = 2048;

fn shortened(reason: Cow<'static, str>) -> Cow<'static, str> {
    if reason.len() <= MAX_REASON {
        return reason;
    }
    let end = reason.floor_char_boundary(MAX_REASON);
    Cow::Owned(format!("{}…", reason.get(..end).unwrap_or_default()))
}

/// Says where inside a larger message the refused part was.
pub trait Within<T> {
    /// Prefixes the reason: `<place>: <reason>`.
    fn within(self, place: &str) -> Result<T, Invalid>;
}

impl<T, E: std::fmt::Display> Within<T> for Result<T, E> {
    fn within(self, place: &str) -> Result<T, Invalid> {
        self.map_err(|inner| Invalid::new(format!("{place}: {inner}")))
    }
}

/// Refuses with a fixed reason unless `holds`.
pub(crate) fn require(holds: bool, reason: &'static str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid::new(reason)) }
}

/// The sub-message a call of its type must carry.
pub(crate) fn present<'a, T>(field: &'a Option<T>, name: &str) -> Result<&'a T, Invalid> {
    field.as_ref().ok_or_else(|| Invalid::new(format!("Expecting '{name}' to be present")))
}

//! Who caused an input.

use model::Principal;

/// Who caused an input, as authenticated by the edge. Every input that a request or a message caused has one; it is
/// anonymous when authentication is off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// `None` for an anonymous caller.
    pub principal: Option<Principal>,
}

//! The sender of a request or a message.

use crate::Principal;

/// The sender of a request or a message, as far as the edge has determined it. Without authentication it is anonymous.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The authenticated principal; `None` for an anonymous caller.
    pub principal: Option<Principal>,
}

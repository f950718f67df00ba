//! Who makes a request.

use crate::Principal;

/// Who makes a request or sends a message, as far as the edge has found out. Without authentication that is nobody in
/// particular.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The authenticated principal; `None` for an anonymous caller.
    pub principal: Option<Principal>,
}

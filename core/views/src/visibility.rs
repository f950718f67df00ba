//! The rights of a reader.

use messages::v1;
use model::master::FrameworkSnapshot;

/// What the reader of a snapshot may see. Renderers ask it about everything that rights can hide. Until callers are
/// authorized, every reader sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visibility(());

impl Visibility {
    /// Returns the rights of a reader who may see everything.
    pub fn everything() -> Self {
        Visibility(())
    }

    /// Returns a text that is the same for readers with the same rights, who can share a response.
    pub fn class(&self) -> &str {
        "everything"
    }

    /// Returns whether a framework and everything that belongs to it is shown (`VIEW_FRAMEWORK`).
    pub fn shows_framework(&self, _framework: &FrameworkSnapshot) -> bool {
        true
    }

    /// Returns whether an operator's stream carries an event.
    pub fn shows_event(&self, _event: &v1::master::Event) -> bool {
        true
    }
}

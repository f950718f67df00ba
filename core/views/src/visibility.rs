//! What a reader may see.

use messages::v1;
use model::master::FrameworkSnapshot;

/// What the reader of a snapshot may see. Renderers ask it for whatever rights can hide. Until callers are authorized,
/// everybody sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visibility(());

impl Visibility {
    /// Of a reader who may see everything.
    pub fn everything() -> Self {
        Visibility(())
    }

    /// The same text for readers who may see the same: they can share an answer.
    pub fn class(&self) -> &str {
        "everything"
    }

    /// Whether a framework and what belongs to it is shown (`VIEW_FRAMEWORK`).
    pub fn shows_framework(&self, _framework: &FrameworkSnapshot) -> bool {
        true
    }

    /// Whether an operator's stream carries an event.
    pub fn shows_event(&self, _event: &v1::master::Event) -> bool {
        true
    }
}

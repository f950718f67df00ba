//! A view of an agent: the change stream folded into entities.

use std::sync::Arc;

use agent::Change;

use super::{Facts, Snapshot};

#[derive(Debug)]
pub struct View {
    current: Snapshot,
}

impl View {
    pub fn new(facts: Facts) -> Self {
        View { current: Snapshot { facts: Arc::new(facts) } }
    }

    pub fn apply(&mut self, _change: &Change) {}

    /// Everything as of now, at the price of a few pointers.
    pub fn snapshot(&self) -> Snapshot {
        self.current.clone()
    }
}

//! The checks that cover the whole cluster rather than a single master, and the first violation that any of them finds.

use std::collections::BTreeSet;

use model::{AgentId, FrameworkId};

use super::{OperationCheck, Tasks, Updates};

/// The checks that cover the whole cluster rather than a single master.
#[derive(Debug, Default)]
pub struct Checks {
    pub tasks: Tasks,
    pub updates: Updates,
    pub operations: OperationCheck,
    /// The agents that an operator has declared gone for good.
    pub gone: BTreeSet<AgentId>,
    /// The frameworks that an operator has torn down.
    pub torn_down: BTreeSet<FrameworkId>,
    /// The first violation that was reported.
    first: Option<String>,
}

impl Checks {
    /// Records a violation. Only the first one is kept, because later ones tend to follow from it.
    pub fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    /// Returns the first violation that was found, or `None`.
    pub fn found(&self) -> Option<String> {
        let first = self.first.clone().or_else(|| self.tasks.found());
        first.or_else(|| self.updates.found()).or_else(|| self.operations.found())
    }
}

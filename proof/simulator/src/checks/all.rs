//! All books that are not a single master's, and what they found first.

use std::collections::BTreeSet;

use model::{AgentId, FrameworkId};

use super::{OperationCheck, Tasks, Updates};

/// All books that are not a single master's.
#[derive(Debug, Default)]
pub struct Checks {
    pub tasks: Tasks,
    pub updates: Updates,
    pub operations: OperationCheck,
    /// Agents of which an operator was told that they will never come back.
    pub gone: BTreeSet<AgentId>,
    /// Frameworks that an operator tore down.
    pub dead: BTreeSet<FrameworkId>,
    first: Option<String>,
}

impl Checks {
    /// Only the first one counts: the others tend to follow from it.
    pub fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    pub fn found(&self) -> Option<String> {
        let first = self.first.clone().or_else(|| self.tasks.found());
        first.or_else(|| self.updates.found()).or_else(|| self.operations.found())
    }
}

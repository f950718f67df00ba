//! The state of draining.

use std::sync::Arc;

use messages::v1;
use model::agent::Draining;

use crate::effects::{Context, Record};
use crate::pending_writes::PendingWrites;

/// The drain that is in progress, if there is one. Its state after a restart is the record that is being written.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    draining: Option<Arc<Draining>>,
}

impl Drain {
    /// Creates the drain that an earlier process of this agent was told of.
    pub fn recovered(draining: Option<Arc<Draining>>) -> Self {
        Drain { draining }
    }

    /// Returns whether the agent is being emptied.
    pub fn is_under_way(&self) -> bool {
        self.draining.is_some()
    }

    /// Returns the drain that the master has requested; `None` while the agent is not draining.
    pub fn config(&self) -> Option<&v1::DrainConfig> {
        self.draining.as_ref().map(|draining| &draining.config)
    }

    /// Returns the drain as readers see it; `None` while the agent is not draining.
    pub fn snapshot(&self) -> Option<Arc<Draining>> {
        self.draining.clone()
    }

    /// Begins a drain, or replaces the configuration of the drain that is in progress.
    pub fn begin(&mut self, cx: &mut Context<'_>, writes: &mut PendingWrites, config: v1::DrainConfig) {
        let draining = Draining { config, since: cx.now.wall };
        self.set(cx, writes, Some(draining));
    }

    /// Ends the drain.
    pub fn end(&mut self, cx: &mut Context<'_>, writes: &mut PendingWrites) {
        self.set(cx, writes, None);
    }

    fn set(&mut self, cx: &mut Context<'_>, writes: &mut PendingWrites, draining: Option<Draining>) {
        self.draining = draining.map(Arc::new);
        writes.store(cx, Record::Drain(self.draining.clone()));
    }
}

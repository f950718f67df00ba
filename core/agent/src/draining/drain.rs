//! Whether a drain is under way.

use std::sync::Arc;

use messages::v1;
use model::agent::Draining;

use crate::effects::{Context, Record};
use crate::pending_writes::PendingWrites;

/// The drain that is under way, if one is. What it is to be after a restart is on its way to the disk.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    draining: Option<Arc<Draining>>,
}

impl Drain {
    /// Creates the drain that an earlier process of this agent was told of.
    pub fn recovered(draining: Option<Arc<Draining>>) -> Self {
        Drain { draining }
    }

    /// Whether the agent is being emptied.
    pub fn is_under_way(&self) -> bool {
        self.draining.is_some()
    }

    /// What the master has asked for, while the agent is being emptied.
    pub fn config(&self) -> Option<&v1::DrainConfig> {
        self.draining.as_ref().map(|draining| &draining.config)
    }

    /// The drain for readers.
    pub fn snapshot(&self) -> Option<Arc<Draining>> {
        self.draining.clone()
    }

    /// Begins a drain, or gives the one that is under way another configuration.
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

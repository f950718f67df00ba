//! Records on their way to the disk, and what is to happen when they have arrived.

use std::collections::BTreeMap;

use uuid::Uuid;
use vocabulary::{ContainerId, ExecutorId, FrameworkId, TaskId};

use crate::agent::Step;
use crate::outbox::{Effect, Record, StoreToken};

#[derive(Debug)]
pub(crate) enum Waiting {
    AgentInfo,
    /// The tasks of a batch: start their executor, or deliver them to it.
    Batch {
        framework: FrameworkId,
        executor: ExecutorId,
        container: ContainerId,
        number: u64,
    },
    Update {
        framework: FrameworkId,
        task: TaskId,
        uuid: Vec<u8>,
    },
    /// Of an update after which others may follow.
    Acknowledged {
        framework: FrameworkId,
        task: TaskId,
    },
    /// What volumes are about to come and go.
    Transition,
    /// What became of the resources, and the operation that did it.
    Resources {
        operation: Option<Uuid>,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Stores {
    last: u64,
    waiting: BTreeMap<StoreToken, Waiting>,
}

impl Stores {
    pub fn store(&mut self, step: &mut Step<'_>, record: Record) -> StoreToken {
        self.last += 1;
        let token = StoreToken(self.last);
        step.out.push(Effect::Store { token, record });
        token
    }

    pub fn store_then(&mut self, step: &mut Step<'_>, record: Record, waiting: Waiting) {
        let token = self.store(step, record);
        self.waiting.insert(token, waiting);
    }

    /// `None` for a record nobody waits for.
    pub fn confirmed(&mut self, token: StoreToken) -> Option<Waiting> {
        self.waiting.remove(&token)
    }
}

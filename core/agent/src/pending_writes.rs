//! Records on their way to the disk, and what is to happen when they have arrived.

use std::collections::BTreeMap;

use machine::StoreToken;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId};
use uuid::Uuid;

use crate::effects::{Context, Record};

#[derive(Debug)]
pub(crate) enum Continuation {
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
pub(crate) struct PendingWrites {
    last: u64,
    continuations: BTreeMap<StoreToken, Continuation>,
}

impl PendingWrites {
    pub fn store(&mut self, cx: &mut Context<'_>, record: Record) -> StoreToken {
        self.last += 1;
        let token = StoreToken(self.last);
        cx.store(token, record);
        token
    }

    pub fn store_then(&mut self, cx: &mut Context<'_>, record: Record, continuation: Continuation) {
        let token = self.store(cx, record);
        self.continuations.insert(token, continuation);
    }

    /// `None` for a record nobody waits for.
    pub fn take_continuation(&mut self, token: StoreToken) -> Option<Continuation> {
        self.continuations.remove(&token)
    }
}

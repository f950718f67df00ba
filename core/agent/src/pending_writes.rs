//! The records that are being written, and their continuations.

use std::collections::BTreeMap;

use machine::StoreToken;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId};
use uuid::Uuid;

use crate::effects::{Context, Record};

#[derive(Debug)]
pub(crate) enum Continuation {
    AgentInfo,
    /// The tasks of a batch: their executor is started, or they are delivered to it.
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
    /// An update was acknowledged, and others may follow.
    Acknowledged {
        framework: FrameworkId,
        task: TaskId,
    },
    /// A transition of volumes is recorded.
    Transition,
    /// The result of a transition is recorded, with the operation that caused it.
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
    /// Stores a record without a continuation.
    pub fn store(&mut self, cx: &mut Context<'_>, record: Record) -> StoreToken {
        self.last += 1;
        let token = StoreToken(self.last);
        cx.store(token, record);
        token
    }

    /// Stores a record with a continuation.
    pub fn store_then(&mut self, cx: &mut Context<'_>, record: Record, continuation: Continuation) {
        let token = self.store(cx, record);
        self.continuations.insert(token, continuation);
    }

    /// Removes and returns the continuation of a record; `None` for a record without one.
    pub fn take_continuation(&mut self, token: StoreToken) -> Option<Continuation> {
        self.continuations.remove(&token)
    }
}

//! The operations whose final status is not acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use uuid::Uuid;

use super::recovered_resources::RecoveredResources;
use crate::updates::status_update_manager::{RETRY_MAX, RETRY_MIN};

/// Operations whose final status is not acknowledged. Masters acknowledge each; one that does not must not fill the disk.
const MAX_OPERATIONS: usize = 10_000;

/// What a connection holds when it breaks is less.
const MAX_DROPPED: usize = 1000;

/// The status updates of operations. Nothing is in flight while the agent is not registered: `pause` sees to it.
#[derive(Debug, Default)]
pub(crate) struct OperationStatusUpdates {
    operations: BTreeMap<Uuid, TrackedOperation>,
    /// A master was told that they are not here: one that comes after all, on a connection that was believed broken,
    /// comes too late.
    dropped: VecDeque<Uuid>,
}

#[derive(Debug)]
struct TrackedOperation {
    operation: Arc<v1::Operation>,
    /// What it did is on the disk: its status may be told.
    durable: bool,
    /// The wait before the next repetition of its status; `None` while it is not in flight.
    retry: Option<Duration>,
    /// A master was told of it in a report.
    reported: bool,
}

/// An operation whose acknowledgement was accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AcknowledgedOperation {
    /// A master was told of it in a report.
    pub reported: bool,
}

impl OperationStatusUpdates {
    /// Takes up the operations that an earlier process of the agent finished.
    pub fn recovered(found: &RecoveredResources) -> Self {
        let mut updates = OperationStatusUpdates::default();
        for operation in found.finished() {
            if let Ok(uuid) = Uuid::from_slice(&operation.uuid.value) {
                let entry =
                    TrackedOperation { operation: operation.clone(), durable: true, retry: None, reported: false };
                updates.operations.insert(uuid, entry);
            }
        }
        updates
    }

    /// Whether the operation is here.
    pub fn contains(&self, uuid: Uuid) -> bool {
        self.operations.contains_key(&uuid)
    }

    /// Whether no operation is left to be acknowledged.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Whether no further operation is taken.
    pub fn is_full(&self) -> bool {
        self.operations.len() >= MAX_OPERATIONS
    }

    /// Adds an operation that has been applied and is on its way to the disk.
    pub fn add(&mut self, uuid: Uuid, operation: Arc<v1::Operation>) {
        let entry = TrackedOperation { operation, durable: false, retry: None, reported: false };
        self.operations.insert(uuid, entry);
    }

    /// Notes that what the operation did is on the disk.
    pub fn stored(&mut self, uuid: Uuid) {
        if let Some(entry) = self.operations.get_mut(&uuid) {
            entry.durable = true;
        }
    }

    /// The ids of all operations, ascending.
    pub fn ids(&self) -> Vec<Uuid> {
        self.operations.keys().copied().collect()
    }

    /// All operations, for readers.
    pub fn all(&self) -> Arc<[Arc<v1::Operation>]> {
        self.operations.values().map(|entry| entry.operation.clone()).collect()
    }

    /// The operations that a master may know of and has not acknowledged, for a report to it.
    pub fn report(&mut self) -> Vec<v1::Operation> {
        let durable = self.operations.values_mut().filter(|entry| entry.durable);
        let report = |entry: &mut TrackedOperation| {
            entry.reported = true;
            (*entry.operation).clone()
        };
        durable.map(report).collect()
    }

    /// Remembers that a master was told that the operation is not here.
    pub fn note_dropped(&mut self, uuid: Uuid) {
        if self.dropped.len() >= MAX_DROPPED {
            self.dropped.pop_front();
        }
        self.dropped.push_back(uuid);
    }

    /// Whether a master was told that the operation is not here.
    pub fn was_dropped(&self, uuid: Uuid) -> bool {
        self.dropped.contains(&uuid)
    }

    /// Puts a status in flight that is durable and not in flight yet. Returns it with the wait for its acknowledgement.
    pub fn forward_first(&mut self, uuid: Uuid) -> Option<(Arc<v1::Operation>, Duration)> {
        let entry = self.operations.get_mut(&uuid).filter(|entry| entry.durable && entry.retry.is_none())?;
        entry.retry = Some(RETRY_MIN);
        Some((entry.operation.clone(), RETRY_MIN))
    }

    /// Returns the status in flight, to be sent again, with a wait that is twice as long.
    pub fn retry(&mut self, uuid: Uuid) -> Option<(Arc<v1::Operation>, Duration)> {
        let entry = self.operations.get_mut(&uuid)?;
        let retry = entry.retry.as_mut()?;
        *retry = retry.saturating_mul(2).min(RETRY_MAX);
        Some((entry.operation.clone(), *retry))
    }

    /// Takes everything out of flight. Returns the operations whose repetition is to be called off.
    pub fn pause(&mut self) -> Vec<Uuid> {
        self.operations.iter_mut().filter_map(|(uuid, entry)| entry.retry.take().map(|_| *uuid)).collect()
    }

    /// Takes the operations of a framework out of flight. Returns them, to be forwarded again.
    pub fn restart(&mut self, framework: &v1::FrameworkId) -> Vec<Uuid> {
        let is_theirs = |operation: &v1::Operation| operation.framework_id.as_ref() == Some(framework);
        let theirs = self.operations.iter_mut().filter(|(_, entry)| is_theirs(&entry.operation));
        theirs.filter_map(|(uuid, entry)| entry.retry.take().map(|_| *uuid)).collect()
    }

    /// Removes an operation whose status is acknowledged; `None` if that status is not in flight.
    pub fn acknowledge(&mut self, uuid: Uuid, status: &v1::Uuid) -> Option<AcknowledgedOperation> {
        let entry = self.operations.get(&uuid)?;
        if !entry.durable || entry.operation.latest_status.uuid.as_ref() != Some(status) {
            return None;
        }
        let reported = entry.reported;
        self.operations.remove(&uuid);
        Some(AcknowledgedOperation { reported })
    }

    /// Finds the operation that a master or a framework asks about: by uuid, else by the framework's own id for it.
    pub fn find(
        &self,
        framework: Option<&v1::FrameworkId>,
        asked: &internal::reconcile_operations_message::Operation,
    ) -> Option<&v1::Operation> {
        let mut operations = self.operations.values().map(|entry| &*entry.operation);
        match &asked.operation_uuid {
            Some(uuid) => operations.find(|operation| operation.uuid == *uuid),
            None => operations.find(|operation| {
                operation.framework_id.as_ref() == framework
                    && operation.info.id.is_some()
                    && operation.info.id == asked.operation_id
            }),
        }
    }
}

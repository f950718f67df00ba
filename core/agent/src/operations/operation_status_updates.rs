//! The operations whose final status is not acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use uuid::Uuid;

use super::recovered_resources::RecoveredResources;
use crate::updates::status_update_manager::{RETRY_MAX, RETRY_MIN};

/// The most operations whose final status is not acknowledged. Masters acknowledge each; one that does not must not
/// fill the disk.
const MAX_OPERATIONS: usize = 10_000;

/// The most dropped operations that are kept. A broken connection contains fewer.
const MAX_DROPPED: usize = 1000;

/// The status updates of operations. Nothing is in flight while the agent is not registered, which `pause` ensures.
#[derive(Debug, Default)]
pub(crate) struct OperationStatusUpdates {
    operations: BTreeMap<Uuid, TrackedOperation>,
    /// The operations that a master was told are unknown here: one that arrives later, on a connection that was
    /// believed broken, is dropped.
    dropped: VecDeque<Uuid>,
}

#[derive(Debug)]
struct TrackedOperation {
    operation: Arc<v1::Operation>,
    /// Whether the result is on the disk, so that its status may be sent.
    durable: bool,
    /// The wait before the next repetition of its status; `None` while it is not in flight.
    retry: Option<Duration>,
    /// Whether a report to a master contained it.
    reported: bool,
}

/// An operation whose acknowledgement was accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AcknowledgedOperation {
    /// Whether a report to a master contained it.
    pub reported: bool,
}

impl OperationStatusUpdates {
    /// Recovers the operations that an earlier process of the agent finished.
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

    /// Returns whether the operation is known here.
    pub fn contains(&self, uuid: Uuid) -> bool {
        self.operations.contains_key(&uuid)
    }

    /// Returns whether all operations are acknowledged.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Returns whether no further operation is accepted.
    pub fn is_full(&self) -> bool {
        self.operations.len() >= MAX_OPERATIONS
    }

    /// Adds an operation that has been applied and whose record is being written.
    pub fn add(&mut self, uuid: Uuid, operation: Arc<v1::Operation>) {
        let entry = TrackedOperation { operation, durable: false, retry: None, reported: false };
        self.operations.insert(uuid, entry);
    }

    /// Marks the result of an operation as durable.
    pub fn stored(&mut self, uuid: Uuid) {
        if let Some(entry) = self.operations.get_mut(&uuid) {
            entry.durable = true;
        }
    }

    /// Returns the ids of all operations in ascending order.
    pub fn ids(&self) -> Vec<Uuid> {
        self.operations.keys().copied().collect()
    }

    /// Returns all operations, for readers.
    pub fn all(&self) -> Arc<[Arc<v1::Operation>]> {
        self.operations.values().map(|entry| entry.operation.clone()).collect()
    }

    /// Returns the operations that a master may know and has not acknowledged, for a report to it.
    pub fn report(&mut self) -> Vec<v1::Operation> {
        let durable = self.operations.values_mut().filter(|entry| entry.durable);
        let report = |entry: &mut TrackedOperation| {
            entry.reported = true;
            (*entry.operation).clone()
        };
        durable.map(report).collect()
    }

    /// Records that a master was told that the operation is unknown here.
    pub fn note_dropped(&mut self, uuid: Uuid) {
        if self.dropped.len() >= MAX_DROPPED {
            self.dropped.pop_front();
        }
        self.dropped.push_back(uuid);
    }

    /// Returns whether a master was told that the operation is unknown here.
    pub fn was_dropped(&self, uuid: Uuid) -> bool {
        self.dropped.contains(&uuid)
    }

    /// Marks a durable status as in flight. Returns the status with the wait for its acknowledgement; `None` if it is
    /// not durable or already in flight.
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

    /// Marks all statuses as not in flight. Returns the operations whose repetition is to be cancelled.
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

    /// Returns the operation that a master or a framework asks about: by uuid, otherwise by the framework's own id for
    /// it.
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

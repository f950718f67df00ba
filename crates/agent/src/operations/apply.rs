//! From a master's operation to resources, volumes on the disk, and its status.

use std::sync::Arc;

use messages::v1::OperationState;
use messages::{Message, internal, v1};
use resources::{Conversion, Resources, conversions};
use uuid::Uuid;

use super::ledger::Entry;
use crate::agent::{Agent, Step};
use crate::change::Change;
use crate::outbox::{Effect, Record};
use crate::stores::Waiting;

/// Operations whose final status is not acknowledged. Masters acknowledge each; one that does not must not fill the disk.
const MAX_OPERATIONS: usize = 10_000;

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Resources(#[from] resources::Error),
    #[error("too many operations are not acknowledged")]
    TooMany,
    #[error("operations on resources of a resource provider are not supported")]
    Provider,
}

impl Agent {
    /// A transition found by recovery goes on where it was.
    pub(crate) fn resume_operations_of_recovery(&mut self, step: &mut Step<'_>) {
        if !self.ledger.is_settled() {
            self.publish_operations(step);
        }
        self.change_volumes(step);
        self.attend_to_waiting(step);
    }

    /// The master has converted the resources already, so an operation that cannot be done means that the two disagree
    /// about what there is. A Mesos agent aborts; ours says so and registers again, which brings them together.
    pub(crate) fn apply_operation(&mut self, step: &mut Step<'_>, message: internal::ApplyOperationMessage) {
        let Ok(uuid) = Uuid::from_slice(&message.operation_uuid.value) else {
            tracing::warn!("ignoring an operation without a valid uuid");
            return;
        };
        if self.ledger.operations.contains_key(&uuid) {
            return;
        }
        if self.ledger.has_dropped(uuid) {
            tracing::info!("operation {uuid} comes after it was reported as dropped");
            return self.send_dropped(step, message.framework_id, message.operation_uuid, None);
        }
        if self.is_outdated(&message.resource_version_uuid) {
            tracing::warn!("operation {uuid} was decided upon before the connection to the master broke");
            self.ledger.drop_operation(uuid);
            return self.send_outdated(step, message);
        }
        match self.converted(&message.operation_info) {
            Ok(total) => {
                let operation = self.finished(message);
                let entry = Entry { operation: operation.clone(), durable: false, retry: None, reported: false };
                self.ledger.operations.insert(uuid, entry);
                self.publish_operations(step);
                self.change_total(step, total, Some((uuid, operation)));
            }
            Err(refused) => {
                tracing::error!("cannot apply operation {uuid}: {refused}");
                self.send_dropped(step, message.framework_id, message.operation_uuid, Some(refused.to_string()));
                self.disconnect(step);
            }
        }
    }

    /// Masters before 1.5, and those that take the agent for an older one: all checkpointed resources at once.
    pub(crate) fn checkpoint_resources(&mut self, step: &mut Step<'_>, message: &internal::CheckpointResourcesMessage) {
        let checkpointed = Resources::from_proto(&message.resources);
        match checkpointed.and_then(|checkpointed| self.config.resources.with_checkpointed(&checkpointed)) {
            Ok(total) if total.checkpointed() == self.ledger.total().checkpointed() => {}
            Ok(total) => self.change_total(step, total, None),
            Err(error) => {
                tracing::error!("cannot apply the checkpointed resources of the master: {error}");
                self.disconnect(step);
            }
        }
    }

    /// As with tasks: the master of now may know nothing of it, and may have told the framework so. Masters of before resource
    /// providers name no version.
    fn is_outdated(&self, version: &internal::ResourceVersionUuid) -> bool {
        let own = version.resource_provider_id.is_none() && !version.uuid.value.is_empty();
        own && version.uuid.value != self.resource_version
    }

    fn converted(&self, operation: &v1::offer::Operation) -> Result<Resources, Refused> {
        if self.ledger.operations.len() >= MAX_OPERATIONS {
            return Err(Refused::TooMany);
        }
        // The agent's own resources are nobody's allocation.
        let conversions: Vec<Conversion> = conversions(operation)?.iter().map(Conversion::unallocated).collect();
        let foreign = |resources: &Resources| resources.iter().any(|resource| resource.provider_id().is_some());
        if conversions.iter().any(|conversion| foreign(&conversion.consumed)) {
            return Err(Refused::Provider);
        }
        Ok(self.ledger.total().apply_all(&conversions)?)
    }

    fn finished(&mut self, message: internal::ApplyOperationMessage) -> Arc<v1::Operation> {
        let status = v1::OperationStatus {
            operation_id: message.operation_info.id.clone(),
            state: OperationState::OperationFinished as i32,
            uuid: Some(v1::Uuid { value: self.random.uuid().as_bytes().to_vec() }),
            agent_id: Some(self.agent_id()),
            ..Default::default()
        };
        Arc::new(v1::Operation {
            framework_id: message.framework_id,
            agent_id: Some(self.agent_id()),
            info: message.operation_info,
            latest_status: status.clone(),
            statuses: vec![status],
            uuid: message.operation_uuid,
        })
    }

    fn change_total(&mut self, step: &mut Step<'_>, total: Resources, operation: Option<(Uuid, Arc<v1::Operation>)>) {
        let changes = self.ledger.changes(&self.config.work_dir, &total);
        let (uuid, operation) = operation.unzip();
        if changes.is_empty() {
            return self.commit(step, total, uuid, operation);
        }
        let record = Record::Resources {
            resources: self.ledger.checkpointed().into(),
            target: Some(total.checkpointed().to_proto().into()),
            operation,
        };
        self.ledger.begin(total, changes, uuid);
        self.stores.store_then(step, record, Waiting::Transition);
    }

    /// The transition is written down: the disk may be touched.
    pub(crate) fn change_volumes(&self, step: &mut Step<'_>) {
        if let Some(transition) = &self.ledger.transition {
            step.out.push(Effect::Volumes { number: transition.number, changes: transition.changes.clone() });
        }
    }

    pub(crate) fn volumes_ready(&mut self, step: &mut Step<'_>, number: u64, failed: Option<String>) {
        if self.ledger.transition.as_ref().is_none_or(|transition| transition.number != number) {
            return;
        }
        if let Some(reason) = failed {
            // As in Mesos: the master counts on the volumes, and no message could tell it otherwise. The transition is
            // written down, so a restarted agent tries again before it registers.
            return step.out.push(Effect::Terminate(format!("Failed to sync checkpointed resources: {reason}")));
        }
        let Some((total, operation)) = self.ledger.finish(number) else { return };
        self.commit(step, total, operation, None);
        self.attend_to_waiting(step);
    }

    fn attend_to_waiting(&mut self, step: &mut Step<'_>) {
        while let Some(message) = self.ledger.next_waiting() {
            if !self.is_moot(&message) {
                self.master_message(step, message);
            }
        }
    }

    /// A kill that waited with the launch of its task, and finds that the task has ended since: its end has been told, and
    /// may have been acknowledged.
    fn is_moot(&self, message: &Message) -> bool {
        let Message::KillTask(kill) = message else { return false };
        let framework = self.frameworks.get(kill.framework_id.value.as_str());
        framework.is_none_or(|framework| !framework.tasks.contains_key(kill.task_id.value.as_str()))
    }

    fn commit(
        &mut self,
        step: &mut Step<'_>,
        total: Resources,
        uuid: Option<Uuid>,
        operation: Option<Arc<v1::Operation>>,
    ) {
        self.metrics.set_total(&total);
        self.ledger.become_total(total);
        self.ledger.writes += 1;
        let record = Record::Resources { resources: self.ledger.checkpointed().into(), target: None, operation };
        self.stores.store_then(step, record, Waiting::Resources { operation: uuid });
        self.publish_agent(step);
    }

    pub(crate) fn resources_stored(&mut self, step: &mut Step<'_>, operation: Option<Uuid>) {
        self.ledger.writes = self.ledger.writes.saturating_sub(1);
        let Some(uuid) = operation else { return };
        if let Some(entry) = self.ledger.operations.get_mut(&uuid) {
            entry.durable = true;
        }
        self.forward_operation(step, uuid);
    }

    pub(super) fn publish_operations(&self, step: &mut Step<'_>) {
        step.publish(Change::Operations(self.ledger.all_operations()));
    }
}

//! From a master's operation to resources, volumes on the disk, and its status.

use std::sync::Arc;

use messages::v1::OperationState;
use messages::{Message, internal, v1};
use resources::{Conversion, Resources, conversions};
use uuid::Uuid;

use super::agent_resources::TrackedOperation;
use crate::agent::Agent;
use crate::effects::{Command, Context, Record};
use crate::pending_writes::Continuation;
use model::agent::Change;

/// Operations whose final status is not acknowledged. Masters acknowledge each; one that does not must not fill the disk.
const MAX_OPERATIONS: usize = 10_000;

#[derive(Debug, thiserror::Error)]
enum OperationRejected {
    #[error(transparent)]
    Resources(#[from] resources::Error),
    #[error("too many operations are not acknowledged")]
    TooMany,
    #[error("operations on resources of a resource provider are not supported")]
    Provider,
}

impl Agent {
    /// A transition found by recovery goes on where it was.
    pub(crate) fn resume_recovered_operations(&mut self, cx: &mut Context<'_>) {
        if !self.agent_resources.is_settled() {
            self.publish_operations(cx);
        }
        self.change_volumes(cx);
        self.process_deferred(cx);
    }

    /// The master has converted the resources already, so an operation that cannot be done means that the two disagree
    /// about what there is. A Mesos agent aborts; ours says so and registers again, which brings them together.
    pub(crate) fn apply_operation(&mut self, cx: &mut Context<'_>, message: internal::ApplyOperationMessage) {
        let Ok(uuid) = Uuid::from_slice(&message.operation_uuid.value) else {
            tracing::warn!("ignoring an operation without a valid uuid");
            return;
        };
        if self.agent_resources.operations.contains_key(&uuid) {
            return;
        }
        if self.agent_resources.has_dropped(uuid) {
            tracing::info!("operation {uuid} comes after it was reported as dropped");
            return self.send_dropped(cx, message.framework_id, message.operation_uuid, None);
        }
        if self.is_outdated(&message.resource_version_uuid) {
            tracing::warn!("operation {uuid} was decided upon before the connection to the master broke");
            self.agent_resources.drop_operation(uuid);
            return self.send_outdated(cx, message);
        }
        match self.converted(&message.operation_info) {
            Ok(total) => {
                let operation = self.finished(message);
                let entry =
                    TrackedOperation { operation: operation.clone(), durable: false, retry: None, reported: false };
                self.agent_resources.operations.insert(uuid, entry);
                self.publish_operations(cx);
                self.change_total(cx, total, Some((uuid, operation)));
            }
            Err(refused) => {
                tracing::error!("cannot apply operation {uuid}: {refused}");
                self.send_dropped(cx, message.framework_id, message.operation_uuid, Some(refused.to_string()));
                self.disconnect(cx);
            }
        }
    }

    /// Masters before 1.5, and those that take the agent for an older one: all checkpointed resources at once.
    pub(crate) fn checkpoint_resources(
        &mut self,
        cx: &mut Context<'_>,
        message: &internal::CheckpointResourcesMessage,
    ) {
        let checkpointed = Resources::from_proto(&message.resources);
        match checkpointed.and_then(|checkpointed| self.config.resources.with_checkpointed(&checkpointed)) {
            Ok(total) if total.checkpointed() == self.agent_resources.total().checkpointed() => {}
            Ok(total) => self.change_total(cx, total, None),
            Err(error) => {
                tracing::error!("cannot apply the checkpointed resources of the master: {error}");
                self.disconnect(cx);
            }
        }
    }

    /// As with tasks: the master of now may know nothing of it, and may have told the framework so. Masters of before resource
    /// providers name no version.
    fn is_outdated(&self, version: &internal::ResourceVersionUuid) -> bool {
        let own = version.resource_provider_id.is_none() && !version.uuid.value.is_empty();
        own && version.uuid.value != self.resource_version
    }

    fn converted(&self, operation: &v1::offer::Operation) -> Result<Resources, OperationRejected> {
        if self.agent_resources.operations.len() >= MAX_OPERATIONS {
            return Err(OperationRejected::TooMany);
        }
        // The agent's own resources are nobody's allocation.
        let conversions: Vec<Conversion> = conversions(operation)?.iter().map(Conversion::unallocated).collect();
        let foreign = |resources: &Resources| resources.iter().any(|resource| resource.provider_id().is_some());
        if conversions.iter().any(|conversion| foreign(&conversion.consumed)) {
            return Err(OperationRejected::Provider);
        }
        Ok(self.agent_resources.total().apply_all(&conversions)?)
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

    fn change_total(&mut self, cx: &mut Context<'_>, total: Resources, operation: Option<(Uuid, Arc<v1::Operation>)>) {
        let changes = self.agent_resources.changes(&self.config.work_dir, &total);
        let (uuid, operation) = operation.unzip();
        if changes.is_empty() {
            return self.commit(cx, total, uuid, operation);
        }
        let record = Record::Resources {
            resources: self.agent_resources.checkpointed().into(),
            target: Some(total.checkpointed().to_proto().into()),
            operation,
        };
        self.agent_resources.begin(total, changes, uuid);
        self.pending_writes.store_then(cx, record, Continuation::Transition);
    }

    /// The transition is written down: the disk may be touched.
    pub(crate) fn change_volumes(&self, cx: &mut Context<'_>) {
        if let Some(transition) = &self.agent_resources.transition {
            cx.command(Command::Volumes { number: transition.number, changes: transition.changes.clone() });
        }
    }

    pub(crate) fn volumes_ready(&mut self, cx: &mut Context<'_>, number: u64, failed: Option<String>) {
        if self.agent_resources.transition.as_ref().is_none_or(|transition| transition.number != number) {
            return;
        }
        if let Some(reason) = failed {
            // As in Mesos: the master counts on the volumes, and no message could tell it otherwise. The transition is
            // written down, so a restarted agent tries again before it registers.
            return cx.command(Command::Terminate(format!("Failed to sync checkpointed resources: {reason}")));
        }
        let Some((total, operation)) = self.agent_resources.finish(number) else { return };
        self.commit(cx, total, operation, None);
        self.process_deferred(cx);
    }

    fn process_deferred(&mut self, cx: &mut Context<'_>) {
        while let Some(message) = self.agent_resources.next_deferred() {
            if !self.is_obsolete_kill(&message) {
                self.master_message(cx, message);
            }
        }
    }

    /// A kill that waited with the launch of its task, and finds that the task has ended since: its end has been told, and
    /// may have been acknowledged.
    fn is_obsolete_kill(&self, message: &Message) -> bool {
        let Message::KillTask(kill) = message else { return false };
        let framework = self.frameworks.get(kill.framework_id.value.as_str());
        framework.is_none_or(|framework| !framework.tasks.contains_key(kill.task_id.value.as_str()))
    }

    fn commit(
        &mut self,
        cx: &mut Context<'_>,
        total: Resources,
        uuid: Option<Uuid>,
        operation: Option<Arc<v1::Operation>>,
    ) {
        self.metrics.set_total(&total);
        self.agent_resources.set_total(total);
        self.agent_resources.writes += 1;
        let record =
            Record::Resources { resources: self.agent_resources.checkpointed().into(), target: None, operation };
        self.pending_writes.store_then(cx, record, Continuation::Resources { operation: uuid });
        self.publish_agent(cx);
    }

    pub(crate) fn resources_stored(&mut self, cx: &mut Context<'_>, operation: Option<Uuid>) {
        self.agent_resources.writes = self.agent_resources.writes.saturating_sub(1);
        let Some(uuid) = operation else { return };
        if let Some(entry) = self.agent_resources.operations.get_mut(&uuid) {
            entry.durable = true;
        }
        self.forward_operation(cx, uuid);
    }

    pub(super) fn publish_operations(&self, cx: &mut Context<'_>) {
        cx.publish(Change::Operations(self.agent_resources.all_operations()));
    }
}

//! From an operation that may be done to the agent that does it.

use messages::{internal, v1};
use model::{AgentId, FrameworkId};
use resources::{Conversion, Resources, conversions};

use super::index::{Operation, is_speculative, provider_of};
use crate::effects::Context;
use crate::master::Master;
use model::master::Change;
use model::master::OperationUuid;

impl Master {
    /// What the agent's total becomes. Agents know no allocation.
    pub(super) fn total_after(
        &self,
        agent: &AgentId,
        operation: &v1::offer::Operation,
    ) -> Result<Option<Resources>, resources::Error> {
        let Some(agent) = self.agents.get(agent.as_str()).filter(|_| is_speculative(operation)) else {
            return Ok(None);
        };
        let steps: Vec<Conversion> = conversions(operation)?.iter().map(Conversion::unallocated).collect();
        agent.state.total.apply_all(&steps).map(Some)
    }

    /// Enters the result that is taken for granted, and has the agent do it: by an operation of its own that reports
    /// back, or, before there were resource providers, by the complete list of what it has to checkpoint.
    pub(super) fn apply_operation(
        &mut self,
        cx: &mut Context<'_>,
        agent: &AgentId,
        framework: Option<&FrameworkId>,
        operation: v1::offer::Operation,
        total: Option<Resources>,
    ) {
        let steps = if total.is_some() { conversions(&operation).unwrap_or_default() } else { Vec::new() };
        if let Some(total) = total {
            self.set_total(cx, agent, total);
        }
        let Some(version) = self.resource_version(agent, &operation) else {
            return self.send_checkpointed_resources(cx, agent);
        };
        let provider = provider_of(&operation);
        for step in &steps {
            self.convert_provider(agent, provider.as_ref(), step);
        }
        let uuid = self.operations.next_uuid();
        self.track(cx, agent, framework, uuid, operation.clone());
        if let Some(agent) = self.agents.get(agent.as_str()) {
            cx.send(
                &agent.state.pid,
                internal::ApplyOperationMessage {
                    framework_id: framework.map(FrameworkId::to_proto),
                    operation_info: operation,
                    operation_uuid: uuid.to_proto(),
                    resource_version_uuid: version,
                },
            );
        }
    }

    pub(crate) fn set_total(&mut self, cx: &mut Context<'_>, id: &AgentId, total: Resources) {
        let Some(agent) = self.agents.get_mut(id.as_str()) else { return };
        self.metrics.total.subtract(&agent.state.total);
        self.metrics.total.add(&total);
        agent.state_mut().total = total;
        cx.publish(Change::AgentUpdated(agent.state.clone()));
    }

    /// Which state of its resources the operation is meant for. Nothing for agents of before that.
    fn resource_version(
        &self,
        agent: &AgentId,
        operation: &v1::offer::Operation,
    ) -> Option<internal::ResourceVersionUuid> {
        let agent = self.agents.get(agent.as_str()).filter(|agent| agent.capabilities.resource_provider)?;
        let resource_provider_id = provider_of(operation);
        let uuid = match &resource_provider_id {
            None => agent.resource_version.clone()?,
            Some(provider) => agent.providers.get(&provider.value)?.version.clone(),
        };
        Some(internal::ResourceVersionUuid { resource_provider_id, uuid })
    }

    /// The same in the books of the provider whose resources they are.
    pub(super) fn convert_provider(
        &mut self,
        agent: &AgentId,
        provider: Option<&v1::ResourceProviderId>,
        step: &Conversion,
    ) {
        let agent = self.agents.get_mut(agent.as_str());
        if let Some(provider) = agent.zip(provider).and_then(|(agent, id)| agent.providers.get_mut(&id.value)) {
            let Conversion { consumed, converted } = step.unallocated();
            provider.total -= consumed;
            provider.total += converted;
        }
    }

    fn track(
        &mut self,
        cx: &mut Context<'_>,
        agent: &AgentId,
        framework: Option<&FrameworkId>,
        uuid: OperationUuid,
        info: v1::offer::Operation,
    ) {
        let latest_status = v1::OperationStatus {
            operation_id: info.id.clone(),
            state: v1::OperationState::OperationPending as i32,
            agent_id: Some(agent.to_proto()),
            resource_provider_id: provider_of(&info),
            ..Default::default()
        };
        let proto = v1::Operation {
            framework_id: framework.map(FrameworkId::to_proto),
            agent_id: Some(agent.to_proto()),
            info,
            latest_status,
            statuses: Vec::new(),
            uuid: uuid.to_proto(),
        };
        self.add_operation(cx, Operation::new(uuid, proto, agent.clone()));
    }

    pub(super) fn add_operation(&mut self, cx: &mut Context<'_>, operation: Operation) {
        self.metrics.operations.add(operation.proto.info.r#type(), operation.state(), 1);
        self.metrics.used.add(&operation.held);
        cx.publish(Change::OperationAdded(operation.proto.clone()));
        self.operations.insert(operation);
    }

    /// Forgets an operation; what it still held is free.
    pub(super) fn remove_operation(&mut self, cx: &mut Context<'_>, uuid: OperationUuid) {
        let Some(operation) = self.operations.remove(uuid) else { return };
        // Those that ended are counted for ever.
        if !super::index::is_terminal(operation.state()) {
            self.metrics.operations.add(operation.proto.info.r#type(), operation.state(), -1);
        }
        if let Some(framework) =
            operation.framework.as_ref().filter(|_| !operation.orphan && !operation.held.is_empty())
        {
            self.recover_used(cx, framework, &operation.agent, &operation.held);
        }
        cx.publish(Change::OperationRemoved(uuid));
        self.check_drained(cx, &operation.agent);
    }
}

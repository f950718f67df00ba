//! Operations whose agent or framework leaves.

use messages::v1;
use model::{AgentId, FrameworkId};
use v1::OperationState;

use crate::effects::Context;
use crate::master::Master;
use model::master::AgentRemoval;

impl Master {
    /// The agent is being forgotten, and its operations with it. Frameworks that are connected hear of it, the others
    /// can ask; later questions are answered by what is known of the agent.
    pub(crate) fn remove_operations_on_agent(&mut self, cx: &mut Context<'_>, agent: &AgentId, removal: AgentRemoval) {
        let ending = match removal {
            AgentRemoval::Removed => None,
            AgentRemoval::Unreachable => Some((OperationState::OperationUnreachable, "Agent was marked unreachable")),
            AgentRemoval::Gone => Some((OperationState::OperationGoneByOperator, "Agent has been marked gone")),
        };
        for uuid in self.operations.on_agent(agent.as_str()) {
            let Some(operation) = self.operations.get(uuid) else { continue };
            if let Some((state, message)) = ending {
                self.metrics.operations.add(operation.proto.info.r#type(), state, 1);
                let framework = operation.framework.as_ref().and_then(|id| self.frameworks.get(id.as_str()));
                if let (Some(framework), Some(name)) = (framework, operation.name()) {
                    let status = v1::OperationStatus {
                        operation_id: Some(name.clone()),
                        state: state as i32,
                        message: Some(message.to_owned()),
                        agent_id: Some(agent.to_proto()),
                        resource_provider_id: operation.provider.clone(),
                        ..Default::default()
                    };
                    framework.listener().operation_status(cx, status);
                }
            }
            self.remove_operation(cx, uuid);
        }
    }

    /// The framework is being removed. What its pending operations hold is taken out of their agents' totals, since
    /// nobody is charged for it any more; returns these agents, of which the allocator is to be told afterwards.
    pub(crate) fn orphan_operations_of(&mut self, cx: &mut Context<'_>, framework: &FrameworkId) -> Vec<AgentId> {
        let mut agents = Vec::new();
        for uuid in self.operations.of_framework(framework.as_str()) {
            let Some(operation) = self.operations.get_mut(uuid) else { continue };
            operation.orphan = true;
            if operation.held.is_empty() {
                continue;
            }
            let (id, held) = (operation.agent.clone(), operation.held.unallocated());
            let Some(total) = self.agents.get(id.as_str()).map(|agent| agent.state.total.clone()) else { continue };
            self.set_total(cx, &id, total - held);
            agents.push(id);
        }
        agents
    }

    /// A framework has become known (again), also to the allocator: it takes over what its operations hold.
    pub(crate) fn adopt_operations_of(&mut self, cx: &mut Context<'_>, framework: &FrameworkId) {
        for uuid in self.operations.of_framework(framework.as_str()) {
            let Some(operation) = self.operations.get_mut(uuid).filter(|operation| operation.orphan) else { continue };
            operation.orphan = false;
            let (id, held) = (operation.agent.clone(), operation.held.clone());
            let Some(total) = self.agents.get(id.as_str()).map(|agent| agent.state.total.clone()) else { continue };
            if !held.is_empty() {
                self.allocator.update_allocation(framework, &id, &resources::Resources::new(), &held);
                self.set_total(cx, &id, total + held.unallocated());
            }
        }
    }
}

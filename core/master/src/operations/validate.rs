//! Whether an operation may be done, from what the master knows.

use messages::v1;
use model::AgentId;
use resources::Resources;
use validation::ValidationError;
use validation::operation::{OperationAgent, OperationFramework};

use crate::agent::Agent;
use crate::framework::Framework;
use crate::master::Master;

impl Master {
    /// `framework` is nothing when an operator asks; `principal` is whoever asks.
    pub(super) fn validate_operation(
        &self,
        agent: &Agent,
        framework: Option<&Framework>,
        principal: Option<&str>,
        operation: &v1::offer::Operation,
    ) -> Result<(), ValidationError> {
        let facts = framework.map(|framework| OperationFramework {
            id: framework.id().as_str(),
            roles: &framework.state.roles,
            shared_resources: framework.capabilities.shared_resources,
        });
        let context = validation::operation::Context {
            principal,
            agent: OperationAgent::of(&agent.state.capabilities),
            framework: facts,
            checkpointed: &agent.state.total.checkpointed(),
            in_use: &|resources| self.in_use(agent, resources),
        };
        validation::operation::validate(operation, &context)
    }

    fn in_use(&self, agent: &Agent, wanted: &Resources) -> bool {
        agent.uses.iter().any(|(framework, uses)| {
            let framework = self.frameworks.get(framework.as_str());
            let tasks = framework.into_iter().flat_map(|f| uses.tasks.iter().filter_map(|task| f.tasks.get(task)));
            let executors = uses.executors.values().map(|executor| &executor.resources);
            tasks.map(|task| &task.resources).chain(executors).any(|used| used.unallocated().contains(wanted))
        })
    }

    /// How Mesos names an agent in its reasons.
    pub(super) fn agent_text(&self, id: &AgentId) -> String {
        let Some(agent) = self.agents.get(id.as_str()) else { return id.to_string() };
        format!("{id} at {} ({})", agent.state.pid, agent.state.info.hostname)
    }
}

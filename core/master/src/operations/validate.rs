//! The decision whether an operation is allowed, from the master's state.

use messages::v1;
use model::AgentId;
use resources::Resources;
use validation::ValidationError;
use validation::operation::{OperationAgent, OperationFramework};

use crate::agents::{Agent, Agents};
use crate::frameworks::Framework;
use crate::tasks::{Task, Tasks};

/// Validates an operation. `framework` is `None` if an operator asks; `principal` is the principal of the caller.
pub(super) fn validate_operation(
    tasks: &Tasks,
    agent: &Agent,
    framework: Option<&Framework>,
    principal: Option<&str>,
    operation: &v1::offer::Operation,
) -> Result<(), ValidationError> {
    let summary = framework.map(|framework| OperationFramework {
        id: framework.id().as_str(),
        roles: &framework.snapshot().roles,
        shared_resources: framework.capabilities().shared_resources,
    });
    let context = validation::operation::Context {
        principal,
        agent: OperationAgent::of(&agent.snapshot().capabilities),
        framework: summary,
        checkpointed: &agent.snapshot().total.checkpointed(),
        in_use: &|resources| in_use(tasks, agent, resources),
    };
    validation::operation::validate(operation, &context)
}

fn in_use(tasks: &Tasks, agent: &Agent, wanted: &Resources) -> bool {
    tasks.on_agent(agent.id().as_str()).any(|(framework, usage)| {
        let tasks = usage.task_ids().filter_map(|task| tasks.get(framework.as_str(), task.as_str()));
        let executors = usage.executors().map(|(_, executor)| &executor.resources);
        tasks.map(Task::resources).chain(executors).any(|used| used.unallocated().contains(wanted))
    })
}

/// Returns an agent as Mesos names it in its reasons.
pub(super) fn agent_text(agents: &Agents, id: &AgentId) -> String {
    let Some(agent) = agents.get(id.as_str()) else { return id.to_string() };
    format!("{id} at {} ({})", agent.snapshot().pid, agent.snapshot().info.hostname)
}

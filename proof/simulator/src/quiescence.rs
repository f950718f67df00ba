//! Checks that the cluster is quiescent, as it must be some time after the last fault.

use messages::v1::{OperationState, TaskState};
use model::FrameworkId;

use crate::world::World;

impl World {
    /// Returns a description of what is not settled, if anything.
    pub fn not_quiescent(&self) -> Option<String> {
        let Some(leading) = self.leader().and_then(|master| master.leading.as_ref()) else {
            return Some("nobody leads".to_owned());
        };
        for agent in &self.agents {
            if !agent.is_registered() {
                return Some(format!("agent-{} is not registered", agent.index));
            }
        }
        if leading.accounting.agents() != self.agents.len() {
            return Some(format!("the master has {} agents", leading.accounting.agents()));
        }
        for scheduler in &self.schedulers {
            if !scheduler.is_subscribed() {
                return Some(format!("scheduler-{} is not subscribed", scheduler.index));
            }
            // The tasks of an agent that will never come back remain unreachable.
            let exists =
                |agent: &str| self.agents.iter().any(|host| host.id.as_ref().is_some_and(|id| id.as_str() == agent));
            let stays_away = |state: TaskState, agent: &str| state == TaskState::TaskUnreachable && !exists(agent);
            let unfinished = scheduler.unfinished().find(|(_, state, agent)| !stays_away(*state, agent));
            if let Some((task, state, agent)) = unfinished {
                return Some(format!("{task} on {agent} is {} for its scheduler", state.as_str_name()));
            }
            let unreachable = OperationState::OperationUnreachable;
            let mut operations = scheduler.operations.unfinished();
            let unfinished = operations.find(|(_, state, agent)| *state != unreachable || exists(agent));
            if let Some((operation, state, _)) = unfinished {
                return Some(format!("operation {operation} is {} for its scheduler", state.as_str_name()));
            }
            if let Some(framework) = scheduler.framework() {
                let (here, there) = (scheduler.offers(), leading.accounting.offers_of(&framework));
                if here != there {
                    return Some(format!("scheduler-{} holds offers {here:?}, the master {there:?}", scheduler.index));
                }
            }
        }
        let is_subscribed = |framework: &FrameworkId| {
            self.schedulers.iter().any(|scheduler| scheduler.framework().as_ref() == Some(framework))
        };
        if let Some(stale) = leading.remediation.stale(is_subscribed) {
            return Some(stale);
        }
        let tasks = leading.accounting.tasks(&self.cx.checks.torn_down);
        if tasks > 0 {
            return Some(format!("the master knows of {tasks} tasks that nobody waits for"));
        }
        if let Some(operation) = leading.accounting.operation(&self.cx.checks.torn_down) {
            return Some(format!("nobody waits for {operation}, and the master keeps it"));
        }
        if let Some(agent) = leading.accounting.draining(&self.cx.checks.torn_down) {
            return Some(format!("agent {agent} is still draining"));
        }
        if let Some(agent) = leading.accounting.in_doubt() {
            return Some(format!("what is used of agent {agent} is not there"));
        }
        for agent in &self.agents {
            let Some(id) = &agent.id else { continue };
            let believed = leading.accounting.total_of(id);
            if believed != Some(&agent.total) {
                let believed = believed.map(ToString::to_string).unwrap_or_default();
                return Some(format!("agent {id} has {}, its master believes {believed}", agent.total));
            }
        }
        None
    }

    /// Returns a description of the resources that are missing once the cluster is quiescent.
    pub fn missing(&self) -> Option<String> {
        self.agents.iter().find_map(|agent| self.cx.checks.operations.missing(agent.id.as_ref()?, &agent.total))
    }
}

//! The state that the validation of a launch depends on.

use messages::v1::{self, agent_info::capability};
use resources::Resources;

/// The state of the framework, the agent and the offers. It is borrowed from the master; lookups are closures, so
/// that this crate does not depend on the data structures of the master.
pub struct Context<'a> {
    /// The framework that launches.
    pub framework_id: &'a str,
    /// The agent that the offers are of.
    pub agent: LaunchAgent<'a>,
    /// What is left of the offers after the operations before this one.
    pub offered: &'a Resources,
    /// The framework's other use of a task id, if any.
    pub task_id_use: &'a dyn Fn(&str) -> Option<TaskIdUse>,
    /// The framework's executor of this id on this agent.
    pub running_executor: &'a dyn Fn(&str) -> Option<&'a v1::ExecutorInfo>,
    /// `share_cgroups` (default: true) of a task that this executor already runs, if it
    /// runs any, unreachable ones included. All tasks of an executor agree on it.
    pub share_cgroups_under: &'a dyn Fn(&str) -> Option<bool>,
}

/// The other use of a task id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskIdUse {
    /// A task of this id runs.
    Running,
    /// A task of this id is unreachable.
    Unreachable,
}

/// What is known of the agent of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchAgent<'a> {
    /// The id of the agent.
    pub id: &'a str,
    /// The capability TASK_RESOURCE_LIMITS.
    pub task_resource_limits: bool,
}

impl<'a> LaunchAgent<'a> {
    /// Reads the capabilities that an agent registered with.
    pub fn new(id: &'a str, capabilities: &[v1::agent_info::Capability]) -> Self {
        let has = |wanted| capabilities.iter().any(|capability| capability.r#type() == wanted);
        LaunchAgent { id, task_resource_limits: has(capability::Type::TaskResourceLimits) }
    }
}

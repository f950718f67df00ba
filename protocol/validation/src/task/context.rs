//! The state that the validation of a launch depends on.

use messages::v1::{self, agent_info::capability};
use resources::Resources;

/// The state of the framework, the agent and the offers. It is borrowed from the master; lookups are closures, so
/// that this crate does not depend on the data structures of the master.
pub struct Context<'a> {
    /// The framework that launches.
    pub framework_id: &'a str,
    /// The agent that the offers belong to.
    pub agent: LaunchAgent<'a>,
    /// The resources of the offers that the operations before this one left.
    pub offered: &'a Resources,
    /// Returns the framework's other use of a task id, if there is one.
    pub task_id_use: &'a dyn Fn(&str) -> Option<TaskIdUse>,
    /// Returns the framework's executor with this id on this agent.
    pub running_executor: &'a dyn Fn(&str) -> Option<&'a v1::ExecutorInfo>,
    /// Returns `share_cgroups` (default: true) of a task of this executor, unreachable tasks included; `None` if it has
    /// no task. All tasks of an executor agree on it.
    pub share_cgroups_under: &'a dyn Fn(&str) -> Option<bool>,
}

/// The other use of a task id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskIdUse {
    /// A task with this id runs.
    Running,
    /// A task with this id is unreachable.
    Unreachable,
}

/// The agent of a launch.
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

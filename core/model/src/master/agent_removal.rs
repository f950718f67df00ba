//! The ways in which an agent leaves the master's set of registered agents.

/// The way in which an agent leaves, or is about to leave (Mesos: `removeSlave`, `markUnreachable`, `markGone`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentRemoval {
    /// The agent is removed from the registry.
    Removed(RemovalReason),
    /// The agent is marked unreachable, and may return.
    Unreachable(UnreachableReason),
    /// An operator marks it gone (`MARK_AGENT_GONE`), or it was drained with `mark_gone`. It cannot return.
    Gone,
}

/// The reason for which an agent is removed. The first two reasons have counters, `master/slave_removals/reason_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// A new agent registered at its address (`reason_registered`).
    Replaced,
    /// The agent unregistered (`reason_unregistered`).
    Unregistered,
    /// An operator took its machine down for maintenance; Mesos has no counter for it.
    MachineDown,
}

/// The reason for which an agent is marked unreachable. The counter is `master/slave_removals/reason_unhealthy` in each
/// case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreachableReason {
    /// The agent answers no pings (`--agent_ping_timeout`, `--max_agent_ping_timeouts`).
    PingTimeout,
    /// The link of the agent broke, and the agent did not re-register in time (`--agent_reregister_timeout`).
    ReregistrationTimeout,
    /// The agent was registered with the previous master, and did not re-register after the failover
    /// (`--agent_reregister_timeout`).
    NotReregisteredAfterFailover,
}

impl AgentRemoval {
    /// Returns whether the agent may return.
    pub fn is_unreachable(self) -> bool {
        matches!(self, AgentRemoval::Unreachable(_))
    }
}

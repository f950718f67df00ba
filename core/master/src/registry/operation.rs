//! The changes of the registry, one variant each.

use std::sync::Arc;

use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::maintenance::Schedule;
use messages::v1::quota::QuotaConfig;
use model::{AgentId, Upid};

/// One change of the registry. It has been validated before, so applying it never fails.
#[derive(Debug, Clone)]
pub enum RegistryOperation {
    /// A master takes the registry over: the first record of its term, which its host writes before the first step.
    Recover(Box<v1::MasterInfo>),

    /// Admits an agent, with the process at which the next master can reach it (Mesos: `AdmitSlave`).
    AdmitAgent(Arc<v1::AgentInfo>, Upid),
    /// Replaces the description and the process of an admitted agent.
    UpdateAgent(Arc<v1::AgentInfo>, Upid),
    /// Moves an agent from the admitted to the unreachable ones (Mesos: `MarkSlaveUnreachable`).
    MarkUnreachable {
        /// The agent.
        agent: AgentId,
        /// The time since which it is unreachable.
        since: v1::TimeInfo,
    },
    /// Marks an unreachable agent as admitted again (Mesos: `MarkSlaveReachable`); also admits an agent that the
    /// registry has no record of.
    MarkReachable(Arc<v1::AgentInfo>, Upid),
    /// Removes an admitted agent (Mesos: `RemoveSlave`).
    RemoveAgent(AgentId),
    /// Moves an agent to those that are gone for ever (Mesos: `MarkSlaveGone`).
    MarkGone {
        /// The agent.
        agent: AgentId,
        /// The time since which it is gone.
        since: v1::TimeInfo,
    },

    /// Begins draining; the agent is deactivated with it (Mesos: `DrainAgent`).
    DrainAgent {
        /// The agent.
        agent: AgentId,
        /// The configuration of the drain.
        config: v1::DrainConfig,
    },
    /// A draining agent has no tasks and operations any more (Mesos: `MarkAgentDrained`).
    MarkDrained(AgentId),
    /// An operator deactivates an agent: it is offered no more (Mesos: `DeactivateAgent`).
    DeactivateAgent(AgentId),
    /// Ends deactivation and draining (Mesos: `ReactivateAgent`).
    ReactivateAgent(AgentId),

    /// Replaces the maintenance schedule.
    UpdateSchedule(Schedule),
    /// The machines are down for maintenance.
    StartMaintenance(Vec<v1::MachineId>),
    /// The machines are up again and leave the schedule.
    StopMaintenance(Vec<v1::MachineId>),

    /// Sets the quotas of these roles; one without guarantees and limits is removed.
    UpdateQuota(Vec<QuotaConfig>),
    /// Sets the weights of these roles.
    UpdateWeights(Vec<v1::WeightInfo>),
    /// Creates or replaces a partition.
    UpdatePartition(Partition),
    /// Removes the partition with this id.
    RemovePartition(String),

    /// Changes of persisted failures: incidents, and the histories of agents.
    PersistFailures(Arc<failures::FailureChanges>),

    /// Removes agents that left long ago (Mesos: `Prune`).
    Prune {
        /// The unreachable agents that are removed from the registry.
        unreachable: Vec<AgentId>,
        /// The gone agents that are removed from the registry.
        gone: Vec<AgentId>,
    },
}

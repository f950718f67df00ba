//! The changes of the registry, one variant each.

use std::sync::Arc;

use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::maintenance::Schedule;
use messages::v1::quota::QuotaConfig;
use model::{AgentId, Upid};

/// One change of the registry. Whether it makes sense has been decided before: applying one never fails.
#[derive(Debug, Clone)]
pub enum RegistryOperation {
    /// A master takes over: the first record of its term, written by its host before the first step.
    Recover(Box<v1::MasterInfo>),

    /// With its process, where the next master can reach it.
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
    /// Also admits an agent that the registry has forgotten.
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

    /// Begins draining; the agent is deactivated with it.
    DrainAgent {
        /// The agent.
        agent: AgentId,
        /// How it is drained.
        config: v1::DrainConfig,
    },
    /// A draining agent has no tasks and operations any more (Mesos: `MarkAgentDrained`).
    MarkDrained(AgentId),
    /// An operator deactivates an agent: it is offered no more (Mesos: `DeactivateAgent`).
    DeactivateAgent(AgentId),
    /// Ends deactivation and draining.
    ReactivateAgent(AgentId),

    /// Replaces the maintenance schedule.
    UpdateSchedule(Schedule),
    /// The machines are down for maintenance.
    StartMaintenance(Vec<v1::MachineId>),
    /// The machines leave the schedule.
    StopMaintenance(Vec<v1::MachineId>),

    /// Sets these roles' quotas; one without guarantees and limits is removed.
    UpdateQuota(Vec<QuotaConfig>),
    /// Sets these roles' weights.
    UpdateWeights(Vec<v1::WeightInfo>),
    /// Creates or replaces a partition.
    UpdatePartition(Partition),
    /// By the partition's id.
    RemovePartition(String),

    /// What has changed about failures: incidents, and how agents behaved.
    PersistFailures(Arc<failures::FailureChanges>),

    /// Forgets agents that left long ago.
    Prune {
        /// Unreachable agents that are forgotten.
        unreachable: Vec<AgentId>,
        /// Gone agents that are forgotten.
        gone: Vec<AgentId>,
    },
}

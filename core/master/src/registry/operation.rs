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
    UpdateAgent(Arc<v1::AgentInfo>, Upid),
    MarkUnreachable {
        agent: AgentId,
        since: v1::TimeInfo,
    },
    /// Also admits an agent that the registry has forgotten.
    MarkReachable(Arc<v1::AgentInfo>, Upid),
    RemoveAgent(AgentId),
    MarkGone {
        agent: AgentId,
        since: v1::TimeInfo,
    },

    /// Begins draining; the agent is deactivated with it.
    DrainAgent {
        agent: AgentId,
        config: v1::DrainConfig,
    },
    MarkDrained(AgentId),
    DeactivateAgent(AgentId),
    /// Ends deactivation and draining.
    ReactivateAgent(AgentId),

    /// Replaces the maintenance schedule.
    UpdateSchedule(Schedule),
    StartMaintenance(Vec<v1::MachineId>),
    /// The machines leave the schedule.
    StopMaintenance(Vec<v1::MachineId>),

    /// Sets these roles' quotas; one without guarantees and limits is removed.
    UpdateQuota(Vec<QuotaConfig>),
    /// Sets these roles' weights.
    UpdateWeights(Vec<v1::WeightInfo>),
    UpdatePartition(Partition),
    /// By the partition's id.
    RemovePartition(String),

    /// What has changed about failures: incidents, and how agents behaved.
    PersistFailures(Arc<failures::FailureChanges>),

    /// Forgets agents that left long ago.
    Prune {
        unreachable: Vec<AgentId>,
        gone: Vec<AgentId>,
    },
}

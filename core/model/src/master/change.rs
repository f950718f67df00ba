//! The change stream: what readers are told. Entities are immutable snapshots that a
//! view shares by `Arc`; a later change replaces the whole entity.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId, Timestamp, Upid};
use messages::tepui::registry::Partition;
use messages::v1;
use resources::Resources;

use super::framework_metrics::FrameworkMetrics;
use super::operation_uuid::OperationUuid;
use crate::incident::{Incident, IncidentUpdate};

#[derive(Debug, Clone)]
pub enum Change {
    /// First registration or return of an agent (also from unreachable). Tasks of it in the
    /// unreachable history are added again right after, or are gone.
    AgentAdded(Arc<AgentSnapshot>),
    /// Agents of the master before, which have not come back yet: each will be added, or removed.
    AgentsRecovered(Vec<Arc<v1::AgentInfo>>),
    /// Agents that were unreachable under the master before.
    UnreachableRecovered(Vec<AgentId>),
    AgentUpdated(Arc<AgentSnapshot>),
    AgentRemoved {
        agent: AgentId,
        removal: AgentRemoval,
        at: Timestamp,
    },
    FrameworkAdded(Arc<FrameworkSnapshot>),
    FrameworkUpdated(Arc<FrameworkSnapshot>),
    /// Torn down or timed out: it is now history. Its live tasks and executors leave with it.
    FrameworkRemoved(Arc<FrameworkSnapshot>),
    /// Launched, or back from its unreachable agent.
    TaskAdded(Arc<v1::Task>),
    /// `status` is the update that caused the change, as its framework saw it.
    TaskUpdated {
        task: Arc<v1::Task>,
        status: Arc<v1::TaskStatus>,
    },
    /// Also of tasks in the unreachable history, when their framework is torn down.
    TaskRemoved {
        framework: FrameworkId,
        task: TaskId,
        removal: TaskRemoval,
    },
    ExecutorAdded(Arc<ExecutorSnapshot>),
    ExecutorRemoved {
        framework: FrameworkId,
        agent: AgentId,
        executor: ExecutorId,
    },
    /// Pending, or known from its agent.
    OperationAdded(Arc<v1::Operation>),
    OperationUpdated(Arc<v1::Operation>),
    /// Over and acknowledged, or its agent is gone.
    OperationRemoved(OperationUuid),
    OfferAdded(Arc<OfferSnapshot>),
    OfferRemoved(OfferId),
    /// All weights that were ever set.
    WeightsUpdated(Arc<BTreeMap<Role, f64>>),
    /// All quotas.
    QuotasUpdated(Arc<BTreeMap<Role, v1::quota::QuotaConfig>>),
    /// All partitions, by id.
    PartitionsUpdated(Arc<BTreeMap<String, Partition>>),
    MaintenanceUpdated(Arc<MaintenanceSnapshot>),
    /// What a framework said last about leaving an agent.
    InverseOfferAnswered {
        agent: AgentId,
        framework: FrameworkId,
        status: Box<v1::allocator::InverseOfferStatus>,
    },
    /// The agent has another window of unavailability, or none: what was said of the one before is void.
    InverseOfferStatusesCleared(AgentId),
    /// So many refusals of frameworks in a role are in force.
    RefusalsCounted {
        role: Role,
        active: usize,
    },
    /// What the master before knew of failures, by number.
    IncidentsRestored(Vec<Arc<Incident>>),
    /// A failure was detected, something was done about it, or it is over.
    Incident(Arc<Incident>, IncidentUpdate),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaintenanceSnapshot {
    pub schedule: v1::maintenance::Schedule,
    /// Draining or down, by name.
    pub machines: Vec<v1::MachineInfo>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AgentSnapshot {
    pub id: AgentId,
    pub info: Arc<v1::AgentInfo>,
    pub pid: Upid,
    pub version: String,
    /// `agent_info::capability::Type` values as numbers, ascending.
    pub capabilities: Vec<i32>,
    pub registered: Timestamp,
    pub reregistered: Option<Timestamp>,
    /// Offers may be made of it.
    pub active: bool,
    /// Its link is up.
    pub connected: bool,
    /// By an operator.
    pub deactivated: bool,
    pub drain: Option<v1::DrainInfo>,
    /// When this master told it to drain.
    pub drain_started: Option<Timestamp>,
    /// `info.resources` with the applied operations, plus oversubscribed resources.
    pub total: Resources,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentRemoval {
    /// It unregistered or its machine went down.
    Removed,
    /// It stopped answering pings, or did not re-register in time.
    Unreachable,
    /// An operator marked it gone.
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FrameworkSnapshot {
    pub id: FrameworkId,
    /// With `id` (and `principal`, when authenticated) filled in.
    pub info: Arc<v1::FrameworkInfo>,
    /// Subscribed roles in order of declaration (`*` when none is named).
    pub roles: Vec<Role>,
    pub suppressed: Vec<Role>,
    /// As the framework sent them, when it did.
    pub offer_constraints: Option<Arc<v1::scheduler::OfferConstraints>>,
    /// The v0 driver's address; `None` for HTTP schedulers.
    pub pid: Option<Upid>,
    pub active: bool,
    pub connected: bool,
    /// Known only from agents so far.
    pub recovered: bool,
    pub registered: Timestamp,
    pub reregistered: Option<Timestamp>,
    pub unregistered: Option<Timestamp>,
    pub framework_metrics: FrameworkMetrics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRemoval {
    /// Terminal and acknowledged, or its framework or agent is gone: into the completed history.
    Completed,
    /// Its agent is unreachable: into the unreachable history.
    Unreachable,
    /// Out of the unreachable history: its agent is back. If the task is, too, it is added again.
    AgentReregistered,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorSnapshot {
    pub framework: FrameworkId,
    pub agent: AgentId,
    pub info: Arc<v1::ExecutorInfo>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OfferSnapshot {
    pub id: OfferId,
    pub framework: FrameworkId,
    pub agent: AgentId,
    pub role: Role,
    /// Allocated to `role`.
    pub resources: Resources,
}

//! The change stream of a master, which its readers follow. Entities are immutable snapshots that a view shares by
//! `Arc`; a later change replaces the whole entity.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId, Timestamp, Upid};
use messages::tepui::registry::Partition;
use messages::v1;
use resources::Resources;

use super::agent_removal::AgentRemoval;
use super::framework_metrics::FrameworkMetrics;
use super::offer::Offer;
use super::operation_uuid::OperationUuid;
use super::task_snapshot::TaskSnapshot;
use crate::incident::{Incident, IncidentUpdate};

/// One change of the state that readers see.
#[derive(Debug, Clone)]
pub enum Change {
    /// The agent registered for the first time, or returned (also from unreachable). Its tasks in the unreachable
    /// history are added again right after this, or are gone.
    AgentAdded(Arc<AgentSnapshot>),
    /// The new master recovered these agents from the registry. Each of them will be added or removed.
    AgentsRecovered(Vec<Arc<v1::AgentInfo>>),
    /// The new master recovered these unreachable agents from the registry.
    UnreachableRecovered(Vec<AgentId>),
    /// The registry keeps no record of these unreachable agents any more (`--registry_max_agent_age`,
    /// `--registry_max_agent_count`): nothing is known of them from now on.
    UnreachableForgotten(Vec<AgentId>),
    /// The agent's description, activity, drain state or resources changed.
    AgentUpdated(Arc<AgentSnapshot>),
    /// The agent left the set of registered or recovered agents, or an unreachable one was marked gone.
    AgentRemoved {
        /// The agent.
        agent: AgentId,
        /// The way in which it left.
        removal: AgentRemoval,
        /// The time at which it left.
        at: Timestamp,
    },
    /// The framework subscribed for the first time, or became known from an agent.
    FrameworkAdded(Arc<FrameworkSnapshot>),
    /// The framework's description, connection or activity changed.
    FrameworkUpdated(Arc<FrameworkSnapshot>),
    /// The framework was torn down or its failover timeout has passed: it moves to the history, with its live tasks and
    /// executors.
    FrameworkRemoved(Arc<FrameworkSnapshot>),
    /// The task was launched, or its unreachable agent returned.
    TaskAdded(Arc<TaskSnapshot>),
    /// The task was updated. `status` is the update that caused the change, as its framework saw it.
    TaskUpdated {
        /// The task after the update.
        task: Arc<TaskSnapshot>,
        /// The update.
        status: Arc<v1::TaskStatus>,
    },
    /// The task moves to a history. This also happens to tasks in the unreachable history when their framework is torn
    /// down.
    TaskRemoved {
        /// The framework of the task.
        framework: FrameworkId,
        /// The task.
        task: TaskId,
        /// The history that it moves to.
        removal: TaskRemoval,
    },
    /// The executor was launched, or became known from its agent.
    ExecutorAdded(Arc<ExecutorSnapshot>),
    /// The executor ended.
    ExecutorRemoved {
        /// The framework of the executor.
        framework: FrameworkId,
        /// The agent that it ran on.
        agent: AgentId,
        /// The executor.
        executor: ExecutorId,
    },
    /// The operation is pending, or became known from its agent.
    OperationAdded(Arc<v1::Operation>),
    /// The status of the operation changed.
    OperationUpdated(Arc<v1::Operation>),
    /// The operation is terminal and acknowledged, or its agent is gone.
    OperationRemoved(OperationUuid),
    /// The offer was made.
    OfferAdded(Arc<Offer>),
    /// The offer was accepted, declined, rescinded or discarded.
    OfferRemoved(OfferId),
    /// The weights changed: all weights that were ever set.
    WeightsUpdated(Arc<BTreeMap<Role, f64>>),
    /// The quotas changed: all quotas.
    QuotasUpdated(Arc<BTreeMap<Role, v1::quota::QuotaConfig>>),
    /// The partitions changed: all partitions, by id.
    PartitionsUpdated(Arc<BTreeMap<String, Partition>>),
    /// The maintenance schedule or the mode of a machine changed.
    MaintenanceUpdated(Arc<MaintenanceSnapshot>),
    /// A framework accepted or declined an inverse offer.
    InverseOfferAnswered {
        /// The agent.
        agent: AgentId,
        /// The framework.
        framework: FrameworkId,
        /// The framework's last answer.
        status: Box<v1::allocator::InverseOfferStatus>,
    },
    /// The agent's window of unavailability changed or ended: the answers about the window before are void.
    InverseOfferStatusesCleared(AgentId),
    /// The number of offer filters that are in force for a role.
    OfferFiltersCounted {
        /// The role.
        role: Role,
        /// The number of offer filters.
        active: usize,
    },
    /// The new master recovered these incidents from the registry, in the order of their numbers.
    IncidentsRestored(Vec<Arc<Incident>>),
    /// An incident was detected, changed, acted upon, or has ended.
    Incident(Arc<Incident>, IncidentUpdate),
}

/// The maintenance of machines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaintenanceSnapshot {
    /// The schedule.
    pub schedule: v1::maintenance::Schedule,
    /// The machines in the schedule, with their modes and windows.
    pub machines: Vec<v1::MachineInfo>,
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSnapshot {
    /// The agent's id.
    pub id: AgentId,
    /// The agent's description of itself.
    pub info: Arc<v1::AgentInfo>,
    /// The agent's libprocess process.
    pub pid: Upid,
    /// The agent's version.
    pub version: String,
    /// `agent_info::capability::Type` values as numbers, ascending.
    pub capabilities: Vec<i32>,
    /// The time at which it registered with this master.
    pub registered: Timestamp,
    /// The time of its last re-registration; `None` before the first.
    pub reregistered: Option<Timestamp>,
    /// Whether offers may be made of it.
    pub active: bool,
    /// Whether its link is up.
    pub connected: bool,
    /// Whether an operator deactivated it.
    pub deactivated: bool,
    /// The drain that is in progress or done; `None` if there is none.
    pub drain: Option<v1::DrainInfo>,
    /// The time at which this master told it to drain.
    pub drain_started: Option<Timestamp>,
    /// The agent's resources: `info.resources` with the applied operations, plus oversubscribed resources.
    pub total: Resources,
}

impl AgentSnapshot {
    /// Creates the snapshot of an agent that has just registered: it is connected, and its resources may be offered.
    pub fn new(id: AgentId, info: Arc<v1::AgentInfo>, pid: Upid, total: Resources) -> Self {
        AgentSnapshot {
            id,
            info,
            pid,
            version: String::new(),
            capabilities: Vec::new(),
            registered: Timestamp::default(),
            reregistered: None,
            active: true,
            connected: true,
            deactivated: false,
            drain: None,
            drain_started: None,
            total,
        }
    }
}

/// A framework.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameworkSnapshot {
    /// The framework's id.
    pub id: FrameworkId,
    /// The framework's description, with `id` (and with `principal`, if authenticated) filled in.
    pub info: Arc<v1::FrameworkInfo>,
    /// The subscribed roles in order of declaration (`*` if none is named).
    pub roles: Vec<Role>,
    /// The roles for which it suppresses offers.
    pub suppressed: Vec<Role>,
    /// The offer constraints, as the framework sent them; `None` if it sent none.
    pub offer_constraints: Option<Arc<v1::scheduler::OfferConstraints>>,
    /// The v0 driver's address; `None` for HTTP schedulers.
    pub pid: Option<Upid>,
    /// Whether it gets offers.
    pub active: bool,
    /// Whether its scheduler is connected.
    pub connected: bool,
    /// Whether it is known only from agents so far.
    pub recovered: bool,
    /// The time at which it subscribed for the first time.
    pub registered: Timestamp,
    /// The time of its last resubscription; `None` before the first.
    pub reregistered: Option<Timestamp>,
    /// The time at which it was removed; `None` before that.
    pub unregistered: Option<Timestamp>,
    /// Counters of its calls, events and operations.
    pub framework_metrics: FrameworkMetrics,
}

impl FrameworkSnapshot {
    /// Creates the snapshot of a framework that has just subscribed to these roles.
    pub fn new(id: FrameworkId, info: Arc<v1::FrameworkInfo>, roles: Vec<Role>) -> Self {
        FrameworkSnapshot {
            id,
            info,
            roles,
            suppressed: Vec::new(),
            offer_constraints: None,
            pid: None,
            active: true,
            connected: true,
            recovered: false,
            registered: Timestamp::default(),
            reregistered: None,
            unregistered: None,
            framework_metrics: FrameworkMetrics::default(),
        }
    }
}

/// The history that a removed task moves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRemoval {
    /// The completed history: the task is terminal and acknowledged, or its framework or agent is gone.
    Completed,
    /// The unreachable history: the task's agent is unreachable.
    Unreachable,
    /// No history: the task leaves the unreachable history, since its agent returned. If the agent still has the task,
    /// it is added again.
    AgentReregistered,
}

/// An executor.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorSnapshot {
    /// The framework of the executor.
    pub framework: FrameworkId,
    /// The agent that it runs on.
    pub agent: AgentId,
    /// The executor's description, as the framework sent it.
    pub info: Arc<v1::ExecutorInfo>,
}

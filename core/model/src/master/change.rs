//! The change stream: what readers are told. Entities are immutable snapshots that a
//! view shares by `Arc`; a later change replaces the whole entity.

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
use crate::incident::{Incident, IncidentUpdate};

/// One change of what readers see.
#[derive(Debug, Clone)]
pub enum Change {
    /// First registration or return of an agent (also from unreachable). Tasks of it in the
    /// unreachable history are added again right after, or are gone.
    AgentAdded(Arc<AgentSnapshot>),
    /// Agents of the master before, which have not come back yet: each will be added, or removed.
    AgentsRecovered(Vec<Arc<v1::AgentInfo>>),
    /// Agents that were unreachable under the master before.
    UnreachableRecovered(Vec<AgentId>),
    /// Unreachable agents of which the registry keeps no record any more (`--registry_max_agent_age`,
    /// `--registry_max_agent_count`): nothing is known of them from now on.
    UnreachableForgotten(Vec<AgentId>),
    /// The agent's description, activity, drain state or resources changed.
    AgentUpdated(Arc<AgentSnapshot>),
    /// The agent left the set of registered or recovered agents, or an unreachable one was marked gone.
    AgentRemoved {
        /// The agent.
        agent: AgentId,
        /// How it left.
        removal: AgentRemoval,
        /// When.
        at: Timestamp,
    },
    /// The framework subscribed for the first time, or became known from an agent.
    FrameworkAdded(Arc<FrameworkSnapshot>),
    /// The framework's description, connection or activity changed.
    FrameworkUpdated(Arc<FrameworkSnapshot>),
    /// Torn down or timed out: it is now history. Its live tasks and executors leave with it.
    FrameworkRemoved(Arc<FrameworkSnapshot>),
    /// Launched, or back from its unreachable agent.
    TaskAdded(Arc<v1::Task>),
    /// `status` is the update that caused the change, as its framework saw it.
    TaskUpdated {
        /// The task after the update.
        task: Arc<v1::Task>,
        /// The update.
        status: Arc<v1::TaskStatus>,
    },
    /// Also of tasks in the unreachable history, when their framework is torn down.
    TaskRemoved {
        /// The framework of the task.
        framework: FrameworkId,
        /// The task.
        task: TaskId,
        /// Into which history it goes.
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
    /// Pending, or known from its agent.
    OperationAdded(Arc<v1::Operation>),
    OperationUpdated(Arc<v1::Operation>),
    /// Over and acknowledged, or its agent is gone.
    OperationRemoved(OperationUuid),
    /// The offer was made.
    OfferAdded(Arc<Offer>),
    /// The offer was accepted, declined, rescinded or discarded.
    OfferRemoved(OfferId),
    /// All weights that were ever set.
    WeightsUpdated(Arc<BTreeMap<Role, f64>>),
    /// All quotas.
    QuotasUpdated(Arc<BTreeMap<Role, v1::quota::QuotaConfig>>),
    /// All partitions, by id.
    PartitionsUpdated(Arc<BTreeMap<String, Partition>>),
    /// The maintenance schedule or the mode of a machine changed.
    MaintenanceUpdated(Arc<MaintenanceSnapshot>),
    /// What a framework said last about leaving an agent.
    InverseOfferAnswered {
        /// The agent.
        agent: AgentId,
        /// The framework.
        framework: FrameworkId,
        /// Its answer.
        status: Box<v1::allocator::InverseOfferStatus>,
    },
    /// The agent has another window of unavailability, or none: what was said of the one before is void.
    InverseOfferStatusesCleared(AgentId),
    /// So many refusals of frameworks in a role are in force.
    OfferFiltersCounted {
        /// The role.
        role: Role,
        /// How many.
        active: usize,
    },
    /// What the master before knew of failures, by number.
    IncidentsRestored(Vec<Arc<Incident>>),
    /// A failure was detected, something was done about it, or it is over.
    Incident(Arc<Incident>, IncidentUpdate),
}

/// The maintenance of machines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MaintenanceSnapshot {
    /// The schedule.
    pub schedule: v1::maintenance::Schedule,
    /// Draining or down, by name.
    pub machines: Vec<v1::MachineInfo>,
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSnapshot {
    /// The agent's id.
    pub id: AgentId,
    /// As the agent describes itself.
    pub info: Arc<v1::AgentInfo>,
    /// The agent's libprocess process.
    pub pid: Upid,
    /// The agent's version.
    pub version: String,
    /// `agent_info::capability::Type` values as numbers, ascending.
    pub capabilities: Vec<i32>,
    /// When it registered with this master.
    pub registered: Timestamp,
    /// When it last re-registered.
    pub reregistered: Option<Timestamp>,
    /// Offers may be made of it.
    pub active: bool,
    /// Its link is up.
    pub connected: bool,
    /// By an operator.
    pub deactivated: bool,
    /// Whether the agent drains or is drained.
    pub drain: Option<v1::DrainInfo>,
    /// When this master told it to drain.
    pub drain_started: Option<Timestamp>,
    /// `info.resources` with the applied operations, plus oversubscribed resources.
    pub total: Resources,
}

/// A framework.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameworkSnapshot {
    /// The framework's id.
    pub id: FrameworkId,
    /// With `id` (and `principal`, when authenticated) filled in.
    pub info: Arc<v1::FrameworkInfo>,
    /// Subscribed roles in order of declaration (`*` when none is named).
    pub roles: Vec<Role>,
    /// Those of its roles that it gets no offers for.
    pub suppressed: Vec<Role>,
    /// As the framework sent them, when it did.
    pub offer_constraints: Option<Arc<v1::scheduler::OfferConstraints>>,
    /// The v0 driver's address; `None` for HTTP schedulers.
    pub pid: Option<Upid>,
    /// Whether it gets offers.
    pub active: bool,
    /// Whether its scheduler is connected.
    pub connected: bool,
    /// Known only from agents so far.
    pub recovered: bool,
    /// When it subscribed for the first time.
    pub registered: Timestamp,
    /// When it last resubscribed.
    pub reregistered: Option<Timestamp>,
    /// When it was removed.
    pub unregistered: Option<Timestamp>,
    /// Counters of its calls, events and operations.
    pub framework_metrics: FrameworkMetrics,
}

/// Into which history a task goes that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRemoval {
    /// Terminal and acknowledged, or its framework or agent is gone: into the completed history.
    Completed,
    /// Its agent is unreachable: into the unreachable history.
    Unreachable,
    /// Out of the unreachable history: its agent is back. If the task is, too, it is added again.
    AgentReregistered,
}

/// An executor.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutorSnapshot {
    /// The framework of the executor.
    pub framework: FrameworkId,
    /// The agent that it runs on.
    pub agent: AgentId,
    /// As the framework described it.
    pub info: Arc<v1::ExecutorInfo>,
}

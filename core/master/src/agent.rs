//! An agent as the master knows it, and the set of all agents. Kept small: there may be
//! ten thousand, most of them idle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV4;
use std::sync::Arc;

use messages::{internal, v1};
use model::{AgentId, ExecutorId, FrameworkId, Monotonic, OfferId, TaskId, Upid};
use resources::Resources;
use rustc_hash::FxHashMap;

use crate::capabilities::AgentCapabilities;
use crate::operations::Provider;
use model::master::{AgentSnapshot, ExecutorSnapshot};

#[derive(Debug)]
pub(crate) struct Agent {
    /// What readers see of it; the core keeps no second copy.
    pub state: Arc<AgentSnapshot>,
    pub capabilities: AgentCapabilities,
    pub resource_version: Option<v1::Uuid>,
    /// The process that pings it.
    pub observer: Arc<str>,
    pub ping_slot: u32,
    pub missed_pings: u32,
    pub awaiting_pong: bool,
    /// Per framework that has something here.
    pub uses: BTreeMap<FrameworkId, AgentUsage>,
    pub offers: Vec<OfferId>,
    /// By the id of each resource provider.
    pub providers: BTreeMap<String, Provider>,
    /// An operation that was taken for granted has come to nothing: the next registration says what there is.
    pub total_in_doubt: bool,
    /// When it is given up, while disconnected.
    pub deadline: Option<Monotonic>,
}

/// What one framework has on one agent.
#[derive(Debug, Default)]
pub(crate) struct AgentUsage {
    pub tasks: BTreeSet<TaskId>,
    pub executors: BTreeMap<ExecutorId, Executor>,
}

#[derive(Debug)]
pub(crate) struct Executor {
    pub snapshot: Arc<ExecutorSnapshot>,
    /// Allocated to its role.
    pub resources: Resources,
}

impl Agent {
    pub fn new(state: AgentSnapshot, resource_version: Option<v1::Uuid>, observer: Arc<str>) -> Self {
        let capabilities = AgentCapabilities::of(&state.capabilities);
        Agent {
            state: Arc::new(state),
            capabilities,
            resource_version,
            observer,
            ping_slot: 0,
            missed_pings: 0,
            awaiting_pong: false,
            uses: BTreeMap::new(),
            offers: Vec::new(),
            providers: BTreeMap::new(),
            total_in_doubt: false,
            deadline: None,
        }
    }

    pub fn id(&self) -> &AgentId {
        &self.state.id
    }

    pub fn state_mut(&mut self) -> &mut AgentSnapshot {
        Arc::make_mut(&mut self.state)
    }

    pub fn executor(&self, framework: &str, executor: &str) -> Option<&Executor> {
        self.uses.get(framework)?.executors.get(executor)
    }

    pub fn executor_ids(&self, framework: &FrameworkId) -> Vec<ExecutorId> {
        self.uses.get(framework).map(|u| u.executors.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn resource_versions(&self) -> Vec<internal::ResourceVersionUuid> {
        let own = self.resource_version.iter().map(|uuid| (None, uuid));
        let provided = self.providers.iter().map(|(id, provider)| (Some(id), &provider.version));
        own.chain(provided)
            .map(|(provider, uuid)| internal::ResourceVersionUuid {
                resource_provider_id: provider.map(|id| v1::ResourceProviderId { value: id.clone() }),
                uuid: uuid.clone(),
            })
            .collect()
    }
}

/// An agent that stopped answering, and the tasks that may return with it.
#[derive(Debug)]
pub(crate) struct UnreachableAgent {
    pub since: v1::TimeInfo,
    pub tasks: Vec<(FrameworkId, TaskId)>,
}

#[derive(Debug, Default)]
pub(crate) struct Agents {
    map: FxHashMap<AgentId, Agent>,
    pids: FxHashMap<Upid, AgentId>,
    observers: FxHashMap<Arc<str>, AgentId>,
    addresses: BTreeMap<SocketAddrV4, BTreeSet<AgentId>>,
    unreachable: FxHashMap<AgentId, UnreachableAgent>,
    unreachable_order: VecDeque<AgentId>,
}

impl Agents {
    pub fn get(&self, id: &str) -> Option<&Agent> {
        self.map.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Agent> {
        self.map.get_mut(id)
    }

    /// All of them, in order. For what happens seldom.
    pub fn ids(&self) -> Vec<AgentId> {
        let mut ids: Vec<AgentId> = self.map.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    pub fn by_pid(&self, pid: &Upid) -> Option<&AgentId> {
        self.pids.get(pid)
    }

    pub fn by_observer(&self, observer: &str) -> Option<&AgentId> {
        self.observers.get(observer)
    }

    /// Every agent behind an address; there may be thousands.
    pub fn at(&self, address: SocketAddrV4) -> Vec<AgentId> {
        self.addresses.get(&address).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn insert(&mut self, agent: Agent) {
        let id = agent.id().clone();
        self.pids.insert(agent.state.pid.clone(), id.clone());
        self.observers.insert(agent.observer.clone(), id.clone());
        self.addresses.entry(agent.state.pid.address).or_default().insert(id.clone());
        self.map.insert(id, agent);
    }

    /// Gives an agent another process id (it restarted on another port).
    pub fn rename(&mut self, id: &str, pid: Upid) {
        let Some(agent) = self.map.get_mut(id) else { return };
        if agent.state.pid == pid {
            return;
        }
        let before = std::mem::replace(&mut agent.state_mut().pid, pid.clone());
        let id = agent.id().clone();
        self.forget_pid(&before, &id);
        self.pids.insert(pid.clone(), id.clone());
        self.addresses.entry(pid.address).or_default().insert(id);
    }

    pub fn remove(&mut self, id: &str) -> Option<Agent> {
        let agent = self.map.remove(id)?;
        self.observers.remove(&agent.observer);
        self.forget_pid(&agent.state.pid, agent.id());
        Some(agent)
    }

    fn forget_pid(&mut self, pid: &Upid, id: &AgentId) {
        // A newer agent may have taken the process id over already.
        if self.pids.get(pid) == Some(id) {
            self.pids.remove(pid);
        }
        if let Some(ids) = self.addresses.get_mut(&pid.address) {
            ids.remove(id);
            if ids.is_empty() {
                self.addresses.remove(&pid.address);
            }
        }
    }

    pub fn unreachable(&self, id: &str) -> Option<&UnreachableAgent> {
        self.unreachable.get(id)
    }

    /// In the order in which they left.
    pub fn unreachable_ids(&self) -> Vec<AgentId> {
        self.unreachable_order.iter().filter(|id| self.unreachable.contains_key(*id)).cloned().collect()
    }

    pub fn unreachable_count(&self) -> usize {
        self.unreachable.len()
    }

    /// Remembers an unreachable agent; the oldest are forgotten beyond `limit`.
    pub fn add_unreachable(&mut self, id: AgentId, agent: UnreachableAgent, limit: usize) {
        if self.unreachable.insert(id.clone(), agent).is_none() {
            self.unreachable_order.push_back(id);
        }
        while self.unreachable.len() > limit {
            let Some(oldest) = self.unreachable_order.pop_front() else { break };
            self.unreachable.remove(&oldest);
        }
        if self.unreachable_order.len() > 2 * limit.max(self.unreachable.len()) {
            let known = &self.unreachable;
            self.unreachable_order.retain(|id| known.contains_key(id));
        }
    }

    /// What the registry has forgotten.
    pub fn forget_unreachable(&mut self, ids: &[AgentId]) {
        for id in ids {
            self.unreachable.remove(id);
        }
    }

    pub fn take_unreachable(&mut self, id: &str) -> Option<UnreachableAgent> {
        self.unreachable.remove(id)
    }
}

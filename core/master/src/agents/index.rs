//! The set of all agents: registered ones, found by id, process, observer and address, and unreachable ones.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::sync::Arc;

use messages::v1;
use model::{AgentId, FrameworkId, TaskId, Upid};
use rustc_hash::FxHashMap;

use super::agent::Agent;
use crate::support::remove_from_index;

/// An unreachable agent, and the tasks that may return with it.
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
    /// The unreachable agents, each with a sequence number.
    unreachable: FxHashMap<AgentId, (u64, UnreachableAgent)>,
    next_unreachable: u64,
}

impl Agents {
    pub fn get(&self, id: &str) -> Option<&Agent> {
        self.map.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Agent> {
        self.map.get_mut(id)
    }

    /// Returns the ids of all agents in order. It copies them, so it is for rare events.
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

    /// Returns all agents with this address. There may be thousands.
    pub fn at(&self, address: SocketAddrV4) -> Vec<AgentId> {
        self.addresses.get(&address).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn insert(&mut self, agent: Agent) {
        let id = agent.id().clone();
        self.pids.insert(agent.snapshot().pid.clone(), id.clone());
        self.observers.insert(agent.observer().clone(), id.clone());
        self.addresses.entry(agent.snapshot().pid.address).or_default().insert(id.clone());
        self.map.insert(id, agent);
    }

    /// Gives an agent another process id (it restarted on another port).
    pub fn rename(&mut self, id: &str, pid: Upid) {
        let Some(agent) = self.map.get_mut(id) else { return };
        if agent.snapshot().pid == pid {
            return;
        }
        let before = agent.replace_pid(pid.clone());
        let id = agent.id().clone();
        self.forget_pid(&before, &id);
        self.pids.insert(pid.clone(), id.clone());
        self.addresses.entry(pid.address).or_default().insert(id);
    }

    pub fn remove(&mut self, id: &str) -> Option<Agent> {
        let agent = self.map.remove(id)?;
        self.observers.remove(agent.observer());
        self.forget_pid(&agent.snapshot().pid, agent.id());
        Some(agent)
    }

    fn forget_pid(&mut self, pid: &Upid, id: &AgentId) {
        // A newer agent may have taken the process id already.
        if self.pids.get(pid) == Some(id) {
            self.pids.remove(pid);
        }
        remove_from_index(&mut self.addresses, &pid.address, id);
    }

    pub fn unreachable(&self, id: &str) -> Option<&UnreachableAgent> {
        self.unreachable.get(id).map(|(_, agent)| agent)
    }

    /// Returns the unreachable agents, in the order in which they became unreachable.
    pub fn unreachable_ids(&self) -> Vec<AgentId> {
        let mut ids: Vec<(u64, &AgentId)> = self.unreachable.iter().map(|(id, (number, _))| (*number, id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id.clone()).collect()
    }

    pub fn unreachable_count(&self) -> usize {
        self.unreachable.len()
    }

    /// Adds an unreachable agent. It stays until it returns, is marked gone, or is removed from the registry.
    pub fn add_unreachable(&mut self, id: AgentId, agent: UnreachableAgent) {
        self.unreachable.insert(id, (self.next_unreachable, agent));
        self.next_unreachable += 1;
    }

    pub fn take_unreachable(&mut self, id: &str) -> Option<UnreachableAgent> {
        self.unreachable.remove(id).map(|(_, agent)| agent)
    }
}

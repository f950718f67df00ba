//! The durable state, and its changes that are in progress.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use machine::StoreToken;
use messages::v1;
use model::master::AgentRemoval;
use model::{AgentId, Upid};

use super::continuation::Continuation;
use super::{RegistryOperation, RegistryState};

/// The registry as the master knows it. A change is applied when its record is confirmed, never before.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    durable: RegistryState,
    next: u64,
    continuations: BTreeMap<StoreToken, (RegistryOperation, Continuation)>,
    /// Processes whose registration is in progress; their retries are ignored.
    registering: BTreeSet<Upid>,
    /// Agents whose re-registration is in progress.
    reregistering: BTreeSet<AgentId>,
    /// Agents with a change in progress that ends their registration.
    removals: BTreeMap<AgentId, AgentRemoval>,
}

impl Registry {
    pub fn new(durable: RegistryState) -> Self {
        Registry { durable, ..Registry::default() }
    }

    /// Returns the durable state.
    pub fn durable(&self) -> &RegistryState {
        &self.durable
    }

    /// Returns the number of changes that wait to become durable.
    pub fn pending_stores(&self) -> usize {
        self.continuations.len()
    }

    /// Keeps the continuation of a change; returns the token that the confirmation names.
    pub(super) fn push(&mut self, operation: RegistryOperation, then: Continuation) -> StoreToken {
        let token = StoreToken(self.next);
        self.next += 1;
        self.continuations.insert(token, (operation, then));
        token
    }

    /// Applies a change that has become durable; returns its continuation, or `None` for an unknown token.
    pub(super) fn apply_stored(&mut self, token: StoreToken) -> Option<Continuation> {
        let (operation, then) = self.continuations.remove(&token)?;
        self.durable.apply(&operation);
        Some(then)
    }

    /// Returns an agent's description of itself. If the record has an equal one, both share it.
    pub fn described(&self, id: &AgentId, info: v1::AgentInfo) -> Arc<v1::AgentInfo> {
        match self.durable.agents.get(id) {
            Some(record) if *record.info == info => record.info.clone(),
            _ => Arc::new(info),
        }
    }
}

/// Changes of agents that are in progress.
impl Registry {
    pub fn is_registering(&self, process: &Upid) -> bool {
        self.registering.contains(process)
    }

    pub fn begin_registration(&mut self, process: Upid) {
        self.registering.insert(process);
    }

    pub fn end_registration(&mut self, process: &Upid) {
        self.registering.remove(process);
    }

    pub fn is_reregistering(&self, agent: &AgentId) -> bool {
        self.reregistering.contains(agent)
    }

    pub fn begin_reregistration(&mut self, agent: AgentId) {
        self.reregistering.insert(agent);
    }

    pub fn end_reregistration(&mut self, agent: &AgentId) {
        self.reregistering.remove(agent);
    }

    /// Returns the removal of the agent that is in progress, if there is one.
    pub fn pending_removal(&self, agent: &AgentId) -> Option<AgentRemoval> {
        self.removals.get(agent).copied()
    }

    pub fn begin_removal(&mut self, agent: AgentId, removal: AgentRemoval) {
        self.removals.insert(agent, removal);
    }

    pub fn end_removal(&mut self, agent: &AgentId) {
        self.removals.remove(agent);
    }
}

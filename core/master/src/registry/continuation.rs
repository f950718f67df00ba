//! Registry changes under way: what waits for which record to become durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use machine::CallResponse;
use messages::{internal, v1};
use model::{AgentId, ReplyId, Upid};

use super::{RegistryOperation, RegistryState};
use crate::draining::AgentStateChange;
use crate::effects::Context;
use crate::master::Master;
use crate::policy::PolicyChange;
use machine::StoreToken;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// What is durable.
    pub state: RegistryState,
    next: u64,
    continuations: BTreeMap<StoreToken, (RegistryOperation, Continuation)>,
    /// Processes whose registration is under way; their retries are ignored.
    pub registering: BTreeSet<Upid>,
    /// Agents whose re-registration is under way.
    pub reregistering: BTreeSet<AgentId>,
    /// Agents of which a change that ends their registration is under way.
    pub pending_removals: BTreeMap<AgentId, PendingAgentRemoval>,
}

/// How an agent is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingAgentRemoval {
    Unreachable,
    Removed,
    Gone,
}

/// What goes on once a record is durable.
#[derive(Debug)]
pub(crate) enum Continuation {
    Admit {
        from: Upid,
        info: Arc<v1::AgentInfo>,
        /// Without `info`.
        message: Box<internal::RegisterSlaveMessage>,
    },
    /// An agent that this master does not know as registered.
    Readmit {
        from: Upid,
        message: Box<internal::ReregisterSlaveMessage>,
    },
    /// A registered agent that describes itself differently now.
    Update {
        from: Upid,
        message: Box<internal::ReregisterSlaveMessage>,
    },
    Unreachable {
        agent: AgentId,
        since: v1::TimeInfo,
        cause: String,
    },
    /// An agent of the master before, which did not come back.
    RecoveredUnreachable {
        agent: AgentId,
        since: v1::TimeInfo,
    },
    Gone {
        agent: AgentId,
        since: v1::TimeInfo,
        /// Nobody, when draining led to it.
        reply: Option<ReplyId>,
    },
    /// What an operator set about an agent.
    AgentStateChange {
        agent: AgentId,
        reply: ReplyId,
        change: AgentStateChange,
    },
    Drained(AgentId),
    /// What a recovery policy set about an agent.
    DrainedByPolicy(AgentId),
    /// Nothing; the next notes may be written.
    FailuresPersisted,
    /// An operator goes before a recovery policy, and is to be told that it is so.
    ReplyWhenPersisted {
        reply: ReplyId,
    },
    Pruned {
        unreachable: Vec<AgentId>,
    },
    Remove {
        agent: AgentId,
        cause: &'static str,
        reason: AgentRemovalReason,
    },
    /// An operator's decision, whose answer is owed to `reply`.
    Policy {
        reply: Option<ReplyId>,
        change: PolicyChange,
    },
}

/// Why an agent was removed; each has its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentRemovalReason {
    /// A new agent registered at its address.
    Replaced,
    Unregistered,
    /// An operator took its machine down; Mesos has no counter for it.
    MachineDown,
}

impl Registry {
    pub fn new(state: RegistryState) -> Self {
        Registry { state, ..Registry::default() }
    }

    /// An agent as it describes itself: where that is on record, one copy serves both.
    pub fn described(&self, id: &AgentId, info: v1::AgentInfo) -> Arc<v1::AgentInfo> {
        match self.state.agents.get(id) {
            Some(record) if *record.info == info => record.info.clone(),
            _ => Arc::new(info),
        }
    }
}

impl Master {
    pub(crate) fn registry_is_full(&self) -> bool {
        self.registry.continuations.len() >= self.config.max_pending_stores
    }

    pub(crate) fn store(&mut self, cx: &mut Context<'_>, operation: RegistryOperation, then: Continuation) {
        let token = StoreToken(self.registry.next);
        self.registry.next += 1;
        self.registry.continuations.insert(token, (operation.clone(), then));
        self.metrics.registrar_queued_operations.increment();
        cx.store(token, operation);
    }

    pub(crate) fn stored(&mut self, cx: &mut Context<'_>, token: StoreToken) {
        let Some((operation, continuation)) = self.registry.continuations.remove(&token) else {
            return tracing::warn!(?token, "ignoring the confirmation of an unknown record");
        };
        self.metrics.registrar_queued_operations.decrement();
        self.registry.state.apply(&operation);
        match continuation {
            Continuation::Admit { from, info, message } => self.admitted(cx, from, info, *message),
            Continuation::Readmit { from, message } => self.readmitted(cx, from, *message),
            Continuation::Update { from, message } => self.reregistered(cx, from, *message),
            Continuation::Unreachable { agent, since, cause } => self.marked_unreachable(cx, &agent, since, &cause),
            Continuation::RecoveredUnreachable { agent, since } => self.recovered_marked_unreachable(cx, &agent, since),
            Continuation::Gone { agent, since, reply } => {
                self.marked_gone(cx, &agent, since);
                if let Some(reply) = reply {
                    cx.reply(reply, CallResponse::ok());
                }
            }
            Continuation::AgentStateChange { agent, reply, change } => {
                let answer = self.agent_state_stored(cx, &agent, change);
                if change == AgentStateChange::Reactivated && answer == CallResponse::ok() {
                    return self.reply_when_persisted(cx, reply);
                }
                cx.reply(reply, answer);
            }
            Continuation::Drained(agent) => self.marked_drained(cx, &agent),
            // Nobody is owed an answer.
            Continuation::DrainedByPolicy(agent) => {
                drop(self.agent_state_stored(cx, &agent, AgentStateChange::Draining))
            }
            Continuation::FailuresPersisted => self.failures_persisted(cx),
            Continuation::ReplyWhenPersisted { reply } => cx.reply(reply, CallResponse::ok()),
            Continuation::Pruned { unreachable } => self.registry_pruned(cx, &unreachable),
            Continuation::Remove { agent, cause, reason } => self.agent_removed(cx, &agent, cause, reason),
            Continuation::Policy { reply, change } => self.apply_policy_change(cx, reply, change),
        }
    }
}

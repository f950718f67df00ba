//! Registry changes under way: what waits for which record to become durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use messages::{internal, v1};
use vocabulary::{AgentId, Answer, ReplyId, Upid};

use super::{RegistryOperation, RegistryState};
use crate::cx::Cx;
use crate::draining::Standing;
use crate::master::Master;
use crate::outbox::{Effect, StoreToken};
use crate::policy::PolicyChange;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// What is durable.
    pub state: RegistryState,
    next: u64,
    waiting: BTreeMap<StoreToken, (RegistryOperation, Waiting)>,
    /// Processes whose registration is under way; their retries are ignored.
    pub registering: BTreeSet<Upid>,
    /// Agents whose re-registration is under way.
    pub reregistering: BTreeSet<AgentId>,
    /// Agents of which a change that ends their registration is under way.
    pub leaving: BTreeMap<AgentId, Leaving>,
}

/// How an agent is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    Unreachable,
    Removed,
    Gone,
}

/// What goes on once a record is durable.
#[derive(Debug)]
pub(crate) enum Waiting {
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
    Standing {
        agent: AgentId,
        reply: ReplyId,
        change: Standing,
    },
    Drained(AgentId),
    /// What a recovery policy set about an agent.
    DrainedByPolicy(AgentId),
    /// Nothing; the next notes may be written.
    FailuresNoted,
    /// An operator goes before a recovery policy, and is to be told that it is so.
    Overruled {
        reply: ReplyId,
    },
    Pruned {
        unreachable: Vec<AgentId>,
    },
    Remove {
        agent: AgentId,
        cause: &'static str,
        reason: Removal,
    },
    /// An operator's decision, whose answer is owed to `reply`.
    Policy {
        reply: Option<ReplyId>,
        change: PolicyChange,
    },
}

/// Why an agent was removed; each has its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
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
        self.registry.waiting.len() >= self.config.max_pending_stores
    }

    pub(crate) fn store(&mut self, cx: &mut Cx<'_>, operation: RegistryOperation, then: Waiting) {
        let token = StoreToken(self.registry.next);
        self.registry.next += 1;
        self.registry.waiting.insert(token, (operation.clone(), then));
        self.metrics.registrar_queued_operations.increment();
        cx.out.push(Effect::Store { token, operation });
    }

    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, token: StoreToken) {
        let Some((operation, waiting)) = self.registry.waiting.remove(&token) else {
            return tracing::warn!(?token, "ignoring the confirmation of an unknown record");
        };
        self.metrics.registrar_queued_operations.decrement();
        self.registry.state.apply(&operation);
        match waiting {
            Waiting::Admit { from, info, message } => self.admitted(cx, from, info, *message),
            Waiting::Readmit { from, message } => self.readmitted(cx, from, *message),
            Waiting::Update { from, message } => self.updated(cx, from, *message),
            Waiting::Unreachable { agent, since, cause } => self.became_unreachable(cx, &agent, since, &cause),
            Waiting::RecoveredUnreachable { agent, since } => self.recovered_became_unreachable(cx, &agent, since),
            Waiting::Gone { agent, since, reply } => {
                self.became_gone(cx, &agent, since);
                if let Some(reply) = reply {
                    cx.reply(reply, Answer::ok());
                }
            }
            Waiting::Standing { agent, reply, change } => {
                let answer = self.standing_changed(cx, &agent, change);
                if change == Standing::Reactivated && answer == Answer::ok() {
                    return self.reply_when_noted(cx, reply);
                }
                cx.reply(reply, answer);
            }
            Waiting::Drained(agent) => self.became_drained(cx, &agent),
            // Nobody is owed an answer.
            Waiting::DrainedByPolicy(agent) => drop(self.standing_changed(cx, &agent, Standing::Draining)),
            Waiting::FailuresNoted => self.failures_noted(cx),
            Waiting::Overruled { reply } => cx.reply(reply, Answer::ok()),
            Waiting::Pruned { unreachable } => self.pruned(cx, &unreachable),
            Waiting::Remove { agent, cause, reason } => self.removed(cx, &agent, cause, reason),
            Waiting::Policy { reply, change } => self.policy_stored(cx, reply, change),
        }
    }
}

//! Changes of the registry: how they are handed to the store, and what follows once they are durable.

use std::sync::Arc;

use machine::{CallResponse, StoreToken};
use messages::{internal, v1};
use model::master::{RemovalReason, UnreachableReason};
use model::{AgentId, ReplyId, Upid};

use super::RegistryOperation;
use super::gc::registry_pruned;
use super::pending::Registry;
use crate::agents::{admitted, agent_removed, marked_unreachable, readmitted, reregistered};
use crate::draining::{AgentStateChange, agent_state_stored, marked_drained, marked_gone};
use crate::failures::{failures_persisted, reply_when_persisted};
use crate::interface::{Config, Context};
use crate::policy::{PolicyChange, apply_policy_change};
use crate::state::State;
use model::master::Metrics;

/// The continuation of a change once its record is durable.
#[derive(Debug)]
pub(crate) enum Continuation {
    Admit {
        from: Upid,
        info: Arc<v1::AgentInfo>,
        /// The message, without `info`.
        message: Box<internal::RegisterSlaveMessage>,
    },
    /// An agent that this master does not have as registered.
    Readmit {
        from: Upid,
        message: Box<internal::ReregisterSlaveMessage>,
    },
    /// A registered agent whose description changed.
    Update {
        from: Upid,
        message: Box<internal::ReregisterSlaveMessage>,
    },
    /// An agent was marked unreachable; it was registered or recovered.
    Unreachable {
        agent: AgentId,
        since: v1::TimeInfo,
        reason: UnreachableReason,
    },
    Gone {
        agent: AgentId,
        /// The operator's request; `None` if draining led to it.
        reply: Option<ReplyId>,
    },
    /// An operator changed the state of an agent.
    AgentStateChange {
        agent: AgentId,
        reply: ReplyId,
        change: AgentStateChange,
    },
    Drained(AgentId),
    /// A recovery policy drains an agent.
    DrainedByPolicy(AgentId),
    /// Changed failures are durable, so the next ones may be persisted.
    FailuresPersisted,
    /// An operator overruled a recovery policy, and is answered once that is durable.
    ReplyWhenPersisted {
        /// `None` if more parts of the changes follow.
        reply: Option<ReplyId>,
    },
    Pruned {
        unreachable: Vec<AgentId>,
    },
    Remove {
        agent: AgentId,
        cause: &'static str,
        reason: RemovalReason,
    },
    /// An operator's decision, which is answered to `reply`.
    Policy {
        reply: Option<ReplyId>,
        change: PolicyChange,
    },
}

pub(crate) fn registry_is_full(config: &Config, registry: &Registry) -> bool {
    registry.pending_stores() >= config.max_pending_stores
}

pub(crate) fn store(
    metrics: &Metrics,
    registry: &mut Registry,
    cx: &mut Context<'_>,
    operation: RegistryOperation,
    then: Continuation,
) {
    let token = registry.push(operation.clone(), then);
    metrics.registrar_queued_operations.increment();
    cx.store(token, operation);
}

pub(crate) fn stored(state: &mut State, cx: &mut Context<'_>, token: StoreToken) {
    let Some(continuation) = state.registry.apply_stored(token) else {
        return tracing::warn!(?token, "ignoring the confirmation of an unknown record");
    };
    state.metrics.registrar_queued_operations.decrement();
    match continuation {
        Continuation::Admit { from, info, message } => admitted(state, cx, from, info, *message),
        Continuation::Readmit { from, message } => readmitted(state, cx, from, *message),
        Continuation::Update { from, message } => reregistered(state, cx, from, *message),
        Continuation::Unreachable { agent, since, reason } => marked_unreachable(state, cx, &agent, since, reason),
        Continuation::Gone { agent, reply } => {
            marked_gone(state, cx, &agent);
            if let Some(reply) = reply {
                cx.reply(reply, CallResponse::ok());
            }
        }
        Continuation::AgentStateChange { agent, reply, change } => {
            let answer = agent_state_stored(state, cx, &agent, change);
            if change == AgentStateChange::Reactivated && answer == CallResponse::ok() {
                return reply_when_persisted(&mut state.monitor, &mut state.registry, &state.metrics, cx, reply);
            }
            cx.reply(reply, answer);
        }
        Continuation::Drained(agent) => marked_drained(state, cx, &agent),
        // No operator waits for a response.
        Continuation::DrainedByPolicy(agent) => drop(agent_state_stored(state, cx, &agent, AgentStateChange::Draining)),
        Continuation::FailuresPersisted => failures_persisted(&mut state.failure_persistence, &state.monitor, cx),
        Continuation::ReplyWhenPersisted { reply: Some(reply) } => cx.reply(reply, CallResponse::ok()),
        Continuation::ReplyWhenPersisted { reply: None } => {}
        Continuation::Pruned { unreachable } => registry_pruned(state, cx, &unreachable),
        Continuation::Remove { agent, cause, reason } => agent_removed(state, cx, &agent, cause, reason),
        Continuation::Policy { reply, change } => apply_policy_change(state, cx, reply, change),
    }
}

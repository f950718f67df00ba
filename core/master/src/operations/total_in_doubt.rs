//! Which total of an agent counts while operations on it are in progress: the master's or the agent's.
//!
//! The master enters what an operation makes at once. A registration that the agent sent before it got the operation
//! describes the time before, and an agent repeats registrations: accepting it would take a reservation back that the
//! agent is about to make, and offer the same to somebody else. (Mesos does.) So while operations are under way the
//! master's own total stands. If all of them succeed it was right; if one does not, the agent is asked to register once
//! more when the last of them has ended.
//!
//! A registration may also arrive after a later one: an agent that gets no answer repeats it, and what was sent on a
//! connection that broke may be read after what was sent on the next. Such a message describes a time before operations
//! that have ended by now. An agent takes a new resource version whenever its connection breaks, so versions tell.

use messages::{internal, v1};
use model::AgentId;

use super::spec::is_terminal;
use crate::agents::Agent;
use crate::interface::Context;
use crate::state::State;

/// Whether what a registration says of the agent's own resources may be of before one of its operations.
pub(crate) fn has_pending_operations(state: &State, agent: &AgentId) -> bool {
    let under_way = |uuid| {
        let operation = state.operations.get(uuid);
        operation.is_some_and(|operation| operation.provider.is_none() && !is_terminal(operation.state()))
    };
    state.operations.on_agent(agent.as_str()).into_iter().any(under_way)
}

/// Whether a connected agent repeats the registration that the master has accepted: its connection has not broken since,
/// so that its total has changed by operations of this master only, and the master's total has these.
pub(crate) fn is_repeated_registration(agent: &Agent, message: &internal::ReregisterSlaveMessage) -> bool {
    agent.state.connected
        && !agent.total_in_doubt
        && message.resource_version_uuid.is_some()
        && agent.resource_version == message.resource_version_uuid
        && *agent.state.info == message.slave
}

/// The version that the agent reports, in answer to a registration that changed its total while it was connected. If it
/// is not that of the registration, then this was sent before another one that the master had already.
pub(crate) fn check_unconfirmed_total(agent: &mut Agent, reported: Option<&v1::Uuid>) -> bool {
    let is_stale = |reported: &v1::Uuid| agent.resource_version.as_ref() != Some(reported);
    let Some(stale) = reported.map(is_stale).filter(|_| agent.total_unconfirmed) else { return false };
    agent.total_unconfirmed = false;
    agent.total_in_doubt |= stale;
    stale
}

/// What we believe the agent to have may not be so.
pub(crate) fn mark_total_in_doubt(state: &mut State, agent: &AgentId) {
    if let Some(agent) = state.agents.get_mut(agent.as_str()) {
        agent.total_in_doubt = true;
    }
}

/// Once nothing is under way the agent knows best: one that is pinged as not connected registers again.
pub(crate) fn resolve_total_in_doubt(state: &State, cx: &mut Context<'_>, agent: &AgentId) {
    let doubted = state.agents.get(agent.as_str()).filter(|agent| agent.total_in_doubt);
    if let Some(known) = doubted.filter(|known| known.state.connected)
        && !has_pending_operations(state, agent)
    {
        cx.send_from(&known.observer, &known.state.pid, internal::PingSlaveMessage { connected: false });
    }
}

//! The total of an agent that counts while operations on it are in progress: the master's or the agent's.
//!
//! The master enters the result of an operation at once. A registration that the agent sent before it received the
//! operation describes the time before, and an agent repeats registrations: accepting it would undo a reservation that
//! the agent is about to make, and offer the same resources to another framework. (Mesos does.) So while operations are
//! in progress the master's own total counts. If all of them succeed it was right; if one does not, the agent is asked
//! to register once more when the last of them has ended.

use messages::internal;
use model::AgentId;

use super::spec::is_terminal;
use crate::interface::Context;
use crate::state::State;

/// Returns whether a registration may describe the agent's own resources from before one of its operations.
pub(crate) fn has_pending_operations(state: &State, agent: &AgentId) -> bool {
    let under_way = |uuid| {
        let operation = state.operations.get(uuid);
        operation.is_some_and(|operation| operation.provider.is_none() && !is_terminal(operation.state()))
    };
    state.operations.on_agent(agent.as_str()).into_iter().any(under_way)
}

/// Marks the total of an agent as in doubt, since the master's may be wrong.
pub(crate) fn mark_total_in_doubt(state: &mut State, agent: &AgentId) {
    if let Some(agent) = state.agents.get_mut(agent.as_str()) {
        agent.total_in_doubt = true;
    }
}

/// Asks the agent for its total once no operation is in progress: an agent that is pinged as not connected registers
/// again.
pub(crate) fn resolve_total_in_doubt(state: &State, cx: &mut Context<'_>, agent: &AgentId) {
    let doubted = state.agents.get(agent.as_str()).filter(|agent| agent.total_in_doubt);
    if let Some(known) = doubted.filter(|known| known.state.connected)
        && !has_pending_operations(state, agent)
    {
        cx.send_from(&known.observer, &known.state.pid, internal::PingSlaveMessage { connected: false });
    }
}

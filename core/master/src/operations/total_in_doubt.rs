//! The total of an agent that counts while operations on it are in progress: the master's or the agent's.
//!
//! The master enters the result of an operation at once. A registration that the agent sent before it received the
//! operation describes the time before, and an agent repeats registrations: accepting it would undo a reservation that
//! the agent is about to make, and offer the same resources to another framework. (Mesos accepts it.) So while
//! operations are in progress the master's own total counts. If all of them succeed it was right; if one does not, the
//! agent is asked to register once more when the last of them has ended.
//!
//! A registration may also arrive after a later one: an agent that gets no answer repeats it, and a message on a
//! connection that broke may be read after a message on the next connection. Such a message describes a time before
//! operations that have ended by now. An agent chooses a new resource version whenever its connection breaks, so the
//! order of registrations follows from their versions.

use messages::internal;
use model::AgentId;

use super::index::Operations;
use super::spec::is_terminal;
use crate::agents::{Agent, Agents};
use crate::interface::Context;

/// Returns whether a registration may describe the agent's own resources from before one of its operations.
pub(crate) fn has_pending_operations(operations: &Operations, agent: &AgentId) -> bool {
    let under_way = |uuid| {
        let operation = operations.get(uuid);
        operation.is_some_and(|operation| operation.provider.is_none() && !is_terminal(operation.state()))
    };
    operations.on_agent(agent.as_str()).into_iter().any(under_way)
}

/// Returns whether a connected agent repeats the registration that the master has accepted: its connection has not
/// broken since, so that its total has changed by operations of this master only, and the master's total has these.
pub(crate) fn is_repeated_registration(agent: &Agent, message: &internal::ReregisterSlaveMessage) -> bool {
    agent.snapshot().connected
        && !agent.is_total_in_doubt()
        && message.resource_version_uuid.is_some()
        && agent.resource_version() == message.resource_version_uuid.as_ref()
        && *agent.snapshot().info == message.slave
}

/// Marks the total of an agent as in doubt, since the master's may be wrong.
pub(crate) fn mark_total_in_doubt(agents: &mut Agents, agent: &AgentId) {
    if let Some(agent) = agents.get_mut(agent.as_str()) {
        agent.mark_total_in_doubt();
    }
}

/// Asks the agent for its total once no operation is in progress: an agent that is pinged as not connected registers
/// again.
pub(crate) fn resolve_total_in_doubt(agents: &Agents, operations: &Operations, cx: &mut Context<'_>, agent: &AgentId) {
    if must_register_again(agents, operations, agent)
        && let Some(known) = agents.get(agent.as_str())
    {
        cx.send_from(known.observer(), &known.snapshot().pid, internal::PingSlaveMessage { connected: false });
    }
}

/// Returns whether an agent has to register again to report its total. It is asked with every ping until it does: the
/// answer to an earlier registration, read late, may make it believe that it has registered already.
pub(crate) fn must_register_again(agents: &Agents, operations: &Operations, agent: &AgentId) -> bool {
    let doubted = agents.get(agent.as_str()).filter(|agent| agent.is_total_in_doubt());
    doubted.is_some_and(|known| known.snapshot().connected) && !has_pending_operations(operations, agent)
}

//! The end of the agent: unregistered, shut down by its master, or registered under another id.

use messages::{internal, v1};

use crate::effects::{Command, Context, Record, Timer};
use crate::frameworks::index::Frameworks;
use crate::pending_writes::PendingWrites;
use crate::registration::identity::Identity;
use crate::registration::master_connection::MasterConnection;
use crate::state::State;
use crate::tasks::kill;

pub(crate) fn unregister(state: &mut State, cx: &mut Context<'_>) {
    if let (Some(master), Some(_)) = (state.master.pid().cloned(), state.identity.id()) {
        cx.send(&master, internal::UnregisterSlaveMessage { slave_id: state.identity.proto() });
    }
    terminate(state, cx, "unregistered at the operator's request");
}

pub(crate) fn shutdown(state: &mut State, cx: &mut Context<'_>, message: Option<&str>) {
    let reason = message.filter(|m| !m.is_empty()).unwrap_or("no reason given");
    terminate(state, cx, &format!("the master asked this agent to shut down: {reason}"));
}

/// Ends the process at once: the master knows this agent under another id.
pub(crate) fn wrong_id(identity: &Identity, cx: &mut Context<'_>, got: &v1::AgentId) {
    let reason = format!(
        "the master calls this agent '{}', but it is '{}': two agents use one work directory or identity",
        got.value,
        identity.proto().value
    );
    cx.command(Command::Terminate(reason));
}

/// Ends everything that runs; the process ends when the last framework is removed.
fn terminate(state: &mut State, cx: &mut Context<'_>, reason: &str) {
    if state.master.is_terminating() {
        return;
    }
    tracing::info!("terminating: {reason}");
    state.master.terminate(reason);
    state.metrics.registered.set(0);
    cx.disarm(Timer::Register);
    cx.disarm(Timer::PingTimeout);
    for framework in &state.frameworks.ids() {
        kill::shutdown_framework(state, cx, framework);
    }
    terminate_if_idle(&state.frameworks, &mut state.master, &mut state.pending_writes, cx);
}

pub(crate) fn terminate_if_idle(
    frameworks: &Frameworks,
    master: &mut MasterConnection,
    pending_writes: &mut PendingWrites,
    cx: &mut Context<'_>,
) {
    if !frameworks.is_empty() {
        return;
    }
    if let Some(reason) = master.take_termination() {
        // Mesos removes the link to its latest state here: the next start is that of a new agent.
        pending_writes.store(cx, Record::Reset);
        cx.command(Command::Terminate(reason));
    }
}

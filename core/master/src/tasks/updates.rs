//! The forwarding of status updates from agents to frameworks, and of acknowledgements from frameworks to agents.

use std::sync::Arc;

use messages::{internal, v1};
use model::master::TaskRemoval;
use model::{FrameworkId, Upid};

use super::lifecycle::{apply_status, remove_task};
use crate::interface::Context;
use crate::peers::is_process_of;
use crate::policy::rewrite_preempted_status;
use crate::state::State;

/// Returns the status as it is sent to the framework: it is completed from the envelope of its update, and has a uuid
/// exactly if it has to be acknowledged.
fn status_for_framework(update: &internal::StatusUpdate) -> v1::TaskStatus {
    let mut status = update.status.clone();
    if update.slave_id.is_some() {
        status.agent_id.clone_from(&update.slave_id);
    }
    if update.executor_id.is_some() {
        status.executor_id.clone_from(&update.executor_id);
    }
    status.timestamp = Some(update.timestamp);
    status.uuid.clone_from(&update.uuid);
    status
}

/// Acknowledges an update that was read late, from a connection that broke, or the late answer to a kill: its framework
/// has received the task's end already. An agent that still waits for the acknowledgement gets it. (Mesos forwards such
/// updates: the task becomes live again, or ends a second time in another way.)
fn acknowledge_stale_update(cx: &mut Context<'_>, agent: &Upid, update: internal::StatusUpdate) {
    let (Some(slave_id), Some(uuid)) = (update.slave_id, update.uuid) else { return };
    let (framework_id, task_id) = (update.framework_id, update.status.task_id);
    cx.send(agent, internal::StatusUpdateAcknowledgementMessage { slave_id, framework_id, task_id, uuid });
}

pub(crate) fn status_update(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::StatusUpdateMessage,
) {
    state.metrics.messages_status_update.increment();
    let valid = forward_from_agent(state, cx, from, message);
    let counter = if valid { &state.metrics.valid_status_updates } else { &state.metrics.invalid_status_updates };
    counter.increment();
}

/// Forwards an update. Returns false if it could not be forwarded, or its task is not known.
fn forward_from_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::StatusUpdateMessage,
) -> bool {
    let internal::StatusUpdateMessage { mut update, pid } = message;
    rewrite_preempted_status(&state.frameworks, &state.tasks, &mut update);
    let agent = update.slave_id.as_ref().map_or("", |id| id.value.as_str());
    if !is_process_of(&state.agents, from, agent) {
        return false;
    }
    // An update without uuid or process cannot be acknowledged; agents always send both.
    let acknowledgeable = update.uuid.as_ref().is_some_and(|uuid| validation::ids::validate_uuid(uuid).is_ok())
        && pid.as_ref().and_then(|pid| pid.parse::<Upid>().ok()).is_some_and(|pid| !pid.is_none());
    if !acknowledgeable || v1::TaskState::try_from(update.status.state).is_err() {
        return false;
    }
    let Some(framework) = state.frameworks.get(&update.framework_id.value) else { return false };
    let (framework_id, connected) = (framework.id().clone(), framework.state().is_connected());
    let known = state.tasks.get_with_id(framework_id.as_str(), &update.status.task_id.value);
    let known = known.filter(|(_, task)| task.agent().as_str() == agent);
    let is_end = v1::TaskState::try_from(update.status.state).is_ok_and(model::is_terminal);
    let stale = match known {
        Some((_, task)) => {
            let ended = task.snapshot().status_update_uuid().is_some() && model::is_terminal(task.forwarded_state());
            // A terminal update that is not acknowledged is repeated.
            ended && !is_end
        }
        None => state.tasks.is_recently_completed(framework_id.as_str(), &update.status.task_id.value, agent),
    };
    let task = known.map(|(id, _)| id.clone());
    if stale {
        acknowledge_stale_update(cx, from, update);
        return true;
    }

    let framework_status = Arc::new(status_for_framework(&update));
    let latest = update.latest_state.and_then(|task_state| v1::TaskState::try_from(task_state).ok());
    framework.listener().clone().update(cx, &framework_status, update, pid);
    if let Some(task) = &task {
        apply_status(state, cx, &framework_id, task, framework_status, latest, connected);
    }
    connected && task.is_some()
}

pub(crate) fn acknowledge(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: v1::scheduler::call::Acknowledge,
) {
    state.metrics.messages_status_update_acknowledgement.increment();
    let valid = acknowledged(state, cx, framework, call);
    let counter = if valid {
        &state.metrics.valid_status_update_acknowledgements
    } else {
        &state.metrics.invalid_status_update_acknowledgements
    };
    counter.increment();
}

fn acknowledged(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: v1::scheduler::call::Acknowledge,
) -> bool {
    let Some(agent) = state.agents.get(&call.agent_id.value).filter(|agent| agent.snapshot().connected) else {
        return false;
    };
    let pid = agent.snapshot().pid.clone();
    let task = state
        .tasks
        .get_with_id(framework.as_str(), &call.task_id.value)
        .filter(|(_, task)| task.agent().as_str() == call.agent_id.value);
    let mut over = None;
    if let Some((id, task)) = task {
        // This master has not forwarded it (a failover happened meanwhile); the agent will repeat it.
        let Some(uuid) = task.snapshot().status_update_uuid() else { return false };
        let last = uuid == call.uuid.as_slice();
        over = (last && model::is_terminal(task.forwarded_state())).then(|| id.clone());
    }
    if let Some(id) = over {
        remove_task(state, cx, framework, &id, TaskRemoval::Completed);
    }
    cx.send(
        &pid,
        internal::StatusUpdateAcknowledgementMessage {
            slave_id: call.agent_id,
            framework_id: framework.to_proto(),
            task_id: call.task_id,
            uuid: call.uuid,
        },
    );
    true
}

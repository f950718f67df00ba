//! The ways in which frameworks leave: lost connections, failover timeouts, teardown.

use std::net::SocketAddrV4;
use std::sync::Arc;

use messages::{internal, v1};
use model::master::{Change, TaskRemoval};
use model::{AgentId, FrameworkId, StreamId, TaskId};

use super::framework::Connection;
use super::heartbeats::stop_heartbeats;
use super::subscribe::{close, publish_framework};
use crate::agents::{Agents, agent_disconnected};
use crate::allocation::allocator_update_agent;
use crate::failures::observe;
use crate::interface::{Context, Timer};
use crate::offers::{discard_offers, rescind_offers_of_framework};
use crate::operations::orphan_operations_of;
use crate::state::State;
use crate::tasks::{MasterGenerated, Tasks, remove_executor, terminate_task};

pub(crate) fn stream_closed(state: &mut State, cx: &mut Context<'_>, stream: StreamId) {
    // A stream that was failed over is not known any more.
    let Some(id) = state.frameworks.by_stream(stream).cloned() else { return };
    disconnect_framework(state, cx, &id);
    state.frameworks.connect(id.as_str(), Connection::None);
    start_failover_timeout(state, cx, &id);
}

pub(crate) fn exited(state: &mut State, cx: &mut Context<'_>, address: SocketAddrV4) {
    state.links.broken(address);
    for id in state.frameworks.drivers_at(address) {
        let Some(framework) = state.frameworks.get(id.as_str()) else { continue };
        if !framework.state().is_connected() {
            continue;
        }
        framework.connection().clone().error(cx, "Framework disconnected");
        disconnect_framework(state, cx, &id);
        start_failover_timeout(state, cx, &id);
    }
    for agent in state.agents.at(address) {
        agent_disconnected(state, cx, &agent);
    }
}

/// Disconnects a framework: its offers are rescinded, it gets no more of them, and readers see it disconnected.
fn disconnect_framework(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    deactivate_framework(state, cx, id, true);
    stop_heartbeats(&mut state.frameworks, &mut state.heartbeats, cx, id);
    let Some(framework) = state.frameworks.get_mut(id.as_str()) else { return };
    if framework.disconnect() {
        state.metrics.frameworks_connected.decrement();
        state.metrics.frameworks_disconnected.increment();
    }
    publish_framework(&state.frameworks, cx, id);
}

fn start_failover_timeout(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let Some(framework) = state.frameworks.get_mut(id.as_str()) else { return };
    let timeout = framework.failover_timeout();
    if timeout.is_zero() {
        return remove_framework(state, cx, id);
    }
    let deadline = cx.now.monotonic + timeout;
    framework.start_failover_timeout(deadline);
    let name = framework.info().name.clone();
    cx.arm(Timer::FrameworkFailover(id.clone()), deadline);
    observe(state, cx, failures::Event::FrameworkDisconnected { framework: id.clone(), name });
}

pub(crate) fn failover_timed_out(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let Some(framework) = state.frameworks.get(id.as_str()) else { return };
    // The framework may have returned, and even left again, since this timer was set.
    if framework.state().deadline().is_some_and(|deadline| deadline <= cx.now.monotonic) {
        remove_framework(state, cx, id);
    }
}

/// Stops offers to a framework until it subscribes again. `rescind` says whether the framework is informed that its
/// offers are rescinded.
pub(crate) fn deactivate_framework(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId, rescind: bool) {
    let Some(framework) = state.frameworks.get_mut(id.as_str()) else { return };
    if !framework.deactivate() {
        return;
    }
    state.metrics.frameworks_active.decrement();
    state.metrics.frameworks_inactive.increment();
    state.allocator.deactivate_framework(id);
    if rescind {
        rescind_offers_of_framework(state, cx, id);
    } else {
        discard_offers(state, cx, id);
    }
}

/// DeactivateFrameworkMessage: a driver was aborted. Its tasks continue.
pub(crate) fn deactivate_framework_message(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    if state.frameworks.get(id.as_str()).is_some_and(|f| f.state().is_connected()) {
        deactivate_framework(state, cx, id, true);
        publish_framework(&state.frameworks, cx, id);
    }
}

/// Removes a framework: its tasks and executors are killed, it moves to the history, and its id can never subscribe
/// again.
pub(crate) fn remove_framework(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    deactivate_framework(state, cx, id, false);
    stop_heartbeats(&mut state.frameworks, &mut state.heartbeats, cx, id);
    shut_down_on_agents(&state.agents, &state.tasks, cx, id);
    kill_tasks_of(state, cx, id);
    remove_executors_of(state, cx, id);
    state.tasks.remove_framework(id.as_str());

    let Some(framework) = state.frameworks.get(id.as_str()).map(|f| f.connection().clone()).and_then(|connection| {
        close(&mut state.links, cx, &connection);
        state.frameworks.complete(id.as_str())
    }) else {
        return;
    };
    if framework.state().deadline().is_some() {
        cx.disarm(Timer::FrameworkFailover(id.clone()));
    }
    let connected = framework.state().is_connected();
    let gauge = if connected { &state.metrics.frameworks_connected } else { &state.metrics.frameworks_disconnected };
    gauge.decrement();
    state.metrics.frameworks_inactive.decrement();
    let short_of_operations = orphan_operations_of(state, cx, id);
    state.allocator.remove_framework(id);
    for agent in short_of_operations {
        allocator_update_agent(&mut state.allocator, &state.agents, &agent);
    }
    cx.publish(Change::FrameworkRemoved(framework.into_completed(cx.now.wall)));
    observe(state, cx, failures::Event::FrameworkRemoved(id.clone()));
}

fn shut_down_on_agents(agents: &Agents, tasks: &Tasks, cx: &mut Context<'_>, id: &FrameworkId) {
    for agent in tasks.agents_of(id.as_str()) {
        if let Some(agent) = agents.get(agent.as_str()) {
            cx.send(&agent.snapshot().pid, internal::ShutdownFrameworkMessage { framework_id: id.to_proto() });
        }
    }
}

/// Moves the framework's tasks to the history as killed; no scheduler is left to be sent updates.
fn kill_tasks_of(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let running: Vec<TaskId> = state.tasks.of_framework(id.as_str()).map(|(task, _)| task.clone()).collect();
    let unreachable = state.tasks.take_all_unreachable(id.as_str());
    let reason = MasterGenerated::new(
        v1::TaskState::TaskKilled,
        v1::task_status::Reason::FrameworkRemoved,
        format!("Framework {id} removed"),
    );
    for task in running {
        terminate_task(state, cx, id, &task, &reason, TaskRemoval::Completed);
    }
    for (id_of_task, unreachable) in unreachable {
        state.metrics.tasks_unreachable.decrement();
        let status = Arc::new(reason.status(&unreachable, cx.now.wall));
        let task = Arc::new(unreachable.with_status(status.state(), &status, false));
        cx.publish(Change::TaskUpdated { task, status });
        cx.publish(Change::TaskRemoved { framework: id.clone(), task: id_of_task, removal: TaskRemoval::Completed });
    }
}

fn remove_executors_of(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let agents: Vec<AgentId> = state.tasks.agents_of(id.as_str()).cloned().collect();
    for agent in agents {
        for executor in state.tasks.executor_ids(agent.as_str(), id.as_str()) {
            remove_executor(state, cx, &agent, id, &executor);
        }
    }
}

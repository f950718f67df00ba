//! The ways in which agents leave: broken links, missed pings, unregistration.

use messages::{internal, v1};
use model::master::{AgentRemoval, Change, RemovalReason, TaskRemoval, UnreachableReason};
use model::{AgentId, FrameworkId, TaskId, format_duration};

use super::index::{Agents, UnreachableAgent};
use super::pings::stop_pings;
use super::removal_limiter::schedule_mark_unreachable;
use crate::failures::{observe, observe_recovery_complete};
use crate::frameworks::Frameworks;
use crate::interface::{Config, Context, Timer};
use crate::offers::rescind_offers_of_agent;
use crate::operations::remove_operations_on_agent;
use crate::registry::{Continuation, Registry, RegistryOperation, store};
use crate::state::State;
use crate::support::time_info;
use crate::tasks::{MasterGenerated, Tasks, forward_master_generated, remove_executor, terminate_task};
use model::master::Metrics;

/// Handles the end of the link of an agent. Its tasks stay until the agent is removed, except those of frameworks that
/// do not checkpoint: their executors end with the agent process.
pub(crate) fn agent_disconnected(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get_mut(id.as_str()).filter(|agent| agent.snapshot().connected) else { return };
    let hostname = agent.snapshot().info.hostname.clone();
    let deadline = cx.now.monotonic + state.config.agent_reregister_timeout;
    let change = agent.disconnect(deadline);
    cx.publish(Change::AgentUpdated(agent.snapshot().clone()));
    state.metrics.slaves_connected.decrement();
    state.metrics.slaves_disconnected.increment();
    if let Some(change) = change {
        change.apply(&state.metrics, &mut state.allocator, id);
    }
    rescind_offers_of_agent(state, cx, id);

    let reason = MasterGenerated::new(
        v1::TaskState::TaskLost,
        v1::task_status::Reason::AgentDisconnected,
        format!("Agent {hostname} disconnected"),
    );
    for framework in frameworks_on(&state.tasks, id) {
        if state.frameworks.get(framework.as_str()).is_some_and(|f| !f.info().checkpoint()) {
            remove_framework_from_agent(state, cx, id, &framework, &reason, TaskRemoval::Completed);
        }
    }
    cx.arm(Timer::AgentReregister(id.clone()), deadline);
    observe(state, cx, failures::Event::AgentDisconnected(id.clone()));
}

pub(crate) fn reregistration_timed_out(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    // The agent may have returned, and even left again, since this timer was set.
    if agent.snapshot().connected || agent.deadline().is_none_or(|deadline| deadline > cx.now.monotonic) {
        return;
    }
    schedule_mark_unreachable(state, cx, id.clone(), UnreachableReason::ReregistrationTimeout);
}

/// Begins to mark an agent unreachable: a registered one, or a recovered one that has not re-registered.
pub(super) fn mark_unreachable(
    config: &Config,
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    id: AgentId,
    reason: UnreachableReason,
) {
    if reason == UnreachableReason::NotReregisteredAfterFailover {
        let timeout = format_duration(config.agent_reregister_timeout);
        tracing::warn!(agent = %id, "it did not reregister within {timeout} after master failover");
    }
    registry.begin_removal(id.clone(), AgentRemoval::Unreachable(reason));
    let since = time_info(cx.now.wall);
    let operation = RegistryOperation::MarkUnreachable { agent: id.clone(), since };
    store(metrics, registry, cx, operation, Continuation::Unreachable { agent: id, since, reason });
}

/// Continues once the registry has the agent as unreachable.
pub(crate) fn marked_unreachable(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    since: v1::TimeInfo,
    reason: UnreachableReason,
) {
    match reason {
        UnreachableReason::PingTimeout => {
            registered_marked_unreachable(state, cx, id, since, reason, "health check timed out");
        }
        UnreachableReason::ReregistrationTimeout => {
            let timeout = format_duration(state.config.agent_reregister_timeout);
            let cause = format!("agent did not reregister within {timeout} after disconnecting");
            registered_marked_unreachable(state, cx, id, since, reason, &cause);
        }
        UnreachableReason::NotReregisteredAfterFailover => {
            recovered_marked_unreachable(state, cx, id, since, reason);
        }
    }
}

fn registered_marked_unreachable(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    since: v1::TimeInfo,
    reason: UnreachableReason,
    cause: &str,
) {
    if state.agents.get(id.as_str()).is_none() {
        return;
    }
    count_unreachable_removal(&state.metrics);
    let mut tasks: Vec<(FrameworkId, TaskId)> = Vec::new();
    for framework in frameworks_on(&state.tasks, id) {
        let aware = state.frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities().partition_aware);
        let task_state = if aware { v1::TaskState::TaskUnreachable } else { v1::TaskState::TaskLost };
        let reason =
            MasterGenerated::new(task_state, v1::task_status::Reason::AgentRemoved, cause).unreachable_since(since);
        tasks.extend(tasks_on(&state.tasks, id, &framework).into_iter().map(|task| (framework.clone(), task)));
        remove_framework_from_agent(state, cx, id, &framework, &reason, TaskRemoval::Unreachable);
    }
    state.agents.add_unreachable(id.clone(), UnreachableAgent { since, tasks });
    finish_agent_removal(state, cx, id, AgentRemoval::Unreachable(reason));
    observe(state, cx, failures::Event::AgentUnreachable { agent: id.clone(), cause: cause.to_owned() });
}

/// Continues once the registry has a recovered agent as unreachable. None of its tasks is known.
fn recovered_marked_unreachable(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    since: v1::TimeInfo,
    reason: UnreachableReason,
) {
    state.registry.end_removal(id);
    if state.recovery.take(id).is_none() {
        return;
    }
    count_unreachable_removal(&state.metrics);
    state.metrics.recovery_slave_removals.increment();
    state.agents.add_unreachable(id.clone(), UnreachableAgent { since, tasks: Vec::new() });
    state.metrics.slaves_unreachable.set(state.agents.unreachable_count() as i64);
    let removal = AgentRemoval::Unreachable(reason);
    cx.publish(Change::AgentRemoved { agent: id.clone(), removal, at: cx.now.wall });
    send_agent_lost(&state.frameworks, cx, id);
    let cause = "it did not come back after the master failover".to_owned();
    observe(state, cx, failures::Event::AgentUnreachable { agent: id.clone(), cause });
    observe_recovery_complete(state, cx);
}

fn count_unreachable_removal(metrics: &Metrics) {
    metrics.slave_removals.increment();
    metrics.slave_removals_reason_unhealthy.increment();
}

/// Returns whether an agent may be removed: it may not while another change of its registration is in progress.
pub(crate) fn can_be_removed(registry: &Registry, id: &AgentId) -> bool {
    !registry.is_reregistering(id) && registry.pending_removal(id).is_none()
}

pub(crate) fn unregister_agent(
    agents: &Agents,
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    from: &model::Upid,
    id: &AgentId,
) {
    metrics.messages_unregister_slave.increment();
    if agents.get(id.as_str()).is_some_and(|agent| agent.snapshot().pid == *from) {
        remove_agent(agents, registry, metrics, cx, id, "the agent unregistered", RemovalReason::Unregistered);
    }
}

pub(crate) fn remove_agent(
    agents: &Agents,
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    id: &AgentId,
    cause: &'static str,
    reason: RemovalReason,
) {
    if agents.get(id.as_str()).is_none() || registry.pending_removal(id).is_some() {
        return;
    }
    registry.begin_removal(id.clone(), AgentRemoval::Removed(reason));
    let operation = RegistryOperation::RemoveAgent(id.clone());
    store(metrics, registry, cx, operation, Continuation::Remove { agent: id.clone(), cause, reason });
}

/// Removes a recovered agent whose process has registered as a new agent.
pub(crate) fn remove_recovered(
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    id: AgentId,
    cause: &'static str,
) {
    if !can_be_removed(registry, &id) {
        return;
    }
    let reason = RemovalReason::Replaced;
    registry.begin_removal(id.clone(), AgentRemoval::Removed(reason));
    let operation = RegistryOperation::RemoveAgent(id.clone());
    store(metrics, registry, cx, operation, Continuation::Remove { agent: id, cause, reason });
}

fn recovered_removed(state: &mut State, cx: &mut Context<'_>, id: &AgentId, reason: RemovalReason) {
    state.registry.end_removal(id);
    if state.recovery.take(id).is_none() {
        return;
    }
    state.removal_limiter.cancel(id);
    state.metrics.slave_removals.increment();
    state.metrics.slave_removals_reason_registered.increment();
    state.metrics.recovery_slave_removals.increment();
    cx.publish(Change::AgentRemoved { agent: id.clone(), removal: AgentRemoval::Removed(reason), at: cx.now.wall });
    send_agent_lost(&state.frameworks, cx, id);
    observe(state, cx, failures::Event::AgentRemoved(id.clone()));
    observe_recovery_complete(state, cx);
}

pub(crate) fn agent_removed(state: &mut State, cx: &mut Context<'_>, id: &AgentId, cause: &str, reason: RemovalReason) {
    let Some(agent) = state.agents.get(id.as_str()) else { return recovered_removed(state, cx, id, reason) };
    let message = format!("Agent {} removed: {cause}", agent.snapshot().info.hostname);
    state.metrics.slave_removals.increment();
    match reason {
        RemovalReason::Replaced => state.metrics.slave_removals_reason_registered.increment(),
        RemovalReason::Unregistered => state.metrics.slave_removals_reason_unregistered.increment(),
        RemovalReason::MachineDown => {}
    }
    let update = MasterGenerated::new(v1::TaskState::TaskLost, v1::task_status::Reason::AgentRemoved, message);
    for framework in frameworks_on(&state.tasks, id) {
        remove_framework_from_agent(state, cx, id, &framework, &update, TaskRemoval::Completed);
    }
    finish_agent_removal(state, cx, id, AgentRemoval::Removed(reason));
}

/// Ends everything that a framework has on an agent, and sends the framework the updates.
pub(crate) fn remove_framework_from_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    agent: &AgentId,
    framework: &FrameworkId,
    reason: &MasterGenerated,
    removal: TaskRemoval,
) {
    for task in tasks_on(&state.tasks, agent, framework) {
        if let Some(status) = terminate_task(state, cx, framework, &task, reason, removal) {
            forward_master_generated(&state.frameworks, cx, framework, &status);
        }
    }
    for executor in state.tasks.executor_ids(agent.as_str(), framework.as_str()) {
        remove_executor(state, cx, agent, framework, &executor);
    }
}

pub(crate) fn frameworks_on(tasks: &Tasks, agent: &AgentId) -> Vec<FrameworkId> {
    tasks.on_agent(agent.as_str()).map(|(framework, _)| framework.clone()).collect()
}

fn tasks_on(tasks: &Tasks, agent: &AgentId, framework: &FrameworkId) -> Vec<TaskId> {
    let usage = tasks.usage(agent.as_str(), framework.as_str());
    usage.map(|usage| usage.task_ids().cloned().collect()).unwrap_or_default()
}

/// The last step of every removal, when the agent has no tasks any more: it is removed from every index, and frameworks
/// are sent that it is lost.
pub(crate) fn finish_agent_removal(state: &mut State, cx: &mut Context<'_>, id: &AgentId, removal: AgentRemoval) {
    rescind_offers_of_agent(state, cx, id);
    remove_operations_on_agent(state, cx, id, removal);
    state.allocator.remove_agent(id);
    let Some(agent) = state.agents.remove(id.as_str()) else { return };
    state.registry.end_removal(id);
    state.removal_limiter.cancel(id);
    stop_pings(&mut state.pings, cx, &agent);
    if agent.deadline().is_some() {
        cx.disarm(Timer::AgentReregister(id.clone()));
    }
    let address = agent.snapshot().pid.address;
    if state.links.release(address) {
        cx.unlink(address);
    }
    decrement_agent_gauges(&state.agents, &state.metrics, &agent);
    cx.publish(Change::AgentRemoved { agent: id.clone(), removal, at: cx.now.wall });
    send_agent_lost(&state.frameworks, cx, id);
    if !removal.is_unreachable() {
        observe(state, cx, failures::Event::AgentRemoved(id.clone()));
    }
}

/// Sends an agent the message to shut down, with the reason.
pub(crate) fn shut_down_agent(cx: &mut Context<'_>, agent: &model::Upid, reason: &str) {
    cx.send(agent, internal::ShutdownMessage { message: Some(reason.to_owned()) });
}

fn send_agent_lost(frameworks: &Frameworks, cx: &mut Context<'_>, id: &AgentId) {
    for framework in frameworks.iter() {
        framework.listener().agent_lost(cx, id.to_proto());
    }
}

fn decrement_agent_gauges(agents: &Agents, metrics: &Metrics, agent: &super::agent::Agent) {
    metrics.total.subtract(&agent.snapshot().total);
    let connection = if agent.snapshot().connected { &metrics.slaves_connected } else { &metrics.slaves_disconnected };
    connection.decrement();
    let activity = if agent.snapshot().active { &metrics.slaves_active } else { &metrics.slaves_inactive };
    activity.decrement();
    metrics.slaves_unreachable.set(agents.unreachable_count() as i64);
}

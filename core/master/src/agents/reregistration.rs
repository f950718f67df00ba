//! The re-registration of a registered agent: its process restarted, its link broke, or it missed the master. The
//! states of both are compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use messages::{internal, v1};
use model::master::{Change, TaskSnapshot};
use model::{AgentId, ExecutorId, FrameworkId, Upid};
use resources::Resources;

use super::agent::Reregistration;
use super::capabilities::capability_numbers;
use super::index::Agents;
use super::readmission::{is_being_removed_or_gone, readmit};
use super::registration::{connection, is_acceptable, total_of, upgrade};
use crate::allocation::allocator_update_agent;
use crate::draining::{check_drained, send_drain};
use crate::failures::observe;
use crate::frameworks::{Frameworks, recover_framework, update_framework_message};
use crate::interface::{Context, Timer};
use crate::offers::{rescind_offer, rescind_offers_of_agent};
use crate::operations::{
    has_pending_operations, is_repeated_registration, reconcile_operations_with, resolve_total_in_doubt,
};
use crate::peers::{Links, is_process_of};
use crate::policy::is_machine_down;
use crate::registry::{Continuation, RegistryOperation, registry_is_full, store};
use crate::state::State;
use crate::tasks::{AgentUsage, MasterGenerated, Task, Tasks, remove_executor, task};

pub(crate) fn reregister_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    mut message: Box<internal::ReregisterSlaveMessage>,
) {
    state.metrics.messages_reregister_slave.increment();
    let Some(id) = message.slave.id.as_ref().map(AgentId::from) else { return };
    // The message is a retry, or a change of the agent's registration is in progress. The agent will try again.
    if state.registry.is_reregistering(&id) || registry_is_full(&state.config, &state.registry) {
        return;
    }
    if is_being_removed_or_gone(&state.registry, cx, &id, &from) {
        return;
    }
    if let Err(reason) = validation::agent_message::validate_reregister(&message) {
        return tracing::warn!(agent = %from, %reason, "refusing the re-registration of an agent");
    }
    if is_machine_down(&state.policy, &message.slave, &from) {
        return crate::agents::shut_down_agent(cx, &from, "Machine is `DOWN`");
    }
    if !is_acceptable(&state.config, &from, message.version.as_deref(), &message.slave) {
        return;
    }
    upgrade(&mut message.slave.resources);
    let Some(agent) = state.agents.get(id.as_str()) else { return readmit(state, cx, id, from, message) };
    if agent.snapshot().pid.address.ip() != from.address.ip()
        || agent.snapshot().info.hostname != message.slave.hostname
    {
        return crate::agents::shut_down_agent(cx, &from, "Agent attempted to reregister with different IP / hostname");
    }
    if *agent.snapshot().info == message.slave {
        return reregistered(state, cx, from, *message);
    }
    state.registry.begin_reregistration(id);
    let operation = RegistryOperation::UpdateAgent(Arc::new(message.slave.clone()), from.clone());
    store(&state.metrics, &mut state.registry, cx, operation, Continuation::Update { from, message });
}

/// Continues the re-registration of a registered agent: its process restarted, or it missed the master.
pub(crate) fn reregistered(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    message: internal::ReregisterSlaveMessage,
) {
    let Some(id) = message.slave.id.as_ref().map(AgentId::from) else { return };
    state.registry.end_reregistration(&id);
    if is_being_removed_or_gone(&state.registry, cx, &id, &from) {
        return;
    }
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    let Some(total) = total_of(&message.slave.resources, &message.checkpointed_resources) else {
        return crate::agents::shut_down_agent(cx, &from, "Agent reregistered with invalid resources");
    };
    // The report may describe the time before operations that are in progress, which the agent will soon receive, or
    // before operations that have ended.
    let keeps_total = has_pending_operations(&state.operations, &id) || is_repeated_registration(agent, &message);
    let (total, total_in_doubt) = if keeps_total {
        let other = *agent.snapshot().info != message.slave;
        (agent.snapshot().total.non_revocable(), agent.is_total_in_doubt() || other)
    } else {
        (total, false)
    };
    let before = agent.snapshot().pid.address;
    let info = state.registry.described(&id, message.slave.clone());
    state.agents.rename(id.as_str(), from.clone());
    relink(&mut state.links, cx, before, from.address);

    let mut changed = false;
    if let Some(agent) = state.agents.get_mut(id.as_str()) {
        let capabilities = capability_numbers(&message.agent_capabilities);
        let total = total + agent.snapshot().total.revocable();
        changed = total != agent.snapshot().total;
        let total_unconfirmed = changed && agent.snapshot().connected;
        agent.set_total(&state.metrics, total);
        agent.reregister(Reregistration {
            info,
            version: message.version.clone().unwrap_or_default(),
            capabilities,
            resource_version: message.resource_version_uuid.clone(),
            total_in_doubt,
            total_unconfirmed,
            at: cx.now.wall,
        });
    }
    if changed {
        // Offered resources may not exist any more.
        rescind_offers_of_agent(state, cx, &id);
    }
    allocator_update_agent(&mut state.allocator, &state.agents, &id);
    reconcile_agent(state, cx, &id, &from, &message);
    agent_reconnected(state, cx, &id);
    if let Some(agent) = state.agents.get(id.as_str()) {
        cx.publish(Change::AgentUpdated(agent.snapshot().clone()));
    }
    send_framework_updates(state, cx, &from, &message.frameworks);
    send_checkpointed_resources(&state.agents, cx, &id);
    send_drain(&state.agents, cx, &id);
    check_drained(state, cx, &id);
}

fn relink(links: &mut Links, cx: &mut Context<'_>, before: std::net::SocketAddrV4, now: std::net::SocketAddrV4) {
    if before == now {
        if links.renew(now) {
            cx.link(now);
        }
        return;
    }
    if links.acquire(now) {
        cx.link(now);
    }
    if links.release(before) {
        cx.unlink(before);
    }
}

fn agent_reconnected(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = state.agents.get_mut(id.as_str()).filter(|agent| !agent.snapshot().connected) else { return };
    let change = agent.reconnect(state.monitor.holds(id));
    cx.disarm(Timer::AgentReregister(id.clone()));
    state.metrics.slaves_connected.increment();
    state.metrics.slaves_disconnected.decrement();
    if let Some(change) = change {
        change.apply(&state.metrics, &mut state.allocator, id);
    }
    observe(state, cx, failures::Event::AgentReconnected(id.clone()));
}

/// Compares the agent's tasks and executors with the master's. The response asks about tasks that the agent does not
/// know. Executors that the agent does not know are removed, and kills that it may have missed are repeated.
fn reconcile_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    pid: &Upid,
    message: &internal::ReregisterSlaveMessage,
) {
    let listed: BTreeSet<(&str, &str)> =
        message.tasks.iter().map(|t| (t.framework_id.value.as_str(), t.task_id.value.as_str())).collect();
    cx.send(
        pid,
        internal::SlaveReregisteredMessage {
            slave_id: id.to_proto(),
            reconciliations: missing_tasks(&state.frameworks, &state.tasks, cx, id, &listed),
            connection: Some(connection(&state.config)),
        },
    );
    let executors: BTreeSet<(&str, &str)> = message
        .executor_infos
        .iter()
        .map(|e| (e.framework_id.as_ref().map_or("", |f| f.value.as_str()), e.executor_id.value.as_str()))
        .collect();
    for (framework, executor) in executors_of_agent(&state.tasks, id) {
        if !executors.contains(&(framework.as_str(), executor.as_str())) {
            remove_executor(state, cx, id, &framework, &executor);
        }
    }
    let mut completed = BTreeSet::new();
    for task in &message.tasks {
        let framework = state.frameworks.get(&task.framework_id.value);
        let known = state.tasks.get(&task.framework_id.value, &task.task_id.value);
        if known.is_some_and(Task::is_kill_requested) && !model::is_terminal(task::state_of(task)) {
            cx.send(
                pid,
                internal::KillTaskMessage {
                    framework_id: task.framework_id.clone(),
                    task_id: task.task_id.clone(),
                    kill_policy: None,
                },
            );
        }
        if framework.is_none() && state.frameworks.is_completed(&task.framework_id.value) {
            completed.insert(task.framework_id.value.as_str());
        }
    }
    for framework in completed {
        let framework_id = v1::FrameworkId { value: framework.to_owned() };
        cx.send(pid, internal::ShutdownFrameworkMessage { framework_id });
    }
}

fn missing_tasks(
    frameworks: &Frameworks,
    tasks: &Tasks,
    cx: &Context<'_>,
    id: &AgentId,
    listed: &BTreeSet<(&str, &str)>,
) -> Vec<internal::ReconcileTasksMessage> {
    let mut missing = Vec::new();
    for (framework_id, usage) in tasks.on_agent(id.as_str()) {
        let Some(framework) = frameworks.get(framework_id.as_str()) else { continue };
        let statuses: Vec<v1::TaskStatus> = usage
            .task_ids()
            .filter(|task| !listed.contains(&(framework_id.as_str(), task.as_str())))
            .filter_map(|task| tasks.get(framework_id.as_str(), task.as_str()))
            .map(|task| {
                let reason = v1::task_status::Reason::Reconciliation;
                let asked = MasterGenerated::new(task.forwarded_state(), reason, "Reconciliation request");
                asked.status_of(task.snapshot().id().to_proto(), Some(id.to_proto()), cx.now.wall)
            })
            .collect();
        if !statuses.is_empty() {
            missing.push(internal::ReconcileTasksMessage {
                framework_id: framework_id.to_proto(),
                statuses,
                framework: Some(Box::new(framework.info().clone())),
            });
        }
    }
    missing
}

fn executors_of_agent(tasks: &Tasks, id: &AgentId) -> Vec<(FrameworkId, ExecutorId)> {
    let of = |(framework, usage): (&FrameworkId, &AgentUsage)| {
        usage.executors().map(|(executor, _)| (framework.clone(), executor.clone())).collect::<Vec<_>>()
    };
    tasks.on_agent(id.as_str()).flat_map(of).collect()
}

/// Sends the addresses of the schedulers of the agent's frameworks. Frameworks that the master does not know are
/// recovered.
pub(crate) fn send_framework_updates(state: &mut State, cx: &mut Context<'_>, pid: &Upid, infos: &[v1::FrameworkInfo]) {
    for info in infos {
        let Some(id) = &info.id else { continue };
        if state.frameworks.is_completed(&id.value) {
            continue;
        }
        match state.frameworks.get(&id.value) {
            Some(framework) if !framework.snapshot().recovered => {
                cx.send(pid, update_framework_message(framework));
            }
            Some(_) => {}
            None => recover_framework(state, cx, info.clone()),
        }
    }
}

/// Sends the resources to checkpoint to agents without resource providers, each time they register.
pub(crate) fn send_checkpointed_resources(agents: &Agents, cx: &mut Context<'_>, id: &AgentId) {
    let Some(agent) = agents.get(id.as_str()).filter(|a| !a.capabilities().resource_provider) else { return };
    let checkpointed = agent.snapshot().total.checkpointed();
    let resources = if agent.capabilities().reservation_refinement {
        checkpointed.to_proto()
    } else {
        crate::allocation::pre_refinement(&checkpointed)
    };
    cx.send(&agent.snapshot().pid, internal::CheckpointResourcesMessage { resources });
}

/// Handles UpdateSlaveMessage: the agent's oversubscribed resources, the version of its resources, its operations and its
/// resource providers.
pub(crate) fn update_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::UpdateSlaveMessage,
) {
    state.metrics.messages_update_slave.increment();
    if !is_process_of(&state.agents, from, &message.slave_id.value) {
        return;
    }
    let oversubscribes = message.update_oversubscribed_resources.unwrap_or(true);
    let Ok(revocable) = Resources::from_proto(&message.oversubscribed_resources) else { return };
    let id = AgentId::from(&message.slave_id);
    let Some(agent) = state.agents.get_mut(id.as_str()) else { return };
    let mut stale = false;
    if let Some(version) = &message.resource_version_uuid {
        stale = agent.confirm_total(version);
        agent.set_resource_version(version.clone());
    }
    reconcile_operations_with(state, cx, &id, &message);
    if stale {
        resolve_total_in_doubt(&state.agents, &state.operations, cx, &id);
    }
    check_drained(state, cx, &id);
    let Some(agent) = state.agents.get_mut(id.as_str()) else { return };
    if !oversubscribes || agent.snapshot().total.revocable() == revocable {
        return;
    }
    let total = agent.snapshot().total.non_revocable() + revocable;
    agent.set_total(&state.metrics, total);
    let offers = state.offers.of_agent(id.as_str());
    cx.publish(Change::AgentUpdated(agent.snapshot().clone()));
    allocator_update_agent(&mut state.allocator, &state.agents, &id);
    for offer in offers {
        if state.offers.get(offer.as_str()).is_some_and(|offer| !offer.resources.revocable().is_empty()) {
            rescind_offer(state, cx, offer.as_str());
        }
    }
}

/// Returns the status of a task in the state that was last forwarded to its framework, with the details of its last
/// status. Later states follow as updates: if they were sent here, the task would seem to go back.
pub(crate) fn current_status(
    task: &TaskSnapshot,
    message: &str,
    reason: v1::task_status::Reason,
    cx: &Context<'_>,
) -> v1::TaskStatus {
    let mut status = MasterGenerated::new(task.forwarded_state(), reason, message).status(task, cx.now.wall);
    if let Some(last) = task.last_status() {
        status.healthy = last.healthy;
        status.check_status = last.check_status;
        status.container_status = last.container_status;
    }
    status
}

//! Finding a master, registering with it, and noticing that it is lost.

use std::net::SocketAddrV4;

use messages::internal::update_slave_message::Operations;
use messages::{internal, v1};
use model::agent::Change;
use model::{FrameworkId, TaskId, Upid};
use resources::Resources;

use crate::config::Config;
use crate::effects::{Context, Record, Timer};
use crate::frameworks::framework::dropped_state;
use crate::frameworks::index::Frameworks;
use crate::operations::deferred_messages::DeferredMessages;
use crate::operations::status;
use crate::pending_writes::Continuation;
use crate::registration::master_connection::MasterConnection;
use crate::registration::terminate;
use crate::state::State;
use crate::updates::status_update;
use crate::updates::status_update::AgentGenerated;
use crate::updates::status_update_manager::StatusUpdateManager;

pub(crate) fn master_detected(state: &mut State, cx: &mut Context<'_>, master: Option<Box<v1::MasterInfo>>) {
    // A registration contains what runs here, which is only known when the executors have reconnected.
    let Some(master) = state.executor_recovery.defer_master(master) else { return };
    let before = state.master.pid().map(|pid| pid.address);
    state.master.set_leader(master);
    let after = state.master.pid().map(|pid| pid.address);
    if let Some(address) = before.filter(|address| Some(*address) != after) {
        cx.unlink(address);
    }
    match state.master.pid() {
        Some(pid) => tracing::info!("new master detected at {pid}"),
        None => tracing::info!("lost the leading master"),
    }
    disconnect(state, cx);
}

/// Ends the connection to the master, and registers (again) with the present leader.
pub(crate) fn disconnect(state: &mut State, cx: &mut Context<'_>) {
    state.identity.renew_resource_version(&mut state.random);
    state.master.disconnected();
    state.metrics.registered.set(0);
    for (framework, task) in state.status_updates.pause() {
        cx.disarm(Timer::UpdateRetry(framework, task));
    }
    status::pause_operations(&mut state.operation_status_updates, cx);
    state.deferred_messages.clear();
    cx.disarm(Timer::Register);
    cx.disarm(Timer::PingTimeout);
    publish_agent(state, cx);
    if state.master.pid().is_some() && state.master.is_disconnected() {
        let wait = state.master.first_wait(state.config.registration_backoff_factor, &mut state.random);
        cx.arm_after(Timer::Register, wait);
    }
}

pub(crate) fn register(state: &mut State, cx: &mut Context<'_>) {
    let Some(master) = state.master.pid().cloned() else { return };
    if !state.master.is_disconnected() {
        return;
    }
    cx.link(master.address);
    report_silence(&state.config, &state.master, &master);
    // The operations in a registration must be true after a crash as well, and become durable shortly.
    if state.operations_are_durable() {
        if state.identity.info().id.is_none() {
            cx.send(&master, register_message(state));
        } else {
            cx.send(&master, reregister_message(state));
        }
        state.master.registration_sent();
    }
    let wait = state.master.next_wait(&mut state.random);
    cx.arm_after(Timer::Register, wait);
}

/// Reports missing answers. A master does not answer an agent that it refuses (as in Mesos), and only its own log has
/// the reason; but an operator reads the agent's log first.
fn report_silence(config: &Config, master: &MasterConnection, pid: &Upid) {
    if let Some(count) = master.silence() {
        let hint = refusal_hint(config.domain.as_ref());
        tracing::warn!("the master at {pid} has not answered {count} registrations: {hint}");
    }
}

/// Returns the reason for which a master would refuse an agent with this domain without an answer
/// (`Master::registerSlave` in Mesos).
fn refusal_hint(domain: Option<&v1::DomainInfo>) -> &'static str {
    match domain {
        Some(_) => {
            "either it cannot be reached, or it refuses this agent because of its --domain, which only a master with a \
             --domain of its own accepts; the master's log says which"
        }
        None => {
            "either it cannot be reached, or it refuses this agent, as a master with --require_agent_domain does with \
             agents without --domain; the master's log says which"
        }
    }
}

fn register_message(state: &State) -> internal::RegisterSlaveMessage {
    internal::RegisterSlaveMessage {
        slave: (**state.identity.info()).clone(),
        version: Some(state.config.version.clone()),
        checkpointed_resources: state.agent_resources.checkpointed(),
        agent_capabilities: capabilities(&state.config),
        resource_version_uuid: Some(state.identity.resource_version()),
    }
}

/// Returns a task in the state that was forwarded to its framework: updates from the time without a master are
/// forwarded next. A master that was sent the latest state would answer a reconciliation with the end of the task, and
/// forward its beginning later (as Mesos does). A state that is not durable is not sent: if it were lost in a crash,
/// the framework would have been told of an end that never happened.
fn as_forwarded(
    status_updates: &StatusUpdateManager,
    framework: &FrameworkId,
    id: &TaskId,
    task: &v1::Task,
) -> v1::Task {
    let mut task = task.clone();
    if let Some(durable) = status_updates.durable_state(framework, id) {
        task.state = durable as i32;
    }
    if let Some(next) = status_updates.next(framework, id) {
        task.status_update_state = Some(next.status.state);
        task.status_update_uuid.clone_from(&next.uuid);
    }
    task
}

/// Returns a re-registration with everything that a new master needs to know, since it keeps no tasks on its disk.
fn reregister_message(state: &State) -> internal::ReregisterSlaveMessage {
    let mut message = internal::ReregisterSlaveMessage {
        slave: (**state.identity.info()).clone(),
        version: Some(state.config.version.clone()),
        checkpointed_resources: state.agent_resources.checkpointed(),
        agent_capabilities: capabilities(&state.config),
        resource_version_uuid: Some(state.identity.resource_version()),
        ..Default::default()
    };
    for framework in state.frameworks.iter() {
        message.frameworks.push((*framework.snapshot().info).clone());
        for executor in framework.executors() {
            message.tasks.extend(
                executor
                    .tasks()
                    .iter()
                    .map(|(id, task)| as_forwarded(&state.status_updates, &framework.snapshot().id, id, task)),
            );
            // The master generates the executors of commands by itself.
            if !executor.is_command_task() && !executor.is_terminated() {
                message.executor_infos.push((**executor.info()).clone());
            }
        }
    }
    message
}

pub(crate) fn registered(state: &mut State, cx: &mut Context<'_>, message: internal::SlaveRegisteredMessage) {
    if state.master.is_terminating() {
        return;
    }
    match state.master.is_registered() {
        false => {
            // A repeated registration is answered with the id that was assigned first; another one means that two
            // agents use one identity, and neither may continue.
            if state.identity.info().id.as_ref().is_some_and(|id| *id != message.slave_id) {
                return terminate::wrong_id(&state.identity, cx, &message.slave_id);
            }
            state.identity.set_id(message.slave_id);
            tracing::info!("registered as {}", state.identity.proto().value);
            connect(state, cx, message.connection);
            let record = Record::AgentInfo(state.identity.info().clone());
            state.pending_writes.store_then(cx, record, Continuation::AgentInfo);
        }
        true if !state.identity.is(&message.slave_id) => terminate::wrong_id(&state.identity, cx, &message.slave_id),
        true => update_slave(state, cx),
    }
}

pub(crate) fn reregistered(state: &mut State, cx: &mut Context<'_>, message: internal::SlaveReregisteredMessage) {
    if state.identity.proto() != message.slave_id {
        return terminate::wrong_id(&state.identity, cx, &message.slave_id);
    }
    if state.master.is_terminating() {
        return;
    }
    if state.master.is_disconnected() {
        tracing::info!("re-registered as {}", state.identity.proto().value);
        connect(state, cx, message.connection);
    }
    let missing: Vec<_> = message
        .reconciliations
        .iter()
        .map(|asked| missing_tasks(&state.deferred_messages, &state.frameworks, &state.status_updates, asked))
        .collect();
    if missing.iter().any(|(_, tasks, _)| !tasks.is_empty()) {
        // The master is about to report them as dropped, so they must not arrive afterwards.
        state.identity.renew_resource_version(&mut state.random);
    }
    update_slave(state, cx);
    for (framework, tasks, dropped) in missing {
        for task in tasks {
            let report = AgentGenerated {
                state: dropped,
                reason: v1::task_status::Reason::Reconciliation,
                message: "Reconciliation: task unknown to the agent".to_owned(),
                limitation: Vec::new(),
            };
            status_update::send_generated_for_unknown_task(state, cx, &framework, &task, report);
        }
    }
}

fn connect(state: &mut State, cx: &mut Context<'_>, connection: Option<internal::MasterSlaveConnection>) {
    state.master.registered(connection.and_then(|connection| connection.total_ping_timeout_seconds));
    state.metrics.registered.set(1);
    cx.disarm(Timer::Register);
    cx.arm_after(Timer::PingTimeout, state.master.ping_timeout());
    publish_agent(state, cx);
    for (framework, task) in state.status_updates.resume() {
        status_update::forward_next(state, cx, &framework, &task);
    }
}

/// Sends the master what its registration does not contain: the version of the resources, operations, and
/// oversubscribed resources.
pub(crate) fn update_slave(state: &mut State, cx: &mut Context<'_>) {
    let Some(master) = state.master.pid().cloned() else { return };
    let oversubscribed = state.oversubscription.total();
    let message = internal::UpdateSlaveMessage {
        slave_id: state.identity.proto(),
        update_oversubscribed_resources: Some(oversubscribed.is_some()),
        oversubscribed_resources: oversubscribed.map(Resources::to_proto).unwrap_or_default(),
        resource_version_uuid: Some(state.identity.resource_version()),
        operations: Some(Box::new(Operations { operations: state.operation_status_updates.report() })),
        resource_providers: Some(Box::default()),
    };
    cx.send(&master, message);
    status::resume_operations(state, cx);
}

/// Handles tasks that the master expects here and this agent did not list: they have never arrived. Their updates
/// follow.
fn missing_tasks(
    deferred_messages: &DeferredMessages,
    frameworks: &Frameworks,
    status_updates: &StatusUpdateManager,
    message: &internal::ReconcileTasksMessage,
) -> (FrameworkId, Vec<TaskId>, v1::TaskState) {
    let framework = FrameworkId::from(&message.framework_id);
    let is_missing = |task: &TaskId| {
        !frameworks.has_task(&framework, task)
            && !status_updates.has(&framework, task)
            && !deferred_messages.has_task(framework.as_str(), task.as_str())
    };
    let tasks = message.statuses.iter().map(|status| TaskId::from(&status.task_id)).filter(is_missing).collect();
    let dropped = message.framework.as_deref().map_or(v1::TaskState::TaskLost, dropped_state);
    (framework, tasks, dropped)
}

/// Answers a ping. It comes from the master's observer of this agent, and the pong is sent to it.
pub(crate) fn ping(state: &mut State, cx: &mut Context<'_>, from: &Upid, connected: bool) {
    cx.send(from, internal::PongSlaveMessage {});
    if !state.master.is_registered() {
        return;
    }
    if connected {
        cx.arm_after(Timer::PingTimeout, state.master.ping_timeout());
    } else {
        tracing::warn!("the master has lost the connection to this agent: registering again");
        disconnect(state, cx);
    }
}

pub(crate) fn ping_timeout(state: &mut State, cx: &mut Context<'_>) {
    if state.master.is_registered() {
        tracing::warn!("no ping from the master in {:?}: registering again", state.master.ping_timeout());
        disconnect(state, cx);
    }
}

/// Handles the end of the link to the master. A Mesos agent waits for the ping timeout here, which costs up to 75 s
/// after each restart of a standalone master. Registering again at once is harmless: the broken link disconnects the
/// agent at the master as well.
pub(crate) fn master_link_broken(state: &mut State, cx: &mut Context<'_>, address: SocketAddrV4) {
    if state.master.is_registered() && state.master.pid().is_some_and(|pid| pid.address == address) {
        tracing::warn!("the link to the master broke: registering again");
        disconnect(state, cx);
    }
}

pub(crate) fn publish_agent(state: &State, cx: &mut Context<'_>) {
    let change = Change::Agent {
        info: state.identity.info().clone(),
        total: state.agent_resources.total().clone(),
        master: state.master.info().cloned().map(Box::new),
        registered: state.master.is_registered(),
        draining: state.drain.snapshot(),
    };
    cx.publish(change);
}

fn capabilities(config: &Config) -> Vec<v1::agent_info::Capability> {
    let of = |kind: &v1::agent_info::capability::Type| v1::agent_info::Capability { r#type: Some(*kind as i32) };
    config.capabilities.iter().map(of).collect()
}

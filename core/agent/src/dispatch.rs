//! The module that decides about each input.

use machine::PeerMessage;
use messages::Message;

use crate::containers::events;
use crate::containers::nested::{calls, events as nested_events};
use crate::draining::emptying;
use crate::effects::{Command, Context, Timer};
use crate::executors::{driver, http};
use crate::frameworks::update_framework;
use crate::input::Input;
use crate::operations::deferred_messages::Deferred;
use crate::operations::{apply, status};
use crate::pending_writes::Continuation;
use crate::recovery::reconnect;
use crate::registration::{register, terminate};
use crate::state::State;
use crate::tasks::{kill, launch};
use crate::updates::status_update;
use crate::usage::{agent_usage, estimator};

/// Calls the module that decides about an input.
pub(crate) fn input(state: &mut State, cx: &mut Context<'_>, input: Input) {
    match input {
        Input::MasterDetected(master) => register::master_detected(state, cx, master),
        Input::Message(peer_message) => message(state, cx, peer_message),
        Input::Exited(address) => register::master_link_broken(state, cx, address),
        Input::ExecutorSubscribe(subscribe) => http::executor_subscribes(state, cx, subscribe),
        Input::ExecutorCall(call) => http::executor_calls(state, cx, call),
        Input::StreamClosed(stream) => state.frameworks.stream_closed(stream),
        Input::ContainerCall(call) => calls::container_call(state, cx, call),
        Input::WaitAbandoned { container, reply } => calls::wait_abandoned(state, cx, &container, reply),
        Input::SessionEnded(container) => nested_events::session_ended(state, cx, &container),
        Input::Container(event) => events::container_event(state, cx, event),
        Input::Timer(timer) => fired(state, cx, timer),
        Input::Stored(token) => {
            if let Some(continuation) = state.pending_writes.take_continuation(token) {
                continue_after_write(state, cx, continuation);
            }
        }
        // Containers continue to run, and the next process, with a working disk, recovers them.
        Input::StoreFailed(reason) => cx.command(Command::Terminate(reason)),
        Input::DiskUsage(usage) => state.gc.disk_usage(cx, usage),
        Input::Volumes { number, failed } => apply::volumes_ready(state, cx, number, failed),
        Input::Usage { due, usage } => estimator::usage_measured(state, cx, &due, usage),
        Input::Unregister => terminate::unregister(state, cx),
    }
    reconnect::finish_recovery_if_done(state, cx);
}

fn message(state: &mut State, cx: &mut Context<'_>, PeerMessage { from, message, .. }: PeerMessage) {
    match message {
        // Frameworks send to executors and acknowledge directly, pings come from the master's observer, and executors
        // are no master: their handlers check the senders.
        Message::PingSlave(ping) => register::ping(state, cx, &from, ping.connected),
        Message::FrameworkToExecutor(message) => {
            http::framework_message(&state.frameworks, &state.master, &state.metrics, cx, *message)
        }
        Message::StatusUpdateAcknowledgement(message) => status_update::acknowledgement(state, cx, &from, *message),
        Message::RegisterExecutor(message) => driver::driver_registers(state, cx, from, *message),
        Message::ReregisterExecutor(message) => driver::driver_reregisters(state, cx, from, *message),
        Message::StatusUpdate(message) => driver::driver_updates(state, cx, from, *message),
        Message::ExecutorToFramework(message) => driver::driver_messages(state, cx, *message),
        Message::ApplyOperation(message) if state.master.leads(&from) && state.identity.id().is_none() => {
            apply::ignore_before_registration(state, &message);
        }
        message if state.master.leads(&from) => handle_or_defer(state, cx, message),
        message => tracing::warn!("ignoring {} from {from}: not the leading master", message.name()),
    }
}

/// Defers a message that depends on resources which change now, or handles it.
fn handle_or_defer(state: &mut State, cx: &mut Context<'_>, message: Message) {
    if state.agent_resources.transition().is_none() {
        return master_message(state, cx, message);
    }
    match state.deferred_messages.defer(message) {
        Err(message) => master_message(state, cx, message),
        Ok(Deferred::Queued) => {}
        Ok(Deferred::TooMany) => {
            tracing::error!("too many messages wait for volumes to be ready: registering again");
            register::disconnect(state, cx);
        }
    }
}

/// Calls the module that decides about a message of the leading master.
pub(crate) fn master_message(state: &mut State, cx: &mut Context<'_>, message: Message) {
    match message {
        Message::SlaveRegistered(message) => register::registered(state, cx, *message),
        Message::SlaveReregistered(message) => register::reregistered(state, cx, *message),
        Message::RunTask(message) => launch::run_task(state, cx, *message),
        Message::RunTaskGroup(message) => launch::run_task_group(state, cx, *message),
        Message::KillTask(message) => kill::kill_task(state, cx, *message),
        Message::ShutdownExecutor(message) => kill::shutdown_executor(state, cx, *message),
        Message::ShutdownFramework(message) => kill::shutdown_framework(state, cx, &(&message.framework_id).into()),
        Message::UpdateFramework(message) => update_framework::update_framework(state, cx, *message),
        Message::Shutdown(message) => terminate::shutdown(state, cx, message.message.as_deref()),
        Message::DrainSlave(message) => emptying::drain(state, cx, message.config),
        Message::ApplyOperation(message) => apply::apply_operation(state, cx, *message),
        Message::CheckpointResources(message) => apply::checkpoint_resources(state, cx, &message),
        Message::AcknowledgeOperationStatus(message) => status::operation_acknowledged(state, cx, &message),
        Message::ReconcileOperations(message) => status::reconcile_operations(state, cx, *message),
        message => tracing::warn!("ignoring {}: an agent has no use for it", message.name()),
    }
}

fn fired(state: &mut State, cx: &mut Context<'_>, timer: Timer) {
    match timer {
        Timer::Register => register::register(state, cx),
        Timer::PingTimeout => register::ping_timeout(state, cx),
        Timer::ExecutorRegistration(container) => {
            events::executor_registration_timeout(&mut state.frameworks, &state.config, &state.metrics, cx, &container)
        }
        Timer::ExecutorShutdown(container) => events::executor_shutdown_timeout(&state.frameworks, cx, &container),
        Timer::ExecutorHeartbeat => state.heartbeats.due(&state.frameworks, cx),
        Timer::UpdateRetry(framework, task) => status_update::retry_update(state, cx, &framework, &task),
        Timer::OperationRetry(operation) => status::retry_operation(state, cx, operation),
        Timer::Oversubscription => estimator::estimate_due(state, cx),
        Timer::QosCorrection => cx.command(Command::Measure(timer)),
        Timer::ExecutorReregistration => reconnect::reregister_executor_timeout(state, cx),
        Timer::ExecutorReconnect => {
            reconnect::send_reconnect_executor(&state.config, &state.executor_recovery, &state.identity, cx)
        }
        Timer::Gc => state.gc.collect(cx),
        Timer::DiskWatch => agent_usage::disk_watch_due(&state.config, &state.master, cx),
    }
}

fn continue_after_write(state: &mut State, cx: &mut Context<'_>, continuation: Continuation) {
    match continuation {
        Continuation::AgentInfo => register::update_slave(state, cx),
        Continuation::Batch { framework, executor, container, number } => {
            launch::batch_stored(state, cx, &framework, &executor, &container, number);
        }
        Continuation::Transition => apply::change_volumes(&state.agent_resources, cx),
        Continuation::Resources { operation } => apply::resources_stored(state, cx, operation),
        Continuation::Update { framework, task, uuid } => {
            status_update::update_stored(state, cx, &framework, &task, &uuid);
        }
        Continuation::Acknowledged { framework, task } => {
            status_update::acknowledgement_stored(state, cx, &framework, &task);
        }
    }
}

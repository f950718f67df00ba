//! Executors over HTTP: the v1 executor API, after the edge's checks.

use machine::{CallResponse, Status};
use messages::internal;
use messages::v1::TaskState;
use messages::v1::executor::{Call, call, event};
use messages::v1::task_status::Reason;
use model::agent::ExecutorState;
use model::{ExecutorId, FrameworkId, ReplyId, StreamId, TaskId};

use crate::effects::{Context, Timer};
use crate::executors::messages::event;
use crate::frameworks::index::Frameworks;
use crate::frameworks::task::task_state;
use crate::input::{ExecutorCall, ExecutorSubscribe};
use crate::registration::master_connection::MasterConnection;
use crate::state::State;
use crate::tasks::{kill, launch};
use crate::updates::status_update;
use crate::updates::status_update::{AgentGenerated, UpdateRejected};
use crate::updates::status_update_manager::Origin;
use model::agent::Metrics;

pub(crate) fn executor_subscribes(state: &mut State, cx: &mut Context<'_>, subscribe: ExecutorSubscribe) {
    let ExecutorSubscribe { reply, stream, call, caller: _ } = subscribe;
    let (framework, id) = match caller_of(&state.frameworks, &call) {
        Ok(found) => found,
        Err(answer) => return respond(cx, reply, answer),
    };
    respond(cx, reply, CallResponse::ok());
    let accepted = !state.master.is_terminating()
        && state.frameworks.get(&framework).is_some_and(|f| !f.is_terminating())
        && state.frameworks.executor(&framework, &id).is_some_and(|e| e.is_live());
    if !accepted {
        let event = std::sync::Arc::new(event(event::Type::Shutdown));
        cx.event(stream, event);
        cx.close_stream(stream);
        return;
    }
    adopt_stream(state, cx, &framework, &id, stream);
    let (unacknowledged_updates, unacknowledged_tasks) =
        call.subscribe.map(|s| (s.unacknowledged_updates, s.unacknowledged_tasks)).unwrap_or_default();
    for call::Update { status } in unacknowledged_updates {
        let update = status_update::http_update(state, cx, &framework, status);
        if let Err(refused) = status_update::status_update(state, cx, update, Origin::Http) {
            tracing::warn!("dropped an unacknowledged update of executor {id:?}: {refused}");
        }
    }
    let held: Vec<TaskId> = unacknowledged_tasks.iter().map(|task| TaskId::from(&task.task_id)).collect();
    drop_undelivered(state, cx, &framework, &id, &held);
    if state.frameworks.executor(&framework, &id).is_some_and(|e| e.is_live()) {
        complete_subscription(state, cx, &framework, &id);
    }
}

/// Sends the executor's events to this stream from now on, and no longer to an older one.
fn adopt_stream(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId, stream: StreamId) {
    if let Some(old) = state.frameworks.connect_stream(framework, id, stream) {
        cx.close_stream(old);
    }
    let Some(executor) = state.frameworks.executor_mut(framework, id) else { return };
    executor.enter(ExecutorState::Running, &state.metrics);
    cx.disarm(Timer::ExecutorRegistration(executor.container().clone()));
    state.executor_recovery.record_progress(cx.now.monotonic);
    state.heartbeats.stream_opened(cx);
}

/// Drops tasks that were sent to the executor but that it does not have: they were lost on the way.
pub(crate) fn drop_undelivered(
    state: &mut State,
    cx: &mut Context<'_>,
    framework_id: &FrameworkId,
    id: &ExecutorId,
    held: &[TaskId],
) {
    let Some(framework) = state.frameworks.get(framework_id) else { return };
    let Some(executor) = framework.executor(id) else { return };
    let staging = |task: &messages::v1::Task| task_state(task.state) == TaskState::TaskStaging;
    let lost: Vec<TaskId> = executor
        .tasks()
        .iter()
        .filter(|(task, entry)| staging(entry) && !executor.is_queued(task) && !held.contains(task))
        .map(|(task, _)| task.clone())
        .collect();
    let dropped = framework.dropped_state();
    let in_vain = executor.is_command_task() && !lost.is_empty();
    for task in lost {
        let report = AgentGenerated::new(dropped, Reason::AgentRestarted, "Task launched during agent restart");
        status_update::send_generated(state, cx, framework_id, &task, Some(id), report);
    }
    if in_vain {
        // The executor has nothing to run any more; Mesos leaves it running.
        kill::end_executor(state, cx, framework_id, id);
    }
}

fn complete_subscription(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
    let Some(executor) = state.frameworks.executor(framework, id) else { return };
    if executor.has_no_work() {
        // All tasks that the executor was started for have been killed meanwhile.
        return kill::end_executor(state, cx, framework, id);
    }
    if let (Some(framework), Some(executor)) =
        (state.frameworks.get(framework), state.frameworks.executor(framework, id))
    {
        executor.subscribed(cx, framework.snapshot(), state.identity.info());
    }
    state.frameworks.publish_executor(cx, framework, id);
    launch::deliver_queued(&mut state.frameworks, &state.config, cx, framework, id);
    deliver_kills(&mut state.frameworks, cx, framework, id);
}

fn deliver_kills(frameworks: &mut Frameworks, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
    let Some(executor) = frameworks.executor_mut(framework, id) else { return };
    for (task, policy) in executor.take_kills() {
        if executor.has_live_task(&task) {
            executor.kill(cx, &task, policy);
        }
    }
}

pub(crate) fn executor_calls(state: &mut State, cx: &mut Context<'_>, ExecutorCall { reply, call, .. }: ExecutorCall) {
    let answer = executor_call(state, cx, *call);
    respond(cx, reply, answer);
}

fn executor_call(state: &mut State, cx: &mut Context<'_>, call: Call) -> CallResponse {
    let kind = call.r#type();
    if kind == call::Type::Heartbeat {
        return CallResponse::accepted();
    }
    let (framework, id) = match caller_of(&state.frameworks, &call) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if state.frameworks.executor(&framework, &id).is_some_and(|e| e.is_registering()) {
        if state.executor_recovery.is_under_way() {
            return CallResponse::new(Status::ServiceUnavailable, "Agent has not finished recovery");
        }
        return CallResponse::forbidden("Executor is not subscribed");
    }
    match (kind, call.update, call.message) {
        (call::Type::Update, Some(update), _) => {
            let update = status_update::http_update(state, cx, &framework, update.status);
            match status_update::status_update(state, cx, update, Origin::Http) {
                Err(full @ UpdateRejected::Full) => CallResponse::new(Status::ServiceUnavailable, full.to_string()),
                // Mesos accepts such an update and drops it, so executors expect no other answer.
                Err(UpdateRejected::Invalid(reason)) => {
                    tracing::warn!("dropped an update of executor {id:?}: {reason}");
                    CallResponse::accepted()
                }
                Ok(()) => CallResponse::accepted(),
            }
        }
        (call::Type::Message, _, Some(message)) => {
            executor_message(state, cx, &framework, &id, message.data);
            CallResponse::accepted()
        }
        _ => CallResponse::new(Status::NotImplemented, ""),
    }
}

fn caller_of(frameworks: &Frameworks, call: &Call) -> Result<(FrameworkId, ExecutorId), CallResponse> {
    let framework = FrameworkId::from(&call.framework_id);
    let executor = ExecutorId::from(&call.executor_id);
    let Some(known) = frameworks.get(&framework) else {
        return Err(CallResponse::bad_request("Framework cannot be found"));
    };
    // A caller from before the container was started is not that executor.
    if !known.executor(&executor).is_some_and(|e| e.is_launch_requested()) {
        return Err(CallResponse::bad_request("Executor cannot be found"));
    }
    Ok((framework, executor))
}

/// Sends a message directly to a v0 scheduler, otherwise by way of the master.
pub(crate) fn executor_message(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    executor: &ExecutorId,
    data: Vec<u8>,
) {
    let to = match state.frameworks.get(framework) {
        Some(known) if !known.is_terminating() && state.master.is_registered() => {
            known.snapshot().pid.clone().or_else(|| state.master.pid().cloned())
        }
        _ => None,
    };
    let Some(to) = to else {
        state.metrics.invalid_framework_messages.increment();
        return;
    };
    let message = internal::ExecutorToFrameworkMessage {
        slave_id: state.identity.proto(),
        framework_id: framework.to_proto(),
        executor_id: executor.to_proto(),
        data,
    };
    cx.send(&to, message);
    state.metrics.valid_framework_messages.increment();
}

/// Forwards a message from a scheduler, which comes by way of the master or directly from its driver.
pub(crate) fn framework_message(
    frameworks: &Frameworks,
    master: &MasterConnection,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    message: internal::FrameworkToExecutorMessage,
) {
    let framework = FrameworkId::from(&message.framework_id);
    let id = ExecutorId::from(&message.executor_id);
    let live = master.is_registered() && frameworks.get(&framework).is_some_and(|f| !f.is_terminating());
    let executor = frameworks.executor(&framework, &id).filter(|e| live && e.is_running());
    match executor {
        Some(executor) => {
            executor.message(cx, message);
            metrics.valid_framework_messages.increment();
        }
        None => metrics.invalid_framework_messages.increment(),
    }
}

fn respond(cx: &mut Context<'_>, reply: ReplyId, answer: CallResponse) {
    cx.reply(reply, answer);
}

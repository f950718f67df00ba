//! Executors over HTTP: the v1 executor API, after the edge's checks.

use machine::{CallResponse, Status};
use messages::internal;
use messages::v1::executor::{Call, call, event};
use model::{ExecutorId, FrameworkId, ReplyId, StreamId, TaskId, is_terminal};

use crate::agent::Agent;
use crate::effects::{Context, Timer};
use crate::executor_messages::event;
use crate::input::{ExecutorCall, ExecutorSubscribe};
use crate::registration::RegistrationState;
use crate::state::{Executor, ExecutorConnection, task_state};
use crate::status_update_manager::Origin;
use crate::updates::{AgentGenerated, UpdateRejected};
use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use model::agent::{Change, ExecutorState};

/// Mesos' `DEFAULT_EXECUTOR_HEARTBEAT_INTERVAL`.
const HEARTBEAT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30 * 60);

impl Agent {
    pub(crate) fn executor_subscribes(&mut self, cx: &mut Context<'_>, subscribe: ExecutorSubscribe) {
        let ExecutorSubscribe { reply, stream, call } = subscribe;
        let (framework, id) = match self.caller_of(&call) {
            Ok(found) => found,
            Err(answer) => return respond(cx, reply, answer),
        };
        respond(cx, reply, CallResponse::ok());
        let accepted = self.master.state != RegistrationState::Terminating
            && self.frameworks.get(&framework).is_some_and(|f| !f.terminating)
            && self.executor(&framework, &id).is_some_and(|e| e.is_live());
        if !accepted {
            let event = std::sync::Arc::new(event(event::Type::Shutdown));
            cx.event(stream, event);
            cx.close_stream(stream);
            return;
        }
        self.adopt_stream(cx, &framework, &id, stream);
        let (unacknowledged_updates, unacknowledged_tasks) =
            call.subscribe.map(|s| (s.unacknowledged_updates, s.unacknowledged_tasks)).unwrap_or_default();
        for call::Update { status } in unacknowledged_updates {
            let update = self.http_update(cx, &framework, status);
            if let Err(refused) = self.status_update(cx, update, Origin::Http) {
                tracing::warn!("dropped an unacknowledged update of executor {id:?}: {refused}");
            }
        }
        let held: Vec<TaskId> = unacknowledged_tasks.iter().map(|task| TaskId::from(&task.task_id)).collect();
        self.drop_undelivered(cx, &framework, &id, &held);
        if self.executor(&framework, &id).is_some_and(|e| e.is_live()) {
            self.complete_subscription(cx, &framework, &id);
        }
    }

    /// The executor's events go to this stream from now on, and no longer to an older one.
    fn adopt_stream(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId, stream: StreamId) {
        let Some(executor) = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id)) else { return };
        if let ExecutorConnection::Http(old) = executor.connection {
            self.http_executors.remove(&old);
            cx.close_stream(old);
        }
        executor.connection = ExecutorConnection::Http(stream);
        executor.enter(ExecutorState::Running, &self.metrics);
        cx.disarm(Timer::ExecutorRegistration(executor.container.clone()));
        self.http_executors.insert(stream, (framework.clone(), id.clone()));
        self.executor_reregistered(cx);
        if !self.heartbeat_armed {
            self.heartbeat_armed = true;
            cx.arm_after(Timer::ExecutorHeartbeat, HEARTBEAT_INTERVAL);
        }
    }

    /// Tasks that were sent to the executor but that it does not have were lost on the way.
    pub(crate) fn drop_undelivered(
        &mut self,
        cx: &mut Context<'_>,
        framework_id: &FrameworkId,
        id: &ExecutorId,
        held: &[TaskId],
    ) {
        let Some(framework) = self.frameworks.get(framework_id) else { return };
        let Some(executor) = framework.executors.get(id) else { return };
        let staging = |task: &messages::v1::Task| task_state(task.state) == TaskState::TaskStaging;
        let lost: Vec<TaskId> = executor
            .tasks
            .iter()
            .filter(|(task, entry)| staging(entry) && !executor.is_queued(task) && !held.contains(task))
            .map(|(task, _)| task.clone())
            .collect();
        let state = framework.dropped_state();
        let in_vain = executor.command_task && !lost.is_empty();
        for task in lost {
            let report = AgentGenerated::new(state, Reason::AgentRestarted, "Task launched during agent restart");
            self.send_generated(cx, framework_id, &task, Some(id), report);
        }
        if in_vain {
            // It has nothing to run any more; Mesos leaves it there.
            self.end_executor(cx, framework_id, id);
        }
    }

    fn complete_subscription(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
        let Some(executor) = self.executor(framework, id) else { return };
        if executor.has_no_work() {
            // Everything it was started for has been killed meanwhile.
            return self.end_executor(cx, framework, id);
        }
        if let (Some(framework), Some(executor)) = (self.frameworks.get(framework), self.executor(framework, id)) {
            executor.subscribed(cx, &framework.snapshot, &self.info);
        }
        self.publish_executor(cx, framework, id);
        self.deliver_queued(cx, framework, id);
        self.deliver_kills(cx, framework, id);
    }

    fn deliver_kills(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
        let Some(executor) = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id)) else { return };
        for (task, policy) in std::mem::take(&mut executor.kills) {
            if executor.tasks.get(&task).is_some_and(|entry| !is_terminal(task_state(entry.state))) {
                executor.kill(cx, &task, policy);
            }
        }
    }

    pub(crate) fn executor_calls(&mut self, cx: &mut Context<'_>, ExecutorCall { reply, call }: ExecutorCall) {
        let answer = self.executor_call(cx, *call);
        respond(cx, reply, answer);
    }

    fn executor_call(&mut self, cx: &mut Context<'_>, call: Call) -> CallResponse {
        let kind = call.r#type();
        if kind == call::Type::Heartbeat {
            return CallResponse::accepted();
        }
        let (framework, id) = match self.caller_of(&call) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        if self.executor(&framework, &id).is_some_and(|e| e.state == ExecutorState::Registering) {
            if self.recovering.is_some() {
                return CallResponse::new(Status::ServiceUnavailable, "Agent has not finished recovery");
            }
            return CallResponse::forbidden("Executor is not subscribed");
        }
        match (kind, call.update, call.message) {
            (call::Type::Update, Some(update), _) => {
                let update = self.http_update(cx, &framework, update.status);
                match self.status_update(cx, update, Origin::Http) {
                    Err(full @ UpdateRejected::Full) => CallResponse::new(Status::ServiceUnavailable, full.to_string()),
                    // Mesos accepts what it then drops; so executors expect no other answer.
                    Err(UpdateRejected::Invalid(reason)) => {
                        tracing::warn!("dropped an update of executor {id:?}: {reason}");
                        CallResponse::accepted()
                    }
                    Ok(()) => CallResponse::accepted(),
                }
            }
            (call::Type::Message, _, Some(message)) => {
                self.executor_message(cx, &framework, &id, message.data);
                CallResponse::accepted()
            }
            _ => CallResponse::new(Status::NotImplemented, ""),
        }
    }

    fn caller_of(&self, call: &Call) -> Result<(FrameworkId, ExecutorId), CallResponse> {
        let framework = FrameworkId::from(&call.framework_id);
        let executor = ExecutorId::from(&call.executor_id);
        let Some(known) = self.frameworks.get(&framework) else {
            return Err(CallResponse::bad_request("Framework cannot be found"));
        };
        // Who calls before the container was started is not that executor.
        if !known.executors.get(&executor).is_some_and(|e| e.launched_container) {
            return Err(CallResponse::bad_request("Executor cannot be found"));
        }
        Ok((framework, executor))
    }

    /// Straight to a v0 scheduler, else by way of the master.
    pub(crate) fn executor_message(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        executor: &ExecutorId,
        data: Vec<u8>,
    ) {
        let to = match self.frameworks.get(framework) {
            Some(known) if !known.terminating && self.master.is_registered() => {
                known.snapshot.pid.clone().or_else(|| self.master.pid().cloned())
            }
            _ => None,
        };
        let Some(to) = to else {
            self.metrics.invalid_framework_messages.increment();
            return;
        };
        let message = internal::ExecutorToFrameworkMessage {
            slave_id: self.agent_id(),
            framework_id: framework.to_proto(),
            executor_id: executor.to_proto(),
            data,
        };
        cx.send(&to, message);
        self.metrics.valid_framework_messages.increment();
    }

    /// From a scheduler, by way of the master or directly from its driver.
    pub(crate) fn framework_message(&mut self, cx: &mut Context<'_>, message: internal::FrameworkToExecutorMessage) {
        let framework = FrameworkId::from(&message.framework_id);
        let id = ExecutorId::from(&message.executor_id);
        let live = self.master.is_registered() && self.frameworks.get(&framework).is_some_and(|f| !f.terminating);
        let executor = self.executor(&framework, &id).filter(|e| live && e.state == ExecutorState::Running);
        match executor {
            Some(executor) => {
                executor.message(cx, message);
                self.metrics.valid_framework_messages.increment();
            }
            None => self.metrics.invalid_framework_messages.increment(),
        }
    }

    /// The executor may subscribe again; if it does not, its container's end is noticed anyway.
    pub(crate) fn stream_closed(&mut self, stream: StreamId) {
        let Some((framework, id)) = self.http_executors.remove(&stream) else { return };
        let executor = self.frameworks.get_mut(&framework).and_then(|f| f.executors.get_mut(&id));
        if let Some(executor) = executor.filter(|e| e.connection == ExecutorConnection::Http(stream)) {
            executor.connection = ExecutorConnection::None;
        }
    }

    pub(crate) fn heartbeat(&mut self, cx: &mut Context<'_>) {
        self.heartbeat_armed = !self.http_executors.is_empty();
        if !self.heartbeat_armed {
            return;
        }
        let heartbeat = std::sync::Arc::new(event(event::Type::Heartbeat));
        for stream in self.http_executors.keys() {
            cx.event(*stream, heartbeat.clone());
        }
        cx.arm_after(Timer::ExecutorHeartbeat, HEARTBEAT_INTERVAL);
    }

    pub(crate) fn executor(&self, framework: &FrameworkId, id: &ExecutorId) -> Option<&Executor> {
        self.frameworks.get(framework)?.executors.get(id)
    }

    pub(crate) fn publish_executor(&self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
        if let Some(executor) = self.executor(framework, id) {
            cx.publish(Change::ExecutorUpdated(executor.snapshot()));
        }
    }
}

fn respond(cx: &mut Context<'_>, reply: ReplyId, answer: CallResponse) {
    cx.reply(reply, answer);
}

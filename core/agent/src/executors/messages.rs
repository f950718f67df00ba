//! The messages to executors, in the protocol of each: events on its HTTP stream, or driver messages.

use std::sync::Arc;

use messages::v1::executor::{Event, event};
use messages::{internal, v1};
use model::agent::FrameworkSnapshot;
use model::{TaskId, Upid};

use crate::effects::Context;
use crate::frameworks::executor::{Batch, Executor, ExecutorConnection};

impl Executor {
    /// Sends the executor the tasks of a batch.
    pub fn deliver_batch(&self, cx: &mut Context<'_>, framework: &FrameworkSnapshot, batch: &Batch) {
        let infos = batch.tasks.iter().map(|task| (**task).clone());
        match self.connection() {
            ExecutorConnection::Http(_) if batch.group => {
                let task_group = v1::TaskGroupInfo { tasks: infos.collect() };
                let mut event = event(event::Type::LaunchGroup);
                event.launch_group = Some(Box::new(event::LaunchGroup { task_group }));
                self.event(cx, event);
            }
            ExecutorConnection::Http(_) => {
                for task in infos {
                    let mut event = event(event::Type::Launch);
                    event.launch = Some(Box::new(event::Launch { task }));
                    self.event(cx, event);
                }
            }
            // The driver protocol has no task groups.
            ExecutorConnection::Libprocess(pid) => {
                for task in infos {
                    let message = internal::RunTaskMessage {
                        framework: (*framework.info).clone(),
                        pid: Some(framework.pid.clone().unwrap_or_else(Upid::none).to_string()),
                        task,
                        ..Default::default()
                    };
                    cx.send(pid, message);
                }
            }
            ExecutorConnection::None => {}
        }
    }

    /// Sends the executor a kill of a task.
    pub fn kill(&self, cx: &mut Context<'_>, task: &TaskId, policy: Option<Box<v1::KillPolicy>>) {
        match self.connection() {
            ExecutorConnection::Libprocess(pid) => {
                let message = internal::KillTaskMessage {
                    framework_id: self.framework().to_proto(),
                    task_id: task.to_proto(),
                    kill_policy: policy,
                };
                cx.send(pid, message);
            }
            ExecutorConnection::Http(_) | ExecutorConnection::None => {
                let mut event = event(event::Type::Kill);
                event.kill = Some(Box::new(event::Kill { task_id: task.to_proto(), kill_policy: policy }));
                self.event(cx, event);
            }
        }
    }

    /// Tells the executor that an update is durable, so that it may drop it. (Drivers are answered at the address they
    /// sent from.)
    pub fn acknowledge(&self, cx: &mut Context<'_>, task: &TaskId, uuid: &[u8]) {
        let mut event = event(event::Type::Acknowledged);
        event.acknowledged = Some(Box::new(event::Acknowledged { task_id: task.to_proto(), uuid: uuid.to_vec() }));
        self.event(cx, event);
    }

    /// Sends the executor a message of its framework.
    pub fn message(&self, cx: &mut Context<'_>, message: internal::FrameworkToExecutorMessage) {
        match self.connection() {
            ExecutorConnection::Libprocess(pid) => cx.send(pid, message),
            ExecutorConnection::Http(_) | ExecutorConnection::None => {
                let mut event = event(event::Type::Message);
                event.message = Some(event::Message { data: message.data });
                self.event(cx, event);
            }
        }
    }

    /// Tells the executor to shut down.
    pub fn shut_down(&self, cx: &mut Context<'_>) {
        match self.connection() {
            ExecutorConnection::Libprocess(pid) => cx.send(pid, internal::ShutdownExecutorMessage::default()),
            ExecutorConnection::Http(_) | ExecutorConnection::None => self.event(cx, event(event::Type::Shutdown)),
        }
    }

    /// Tells the executor that it is subscribed.
    pub fn subscribed(&self, cx: &mut Context<'_>, framework: &FrameworkSnapshot, agent: &v1::AgentInfo) {
        let mut event = event(event::Type::Subscribed);
        event.subscribed = Some(Box::new(event::Subscribed {
            executor_info: (**self.info()).clone(),
            framework_info: (*framework.info).clone(),
            agent_info: agent.clone(),
            container_id: Some(Box::new(v1::ContainerId::from(self.container()))),
        }));
        self.event(cx, event);
    }

    /// Sends an event. The event is lost if the executor has no stream. Such an executor receives the current state
    /// when it subscribes again.
    pub fn event(&self, cx: &mut Context<'_>, event: Event) {
        match self.connection() {
            ExecutorConnection::Http(stream) => cx.event(*stream, Arc::new(event)),
            ExecutorConnection::Libprocess(_) | ExecutorConnection::None => {
                tracing::warn!("executor {:?} is not connected: event {:?} is lost", self.id(), event.r#type())
            }
        }
    }
}

pub(crate) fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind as i32), ..Default::default() }
}

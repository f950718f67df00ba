//! What an executor is told, in the language it speaks: events on its HTTP stream, or driver messages.

use std::sync::Arc;

use messages::v1::executor::{Event, event};
use messages::{internal, v1};
use vocabulary::{TaskId, Upid};

use crate::agent::Step;
use crate::change::FrameworkSnapshot;
use crate::outbox::Effect;
use crate::state::{Batch, Executor, Link};

impl Executor {
    pub fn deliver_batch(&self, step: &mut Step<'_>, framework: &FrameworkSnapshot, batch: &Batch) {
        let infos = batch.tasks.iter().map(|task| (**task).clone());
        match &self.link {
            Link::Http(_) if batch.group => {
                let task_group = v1::TaskGroupInfo { tasks: infos.collect() };
                let mut event = event(event::Type::LaunchGroup);
                event.launch_group = Some(Box::new(event::LaunchGroup { task_group }));
                self.event(step, event);
            }
            Link::Http(_) => {
                for task in infos {
                    let mut event = event(event::Type::Launch);
                    event.launch = Some(Box::new(event::Launch { task }));
                    self.event(step, event);
                }
            }
            // The driver protocol knows no groups.
            Link::Libprocess(pid) => {
                for task in infos {
                    let message = internal::RunTaskMessage {
                        framework: (*framework.info).clone(),
                        pid: Some(framework.pid.clone().unwrap_or_else(Upid::none).to_string()),
                        task,
                        ..Default::default()
                    };
                    step.send(pid, message);
                }
            }
            Link::None => {}
        }
    }

    pub fn kill(&self, step: &mut Step<'_>, task: &TaskId, policy: Option<Box<v1::KillPolicy>>) {
        match &self.link {
            Link::Libprocess(pid) => {
                let message = internal::KillTaskMessage {
                    framework_id: self.framework.to_proto(),
                    task_id: task.to_proto(),
                    kill_policy: policy,
                };
                step.send(pid, message);
            }
            _ => {
                let mut event = event(event::Type::Kill);
                event.kill = Some(Box::new(event::Kill { task_id: task.to_proto(), kill_policy: policy }));
                self.event(step, event);
            }
        }
    }

    /// An update is durable: the executor may forget it. (Drivers are answered at the address they wrote from.)
    pub fn acknowledge(&self, step: &mut Step<'_>, task: &TaskId, uuid: &[u8]) {
        let mut event = event(event::Type::Acknowledged);
        event.acknowledged = Some(Box::new(event::Acknowledged { task_id: task.to_proto(), uuid: uuid.to_vec() }));
        self.event(step, event);
    }

    pub fn message(&self, step: &mut Step<'_>, message: internal::FrameworkToExecutorMessage) {
        match &self.link {
            Link::Libprocess(pid) => step.send(pid, message),
            _ => {
                let mut event = event(event::Type::Message);
                event.message = Some(event::Message { data: message.data });
                self.event(step, event);
            }
        }
    }

    pub fn shut_down(&self, step: &mut Step<'_>) {
        match &self.link {
            Link::Libprocess(pid) => step.send(pid, internal::ShutdownExecutorMessage::default()),
            _ => self.event(step, event(event::Type::Shutdown)),
        }
    }

    pub fn subscribed(&self, step: &mut Step<'_>, framework: &FrameworkSnapshot, agent: &v1::AgentInfo) {
        let mut event = event(event::Type::Subscribed);
        event.subscribed = Some(Box::new(event::Subscribed {
            executor_info: (*self.info).clone(),
            framework_info: (*framework.info).clone(),
            agent_info: agent.clone(),
            container_id: Some(Box::new(v1::ContainerId::from(&self.container))),
        }));
        self.event(step, event);
    }

    /// Lost when the executor has no stream: it learns what it missed when it subscribes again.
    pub fn event(&self, step: &mut Step<'_>, event: Event) {
        match &self.link {
            Link::Http(stream) => step.out.push(Effect::Event { stream: *stream, event: Arc::new(event) }),
            _ => tracing::warn!("executor {:?} is not connected: event {:?} is lost", self.id, event.r#type()),
        }
    }
}

pub(crate) fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind as i32), ..Default::default() }
}

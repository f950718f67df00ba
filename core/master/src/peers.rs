//! The libprocess messages of agents and drivers: from which process each may come, and
//! where it goes.

use messages::v1::scheduler::call;
use messages::{Message, internal, v1};
use model::{AgentId, FrameworkId, Upid};

use crate::effects::Context;
use crate::input::PeerMessage;
use crate::master::Master;

impl Master {
    pub(crate) fn message(&mut self, cx: &mut Context<'_>, input: PeerMessage) {
        let PeerMessage { from, to, message } = input;
        match message {
            Message::PongSlave(_) => self.pong(cx, &to),

            Message::RegisterSlave(message) => self.register_agent(cx, from, message),
            Message::ReregisterSlave(message) => self.reregister_agent(cx, from, message),
            Message::UnregisterSlave(message) => {
                self.unregister_agent(cx, &from, &AgentId::from(&message.slave_id));
            }
            Message::UpdateSlave(message) => self.update_agent(cx, &from, *message),
            Message::StatusUpdate(message) => self.status_update(cx, &from, *message),
            Message::ExitedExecutor(message) => self.exited_executor(cx, &from, *message),
            Message::ExecutorToFramework(message) => self.executor_message(cx, &from, *message),
            Message::UpdateOperationStatus(message) => self.operation_status_update(cx, &from, *message),

            Message::AgentHealth(message) => self.agent_health(cx, &from, &message),

            Message::SchedulerCall(bytes) => self.driver_call(cx, &from, &bytes),
            Message::SubmitSchedulerRequest(_) => {
                cx.send(&from, internal::SubmitSchedulerResponse { okay: false });
            }
            message => self.old_driver_message(cx, &from, message),
        }
    }

    /// Messages of drivers from before there were calls; living clients still send them.
    fn old_driver_message(&mut self, cx: &mut Context<'_>, from: &Upid, message: Message) {
        match message {
            Message::RegisterFramework(message) => self.register_framework(cx, from, message.framework),
            Message::ReregisterFramework(message) => {
                self.reregister_framework(cx, from, message.framework, message.failover);
            }
            Message::UnregisterFramework(message) => {
                if let Some(id) = self.driver_of(from, &message.framework_id) {
                    self.metrics.messages_unregister_framework.increment();
                    self.remove_framework(cx, &id);
                }
            }
            Message::DeactivateFramework(message) => {
                self.metrics.messages_deactivate_framework.increment();
                if let Some(id) = self.driver_of(from, &message.framework_id) {
                    self.deactivate_framework_message(cx, &id);
                }
            }
            Message::ResourceRequest(message) => {
                if self.driver_of(from, &message.framework_id).is_some() {
                    self.metrics.messages_resource_request.increment();
                }
            }
            Message::LaunchTasks(message) => self.launch_tasks(cx, from, *message),
            Message::ReviveOffers(message) => {
                if let Some(id) = self.driver_of(from, &message.framework_id) {
                    self.revive(cx, &id, &message.roles);
                }
            }
            Message::KillTask(message) => {
                if let Some(id) = self.driver_of(from, &message.framework_id) {
                    let kill = call::Kill { task_id: message.task_id, agent_id: None, kill_policy: None };
                    self.kill(cx, &id, kill);
                }
            }
            Message::StatusUpdateAcknowledgement(message) => self.old_acknowledgement(cx, from, *message),
            Message::FrameworkToExecutor(message) => self.old_framework_message(cx, from, *message),
            Message::ReconcileTasks(message) => self.reconcile_tasks(cx, from, *message),
            // Messages that only masters send, or that belong to authentication.
            message => tracing::debug!(%from, name = message.name(), "ignoring a message not meant for a master"),
        }
    }

    /// Whether `from` is the process that registered as this agent. Mesos believes anybody what an agent would say:
    /// the end of a task, and its resources are offered while it still runs.
    pub(crate) fn is_process_of(&self, from: &Upid, agent: &str) -> bool {
        self.agents.get(agent).is_some_and(|agent| agent.state.pid == *from)
    }

    fn driver_of(&self, from: &Upid, id: &v1::FrameworkId) -> Option<FrameworkId> {
        let framework = self.frameworks.get(&id.value)?;
        (framework.driver() == Some(from)).then(|| framework.id().clone())
    }

    fn launch_tasks(&mut self, cx: &mut Context<'_>, from: &Upid, message: internal::LaunchTasksMessage) {
        use v1::offer::{Operation, operation};
        let Some(id) = self.driver_of(from, &message.framework_id) else { return };
        let internal::LaunchTasksMessage { tasks, filters, offer_ids, .. } = message;
        let filters = Some(filters);
        if tasks.is_empty() {
            return self.decline(cx, &id, &call::Decline { offer_ids, filters });
        }
        let launch = Operation {
            r#type: Some(operation::Type::Launch as i32),
            launch: Some(Box::new(operation::Launch { task_infos: tasks })),
            ..Default::default()
        };
        self.accept(cx, &id, call::Accept { offer_ids, operations: vec![launch], filters });
    }

    fn old_acknowledgement(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        message: internal::StatusUpdateAcknowledgementMessage,
    ) {
        match self
            .driver_of(from, &message.framework_id)
            .filter(|_| validation::ids::validate_uuid(&message.uuid).is_ok())
        {
            Some(id) => {
                let internal::StatusUpdateAcknowledgementMessage { slave_id, task_id, uuid, .. } = message;
                self.acknowledge(cx, &id, call::Acknowledge { agent_id: slave_id, task_id, uuid });
            }
            None => self.metrics.invalid_status_update_acknowledgements.increment(),
        }
    }

    fn old_framework_message(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        message: internal::FrameworkToExecutorMessage,
    ) {
        match self.driver_of(from, &message.framework_id) {
            Some(id) => {
                let internal::FrameworkToExecutorMessage { slave_id, executor_id, data, .. } = message;
                self.framework_message(cx, &id, call::Message { agent_id: slave_id, executor_id, data });
            }
            None => self.metrics.invalid_framework_to_executor_messages.increment(),
        }
    }

    fn reconcile_tasks(&mut self, cx: &mut Context<'_>, from: &Upid, message: internal::ReconcileTasksMessage) {
        let Some(id) = self.driver_of(from, &message.framework_id) else { return };
        let asked =
            |status: v1::TaskStatus| call::reconcile::Task { task_id: status.task_id, agent_id: status.agent_id };
        self.reconcile(cx, &id, call::Reconcile { tasks: message.statuses.into_iter().map(asked).collect() });
    }
}

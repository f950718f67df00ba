//! Executors over libprocess: the v0 driver protocol.

use messages::internal;
use model::{ExecutorId, FrameworkId, TaskId, Upid};

use crate::agent::Agent;
use crate::effects::{Context, Record, Timer};
use crate::registration::RegistrationState;
use crate::state::ExecutorConnection;
use crate::status_update_manager::Origin;
use model::agent::ExecutorState;

impl Agent {
    pub(crate) fn driver_registers(
        &mut self,
        cx: &mut Context<'_>,
        from: Upid,
        message: internal::RegisterExecutorMessage,
    ) {
        let framework = FrameworkId::from(&message.framework_id);
        let id = ExecutorId::from(&message.executor_id);
        if self.recovering.is_some() {
            // Its tasks were never given to it, and have been reported by the time it could have them.
            tracing::warn!("refusing executor {id:?} of framework {framework}: the agent is still recovering");
            return cx.send(&from, internal::ShutdownExecutorMessage::default());
        }
        if !self.adopt_driver(cx, &from, &framework, &id) {
            return;
        }
        let Some(known) = self.frameworks.get(&framework) else { return };
        let Some(executor) = known.executors.get(&id) else { return };
        if executor.has_no_work() {
            return self.end_executor(cx, &framework, &id);
        }
        let message = internal::ExecutorRegisteredMessage {
            executor_info: (*executor.info).clone(),
            framework_id: framework.to_proto(),
            framework_info: (*known.snapshot.info).clone(),
            slave_id: self.agent_id(),
            slave_info: (*self.info).clone(),
        };
        cx.send(&from, message);
        self.publish_executor(cx, &framework, &id);
        self.deliver_queued(cx, &framework, &id);
    }

    pub(crate) fn driver_reregisters(
        &mut self,
        cx: &mut Context<'_>,
        from: Upid,
        message: internal::ReregisterExecutorMessage,
    ) {
        let framework = FrameworkId::from(&message.framework_id);
        let id = ExecutorId::from(&message.executor_id);
        let running = self.executor(&framework, &id).is_some_and(|e| e.state == ExecutorState::Running);
        if running && self.config.executor_reregistration_retry_interval.is_some() {
            // It was asked more than once, and answers more than once.
            return;
        }
        if !self.adopt_driver(cx, &from, &framework, &id) {
            return;
        }
        let answer =
            internal::ExecutorReregisteredMessage { slave_id: self.agent_id(), slave_info: (*self.info).clone() };
        cx.send(&from, answer);
        for update in message.updates {
            self.driver_update(cx, update, from.clone());
        }
        let held: Vec<TaskId> = message.tasks.iter().map(|task| TaskId::from(&task.task_id)).collect();
        self.drop_undelivered(cx, &framework, &id, &held);
        if self.executor(&framework, &id).is_some_and(|e| e.has_no_work()) {
            return self.end_executor(cx, &framework, &id);
        }
        self.publish_executor(cx, &framework, &id);
        self.deliver_queued(cx, &framework, &id);
    }

    /// False if the executor has no business here: it is told to shut down.
    fn adopt_driver(&mut self, cx: &mut Context<'_>, from: &Upid, framework: &FrameworkId, id: &ExecutorId) -> bool {
        let terminating = self.master.state == RegistrationState::Terminating;
        let executor = self.frameworks.get_mut(framework).filter(|f| !f.terminating && !terminating);
        let executor = executor.and_then(|f| f.executors.get_mut(id));
        let Some(executor) = executor.filter(|e| e.state == ExecutorState::Registering && e.launched_container) else {
            tracing::warn!("refusing executor {id:?} of framework {framework} at {from}");
            cx.send(from, internal::ShutdownExecutorMessage::default());
            return false;
        };
        executor.connection = ExecutorConnection::Libprocess(from.clone());
        executor.enter(ExecutorState::Running, &self.metrics);
        cx.disarm(Timer::ExecutorRegistration(executor.container.clone()));
        cx.link(from.address);
        let record = Record::ExecutorLink {
            framework: framework.clone(),
            executor: id.clone(),
            container: executor.container.clone(),
            pid: Some(from.clone()),
        };
        self.pending_writes.store(cx, record);
        self.executor_reregistered(cx);
        true
    }

    pub(crate) fn driver_updates(&mut self, cx: &mut Context<'_>, from: Upid, message: internal::StatusUpdateMessage) {
        // The driver names the process that is to be told; older ones leave it to the sender's address.
        let pid = message.pid.as_deref().and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
        self.driver_update(cx, message.update, pid.unwrap_or(from));
    }

    fn driver_update(&mut self, cx: &mut Context<'_>, update: internal::StatusUpdate, pid: Upid) {
        if let Err(refused) = self.status_update(cx, update, Origin::Driver(pid.clone())) {
            tracing::warn!("dropped an update from {pid}: {refused}");
        }
    }

    pub(crate) fn driver_messages(&mut self, cx: &mut Context<'_>, message: internal::ExecutorToFrameworkMessage) {
        let framework = FrameworkId::from(&message.framework_id);
        let executor = ExecutorId::from(&message.executor_id);
        self.executor_message(cx, &framework, &executor, message.data);
    }
}

//! Ending tasks, executors and frameworks at the master's word.

use messages::internal;
use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use model::{ExecutorId, FrameworkId, TaskId};

use crate::agent::Agent;
use crate::duration;
use crate::effects::{Context, Record, Timer};
use crate::state::ExecutorConnection;
use crate::updates::AgentGenerated;
use model::agent::ExecutorState;

impl Agent {
    pub(crate) fn kill_task(&mut self, cx: &mut Context<'_>, message: internal::KillTaskMessage) {
        let framework_id = FrameworkId::from(&message.framework_id);
        let task = TaskId::from(&message.task_id);
        let Some(framework) = self.frameworks.get_mut(&framework_id).filter(|f| !f.terminating) else {
            tracing::warn!("ignoring a kill of task {task:?}: framework {framework_id} is unknown or terminating");
            return;
        };
        let state = framework.dropped_state();
        let Some(executor) = framework.executor_of(&task) else {
            let report = AgentGenerated::new(state, Reason::ExecutorTerminated, "Cannot find executor");
            self.send_generated(cx, &framework_id, &task, None, report);
            // The kill may have overtaken the launch, which must not succeed any more.
            self.renew_resource_version();
            return self.update_slave(cx);
        };
        if let Some((group, tasks)) = executor.queued_with(&task) {
            let executor = executor.id.clone();
            return self.kill_queued(cx, &framework_id, &executor, &tasks, group);
        }
        match executor.state {
            ExecutorState::Running if executor.connection == ExecutorConnection::None => {
                executor.kills.insert(task, message.kill_policy);
            }
            ExecutorState::Running => executor.kill(cx, &task, message.kill_policy),
            // The task ends with its executor.
            _ => tracing::warn!("ignoring a kill of task {task:?}: executor {:?} is not running", executor.id),
        }
    }

    /// A task killed before its executor had it takes its whole group along.
    fn kill_queued(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        tasks: &[TaskId],
        group: bool,
    ) {
        let running = self.executor(framework, executor_id).is_some_and(|e| e.state == ExecutorState::Running);
        let message = if group && !running {
            "A task within the task group was killed before delivery to the executor"
        } else {
            "Killed before delivery to the executor"
        };
        for task in tasks {
            let report = AgentGenerated::new(TaskState::TaskKilled, Reason::TaskKilledDuringLaunch, message);
            self.send_generated(cx, framework, task, Some(executor_id), report);
        }
        // One that has not registered yet is told when it does.
        if self.executor(framework, executor_id).is_some_and(|e| e.state == ExecutorState::Running && e.has_no_work()) {
            self.end_executor(cx, framework, executor_id);
        }
    }

    pub(crate) fn shutdown_executor(&mut self, cx: &mut Context<'_>, message: internal::ShutdownExecutorMessage) {
        let (Some(framework), Some(executor)) = (message.framework_id, message.executor_id) else { return };
        let framework = FrameworkId::from(&framework);
        if self.frameworks.get(&framework).is_some_and(|f| !f.terminating) {
            self.end_executor(cx, &framework, &ExecutorId::from(&executor));
        }
    }

    pub(crate) fn shutdown_framework(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let forgotten = self.status_update_manager.remove_framework(id);
        if !forgotten.is_empty() {
            self.pending_writes.store(cx, Record::UpdatesForgotten(id.clone()));
        }
        for task in forgotten {
            cx.disarm(Timer::UpdateRetry(id.clone(), task));
        }
        let Some(framework) = self.frameworks.get_mut(id) else { return };
        if framework.terminating {
            return;
        }
        framework.terminating = true;
        tracing::info!("shutting down framework {id}");
        let executors: Vec<ExecutorId> = framework.executors.keys().cloned().collect();
        for executor in &executors {
            match self.executor(id, executor).map(|e| e.state) {
                Some(ExecutorState::Terminated) => self.remove_executor(cx, id, executor),
                Some(_) => self.end_executor(cx, id, executor),
                None => {}
            }
        }
        self.remove_framework_if_idle(cx, id);
    }

    /// Asks a live executor to end by itself, within its grace period.
    pub(crate) fn end_executor(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
        let Some(executor) = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id)) else { return };
        if !executor.is_live() {
            return;
        }
        // One that is not connected is told when it comes, and else destroyed when the grace period is over.
        if executor.connection != ExecutorConnection::None {
            executor.shut_down(cx);
        }
        cx.disarm(Timer::ExecutorRegistration(executor.container.clone()));
        executor.enter(ExecutorState::Terminating, &self.metrics);
        let own = executor.info.shutdown_grace_period.as_ref().map(duration::from_proto);
        let grace = own.unwrap_or(self.config.executor_shutdown_grace_period);
        cx.arm_after(Timer::ExecutorShutdown(executor.container.clone()), grace);
        self.publish_executor(cx, framework, id);
    }
}

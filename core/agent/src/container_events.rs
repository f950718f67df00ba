//! What follows when a container comes up or ends, and how executors and frameworks are forgotten.

use messages::internal;
use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, format_duration, is_terminal};
use resources::Resources;

use messages::v1;

use crate::agent::Agent;
use crate::effects::{Command, ContainerCommand, Context, Record, Timer};
use crate::input::{ContainerEvent, ContainerExit};
use crate::limits::executor_limits;
use crate::operations::container_volumes;
use crate::paths;
use crate::state::{Executor, ExecutorConnection, Framework, Termination, task_state};
use crate::status_update_manager::Origin;
use crate::updates::AgentGenerated;
use model::agent::{Change, ExecutorState};

impl Agent {
    pub(crate) fn container_event(&mut self, cx: &mut Context<'_>, event: ContainerEvent) {
        let container = match &event {
            ContainerEvent::Launched { container, .. }
            | ContainerEvent::LaunchFailed { container, .. }
            | ContainerEvent::Exited { container, .. } => container,
        };
        let Some((framework, executor)) = self.containers.get(container).cloned() else {
            tracing::warn!("nothing is known of container {container}");
            return;
        };
        match event {
            ContainerEvent::Launched { pid, .. } => self.container_launched(cx, &framework, &executor, pid),
            ContainerEvent::LaunchFailed { reason, .. } => {
                self.metrics.container_launch_errors.increment();
                self.set_termination(
                    &framework,
                    &executor,
                    Termination {
                        state: TaskState::TaskFailed,
                        reason: Reason::ContainerLaunchFailed,
                        message: format!("Failed to launch container: {reason}"),
                    },
                );
                self.container_ended(cx, &framework, &executor, ContainerExit::default());
            }
            ContainerEvent::Exited { exit, .. } => self.container_ended(cx, &framework, &executor, exit),
        }
    }

    fn container_launched(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId, pid: u32) {
        let Some(known) = self.frameworks.get_mut(framework) else { return };
        let terminating = known.terminating;
        let Some(executor) = known.executors.get_mut(id) else { return };
        executor.pid = Some(pid);
        // It was told to end before there was anybody to tell.
        if terminating || executor.state == ExecutorState::Terminating {
            destroy(cx, &executor.container);
        }
        self.publish_executor(cx, framework, id);
    }

    /// Over before it began: it was ended while its records were on the way to the disk.
    pub(crate) fn container_never_started(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, id: &ExecutorId) {
        self.container_ended(cx, framework, id, ContainerExit::default());
    }

    pub(crate) fn container_ended(
        &mut self,
        cx: &mut Context<'_>,
        framework_id: &FrameworkId,
        id: &ExecutorId,
        exit: ContainerExit,
    ) {
        let Some(framework) = self.frameworks.get(framework_id) else { return };
        let framework_terminating = framework.terminating;
        if framework.executors.get(id).is_none_or(|executor| executor.state == ExecutorState::Terminated) {
            return;
        }
        self.take_last_updates(cx, framework_id, id, &exit);
        let Some(executor) = self.frameworks.get_mut(framework_id).and_then(|f| f.executors.get_mut(id)) else {
            return;
        };
        executor.enter(ExecutorState::Terminated, &self.metrics);
        cx.disarm(Timer::ExecutorRegistration(executor.container.clone()));
        cx.disarm(Timer::ExecutorShutdown(executor.container.clone()));
        match std::mem::replace(&mut executor.connection, ExecutorConnection::None) {
            ExecutorConnection::Http(stream) => {
                self.http_executors.remove(&stream);
                cx.close_stream(stream);
            }
            ExecutorConnection::Libprocess(pid) => cx.unlink(pid.address),
            ExecutorConnection::None => {}
        }
        let command_task = executor.command_task;
        let record = Record::ContainerDone {
            framework: framework_id.clone(),
            executor: id.clone(),
            container: executor.container.clone(),
        };
        let live = |task: &v1::Task| !is_terminal(task_state(task.state));
        let remaining: Vec<TaskId> =
            executor.tasks.iter().filter(|(_, task)| live(task)).map(|(task, _)| task.clone()).collect();
        let report = terminal_status(executor, &exit);
        self.publish_executor(cx, framework_id, id);
        if !framework_terminating {
            for task in &remaining {
                self.send_generated(cx, framework_id, task, Some(id), report.clone());
            }
        }
        // Last, so that an agent that restarts in between still owes the reports.
        self.pending_writes.store(cx, record);
        // The master does not know the executors that agents make up for commands.
        if !command_task {
            self.send_exited_executor(cx, framework_id, id, exit.status);
        }
        let settled = self.executor(framework_id, id).is_none_or(|e| e.tasks.is_empty());
        if framework_terminating || settled {
            self.remove_executor(cx, framework_id, id);
        }
        self.remove_framework_if_idle(cx, framework_id);
    }

    /// Of tasks that are not known to be over: what else was said has arrived, and may be acknowledged and forgotten.
    fn take_last_updates(
        &mut self,
        cx: &mut Context<'_>,
        framework_id: &FrameworkId,
        id: &ExecutorId,
        exit: &ContainerExit,
    ) {
        for status in &exit.last_updates {
            let task = TaskId::from(&status.task_id);
            let live = |framework: &&Framework| {
                let entry = framework.executors.get(id).and_then(|executor| executor.tasks.get(&task));
                !framework.terminating && entry.is_some_and(|entry| !is_terminal(task_state(entry.state)))
            };
            if self.frameworks.get(framework_id).filter(live).is_none() {
                continue;
            }
            let update = self.http_update(cx, framework_id, status.clone());
            if let Err(refused) = self.status_update(cx, update, Origin::Http) {
                tracing::warn!("dropped the last update of task {task:?} of framework {framework_id}: {refused}");
            }
        }
    }

    pub(crate) fn send_exited_executor(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        executor: &ExecutorId,
        status: Option<i32>,
    ) {
        let Some(master) = self.master.pid().cloned() else { return };
        let message = internal::ExitedExecutorMessage {
            slave_id: self.agent_id(),
            framework_id: framework.to_proto(),
            executor_id: executor.to_proto(),
            status: status.unwrap_or(-1),
        };
        cx.send(&master, message);
    }

    pub(crate) fn executor_registration_timeout(&mut self, cx: &mut Context<'_>, container: &ContainerId) {
        let Some((framework, id)) = self.containers.get(container).cloned() else { return };
        let terminating = self.frameworks.get(&framework).is_none_or(|f| f.terminating);
        let registering = self.executor(&framework, &id).is_some_and(|e| e.state == ExecutorState::Registering);
        if terminating || !registering {
            return;
        }
        let timeout = format_duration(self.config.executor_registration_timeout);
        self.set_termination(
            &framework,
            &id,
            Termination {
                state: TaskState::TaskFailed,
                reason: Reason::ExecutorRegistrationTimeout,
                message: format!("Executor did not register within {timeout}"),
            },
        );
        if let Some(executor) = self.frameworks.get_mut(&framework).and_then(|f| f.executors.get_mut(&id)) {
            executor.enter(ExecutorState::Terminating, &self.metrics);
        }
        destroy(cx, container);
        self.publish_executor(cx, &framework, &id);
    }

    pub(crate) fn executor_shutdown_timeout(&mut self, cx: &mut Context<'_>, container: &ContainerId) {
        let Some((framework, id)) = self.containers.get(container) else { return };
        let executor = self.executor(framework, id);
        if executor.is_some_and(|e| e.state == ExecutorState::Terminating && e.launched_container) {
            destroy(cx, container);
        }
    }

    fn set_termination(&mut self, framework: &FrameworkId, id: &ExecutorId, termination: Termination) {
        if let Some(executor) = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id)) {
            executor.pending_termination = Some(termination);
        }
    }

    /// A task is over: its container needs less, and the agent has more.
    pub(crate) fn release(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        id: &ExecutorId,
        resources: &[v1::Resource],
    ) {
        let Some(executor) = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id)) else { return };
        let resources = Resources::from_proto(resources).unwrap_or_default();
        executor.allocated -= &resources;
        self.used -= &resources;
        self.metrics.set_used(&self.used);
        if executor.launched_container && executor.state != ExecutorState::Terminated {
            cx.command(Command::Container(ContainerCommand::Update {
                container: executor.container.clone(),
                resources: executor.allocated.to_proto(),
                limits: executor_limits(executor, &self.config),
                volumes: container_volumes(&self.config.work_dir, &executor.allocated),
            }));
        }
        self.publish_executor(cx, framework, id);
    }

    /// Nothing of the executor is left but its sandbox, which somebody may still want to read.
    pub(crate) fn remove_executor(&mut self, cx: &mut Context<'_>, framework_id: &FrameworkId, id: &ExecutorId) {
        let Some(agent) = self.id() else { return };
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let Some(executor) = framework.executors.remove(id) else { return };
        framework.tasks.retain(|_, owner| owner != id);
        self.containers.remove(&executor.container);
        for task in executor.tasks.values() {
            self.metrics.task_left(task_state(task.state));
        }
        self.used -= &executor.allocated;
        self.metrics.set_used(&self.used);
        let record = Record::ExecutorRemoved {
            framework: framework_id.clone(),
            executor: id.clone(),
            container: executor.container.clone(),
        };
        self.pending_writes.store(cx, record);
        let parent = paths::executor(&self.config.work_dir, &agent, framework_id, id);
        cx.publish(Change::ExecutorRemoved {
            framework: framework_id.clone(),
            executor: id.clone(),
            container: executor.container,
        });
        self.schedule_removal(cx, executor.sandbox);
        self.schedule_removal(cx, parent);
    }

    pub(crate) fn remove_framework_if_idle(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        if self.frameworks.get(id).is_none_or(|f| !f.is_idle()) {
            return;
        }
        self.frameworks.remove(id);
        self.pending_writes.store(cx, Record::FrameworkRemoved(id.clone()));
        self.metrics.frameworks_active.set(self.frameworks.len() as i64);
        self.status_update_manager.remove_empty_streams(id);
        cx.publish(Change::FrameworkRemoved(id.clone()));
        if let Some(agent) = self.id() {
            let path = paths::framework(&self.config.work_dir, &agent, id);
            self.schedule_removal(cx, path);
        }
        self.finish_drain_if_empty(cx);
        self.terminate_if_idle(cx);
    }
}

pub(crate) fn destroy(cx: &mut Context<'_>, container: &ContainerId) {
    cx.command(Command::Container(ContainerCommand::Destroy { container: container.clone() }));
}

/// What becomes of the tasks that an executor leaves behind: the container's own reason, else the agent's, else
/// that the executor just ended.
fn terminal_status(executor: &Executor, exit: &ContainerExit) -> AgentGenerated {
    let pending = executor.pending_termination.as_ref();
    let mut messages: Vec<&str> = Vec::new();
    messages.extend(pending.map(|p| p.message.as_str()));
    messages.extend(exit.limitation.as_ref().map(|l| l.message.as_str()));
    let message = if messages.is_empty() { "Executor terminated".to_owned() } else { messages.join("; ") };
    match (&exit.limitation, pending) {
        (Some(limitation), _) => AgentGenerated {
            state: TaskState::TaskFailed,
            reason: limitation.reason,
            message,
            limitation: limitation.resources.clone(),
        },
        (None, Some(pending)) => AgentGenerated::new(pending.state, pending.reason, message),
        (None, None) => AgentGenerated::new(TaskState::TaskFailed, Reason::ExecutorTerminated, message),
    }
}

//! The consequences of the start and the end of a container, and the removal of executors and frameworks.

use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use messages::{internal, v1};
use model::agent::{Change, ExecutorState};
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, describe_wait_status, format_duration};
use resources::Resources;

use crate::config::Config;
use crate::containers::limits::executor_limits;
use crate::containers::nested;
use crate::containers::nested::{events as nested_events, held};
use crate::draining::emptying;
use crate::effects::{Command, ContainerCommand, Context, Record, Timer};
use crate::frameworks::executor::{Executor, ExecutorConnection, Termination};
use crate::frameworks::framework::{Framework, is_partition_aware};
use crate::frameworks::index::Frameworks;
use crate::input::{ContainerEvent, ContainerExit, LaunchFailure};
use crate::operations::container_volumes;
use crate::registration::identity::Identity;
use crate::registration::master_connection::MasterConnection;
use crate::registration::terminate;
use crate::sandboxes::paths;
use crate::state::State;
use crate::updates::launch_progress::launch_progress;
use crate::updates::status_update;
use crate::updates::status_update::AgentGenerated;
use crate::updates::status_update_manager::Origin;
use model::agent::Metrics;

pub(crate) fn container_event(state: &mut State, cx: &mut Context<'_>, event: ContainerEvent) {
    let container = match &event {
        ContainerEvent::Signalled { .. } | ContainerEvent::Removed { .. } => return nested_event(state, cx, event),
        ContainerEvent::Launched { container, .. }
        | ContainerEvent::LaunchFailed { container, .. }
        | ContainerEvent::NestedLaunchFailed { container, .. }
        | ContainerEvent::Progress { container, .. }
        | ContainerEvent::UpdateFailed { container, .. }
        | ContainerEvent::Exited { container, .. } => container,
    };
    if let ContainerEvent::Progress { container, message } = &event {
        return launch_progress(state, cx, container, message);
    }
    match &event {
        ContainerEvent::Launched { networks, .. } => {
            state.container_networks.insert(container.clone(), networks.clone());
        }
        ContainerEvent::Exited { .. } => state.container_networks.remove(container),
        _ => {}
    }
    if state.nested_containers.contains(container) {
        return nested_event(state, cx, event);
    }
    let Some((framework, executor)) = state.frameworks.by_container(container) else {
        tracing::warn!("container {container} is unknown");
        return;
    };
    match event {
        ContainerEvent::Signalled { .. } | ContainerEvent::Removed { .. } | ContainerEvent::Progress { .. } => {}
        ContainerEvent::Launched { container, pid, .. } => {
            let may_run = container_launched(&mut state.frameworks, cx, &framework, &executor, pid);
            if may_run {
                held::release(state, cx, &container);
            }
        }
        ContainerEvent::LaunchFailed { reason, .. } | ContainerEvent::NestedLaunchFailed { reason, .. } => {
            state.metrics.container_launch_errors.increment();
            set_termination(
                &mut state.frameworks,
                &framework,
                &executor,
                Termination {
                    state: TaskState::TaskFailed,
                    reason: Reason::ContainerLaunchFailed,
                    message: format!("Failed to launch container: {reason}"),
                },
            );
            container_ended(state, cx, &framework, &executor, ContainerExit::default());
        }
        ContainerEvent::UpdateFailed { reason, .. } => {
            container_update_failed(&mut state.frameworks, &state.metrics, cx, &framework, &executor, &reason);
        }
        ContainerEvent::Exited { exit, .. } => container_ended(state, cx, &framework, &executor, exit),
    }
}

/// Hands a report to the module for nested and standalone containers.
fn nested_event(state: &mut State, cx: &mut Context<'_>, event: ContainerEvent) {
    match event {
        ContainerEvent::Launched { container, pid, .. } => nested_events::launched(state, cx, &container, pid),
        ContainerEvent::LaunchFailed { container, reason } => {
            nested_events::launch_failed(state, cx, &container, &reason, LaunchFailure::Other);
        }
        ContainerEvent::NestedLaunchFailed { container, reason, failure } => {
            nested_events::launch_failed(state, cx, &container, &reason, failure);
        }
        ContainerEvent::Exited { container, exit } => nested_events::exited(state, cx, &container, &exit),
        ContainerEvent::Signalled { reply, failed } => nested_events::signalled(cx, reply, failed),
        ContainerEvent::Removed { container, failed } => nested_events::removed(state, cx, &container, failed),
        // Their resources do not change.
        ContainerEvent::UpdateFailed { .. } | ContainerEvent::Progress { .. } => {}
    }
}

/// A task does not have a resource it was launched with, e.g. its volume: the executor is ended, as in Mesos
/// (`Slave::___run`).
fn container_update_failed(
    frameworks: &mut Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
    reason: &str,
) {
    let Some(known) = frameworks.get(framework) else { return };
    let partition_aware = is_partition_aware(&known.snapshot().info);
    if !known.executor(id).is_some_and(Executor::is_live) {
        return;
    }
    let termination = Termination {
        state: if partition_aware { TaskState::TaskGone } else { TaskState::TaskLost },
        reason: Reason::ContainerUpdateFailed,
        message: format!("Failed to update resources for container: {reason}"),
    };
    set_termination(frameworks, framework, id, termination);
    let Some(executor) = frameworks.executor_mut(framework, id) else { return };
    executor.enter(ExecutorState::Terminating, metrics);
    destroy(cx, executor.container());
    frameworks.publish_executor(cx, framework, id);
}

/// Records the start of an executor. Returns whether it goes on.
fn container_launched(
    frameworks: &mut Frameworks,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
    pid: u32,
) -> bool {
    let terminating = frameworks.get(framework).is_some_and(|known| known.is_terminating());
    let Some(executor) = frameworks.executor_mut(framework, id) else { return false };
    executor.launched(pid);
    // The shutdown was requested before the container had started, so the container is destroyed now.
    let ends = terminating || executor.state() == ExecutorState::Terminating;
    if ends {
        destroy(cx, executor.container());
    }
    frameworks.publish_executor(cx, framework, id);
    !ends
}

/// The container was ended while its records were on the way to the disk, so it is never started.
pub(crate) fn container_never_started(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
) {
    container_ended(state, cx, framework, id, ContainerExit::default());
}

pub(crate) fn container_ended(
    state: &mut State,
    cx: &mut Context<'_>,
    framework_id: &FrameworkId,
    id: &ExecutorId,
    exit: ContainerExit,
) {
    let Some(framework) = state.frameworks.get(framework_id) else { return };
    let framework_terminating = framework.is_terminating();
    if framework.executor(id).is_none_or(Executor::is_terminated) {
        return;
    }
    take_last_updates(state, cx, framework_id, id, &exit);
    let connection = state.frameworks.disconnect(framework_id, id);
    let Some(executor) = state.frameworks.executor_mut(framework_id, id) else { return };
    executor.enter(ExecutorState::Terminated, &state.metrics);
    cx.disarm(Timer::ExecutorRegistration(executor.container().clone()));
    cx.disarm(Timer::ExecutorShutdown(executor.container().clone()));
    match connection {
        ExecutorConnection::Http(stream) => cx.close_stream(stream),
        ExecutorConnection::Libprocess(pid) => cx.unlink(pid.address),
        ExecutorConnection::None => {}
    }
    let command_task = executor.is_command_task();
    let container = executor.container().clone();
    let record = Record::ContainerDone {
        framework: framework_id.clone(),
        executor: id.clone(),
        container: executor.container().clone(),
    };
    let remaining: Vec<TaskId> = executor.live_tasks().map(|(task, _)| task.clone()).collect();
    let report = terminal_status(executor, &exit);
    nested_events::root_ended(state, cx, &container, &nested::termination(&exit));
    state.frameworks.publish_executor(cx, framework_id, id);
    if !framework_terminating {
        for task in &remaining {
            status_update::send_generated(state, cx, framework_id, task, Some(id), report.clone());
        }
    }
    // This is the last record, so that an agent that restarts in between still sends the reports.
    state.pending_writes.store(cx, record);
    // The master does not know the executors that agents generate for commands.
    if !command_task {
        send_exited_executor(&state.identity, &state.master, cx, framework_id, id, exit.status);
    }
    let settled = state.frameworks.executor(framework_id, id).is_none_or(|e| e.tasks().is_empty());
    if framework_terminating || settled {
        remove_executor(state, cx, framework_id, id);
    }
    remove_framework_if_idle(state, cx, framework_id);
}

/// Takes the last updates of an executor, for tasks that are not known to have ended: all other updates have arrived,
/// and may be acknowledged and removed.
fn take_last_updates(
    state: &mut State,
    cx: &mut Context<'_>,
    framework_id: &FrameworkId,
    id: &ExecutorId,
    exit: &ContainerExit,
) {
    for status in &exit.last_updates {
        let task = TaskId::from(&status.task_id);
        let live = |framework: &&Framework| {
            !framework.is_terminating() && framework.executor(id).is_some_and(|executor| executor.has_live_task(&task))
        };
        if state.frameworks.get(framework_id).filter(live).is_none() {
            continue;
        }
        let update = status_update::http_update(state, cx, framework_id, status.clone());
        if let Err(refused) = status_update::status_update(state, cx, update, Origin::Http) {
            tracing::warn!("dropped the last update of task {task:?} of framework {framework_id}: {refused}");
        }
    }
}

pub(crate) fn send_exited_executor(
    identity: &Identity,
    master: &MasterConnection,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    executor: &ExecutorId,
    status: Option<i32>,
) {
    let Some(master) = master.pid().cloned() else { return };
    let message = internal::ExitedExecutorMessage {
        slave_id: identity.proto(),
        framework_id: framework.to_proto(),
        executor_id: executor.to_proto(),
        status: status.unwrap_or(-1),
    };
    cx.send(&master, message);
}

pub(crate) fn executor_registration_timeout(
    frameworks: &mut Frameworks,
    config: &Config,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    container: &ContainerId,
) {
    let Some((framework, id)) = frameworks.by_container(container) else { return };
    let terminating = frameworks.get(&framework).is_none_or(|f| f.is_terminating());
    let registering = frameworks.executor(&framework, &id).is_some_and(|e| e.is_registering());
    if terminating || !registering {
        return;
    }
    let timeout = format_duration(config.executor_registration_timeout);
    set_termination(
        frameworks,
        &framework,
        &id,
        Termination {
            state: TaskState::TaskFailed,
            reason: Reason::ExecutorRegistrationTimeout,
            message: format!("Executor did not register within {timeout}"),
        },
    );
    if let Some(executor) = frameworks.executor_mut(&framework, &id) {
        executor.enter(ExecutorState::Terminating, metrics);
    }
    destroy(cx, container);
    frameworks.publish_executor(cx, &framework, &id);
}

pub(crate) fn executor_shutdown_timeout(frameworks: &Frameworks, cx: &mut Context<'_>, container: &ContainerId) {
    let Some((framework, id)) = frameworks.by_container(container) else { return };
    let executor = frameworks.executor(&framework, &id);
    if executor.is_some_and(|e| e.state() == ExecutorState::Terminating && e.is_launch_requested()) {
        destroy(cx, container);
    }
}

fn set_termination(frameworks: &mut Frameworks, framework: &FrameworkId, id: &ExecutorId, termination: Termination) {
    if let Some(executor) = frameworks.executor_mut(framework, id) {
        executor.set_pending_termination(termination);
    }
}

/// Releases the resources of a task that ended: its container needs less, and the agent has more.
pub(crate) fn release(
    frameworks: &mut Frameworks,
    config: &Config,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
    resources: &[v1::Resource],
) {
    frameworks.release(framework, id, &Resources::from_proto(resources).unwrap_or_default());
    let Some(executor) = frameworks.executor(framework, id) else { return };
    if executor.is_launch_requested() && !executor.is_terminated() {
        cx.command(Command::Container(ContainerCommand::Update {
            container: executor.container().clone(),
            resources: executor.allocated().to_proto(),
            limits: executor_limits(executor, config),
            volumes: container_volumes(&config.work_dir, executor.allocated()),
        }));
    }
    frameworks.publish_executor(cx, framework, id);
}

/// Removes an executor. Its sandbox stays for a while, for its readers.
pub(crate) fn remove_executor(state: &mut State, cx: &mut Context<'_>, framework_id: &FrameworkId, id: &ExecutorId) {
    let Some(agent) = state.identity.id() else { return };
    let Some(executor) = state.frameworks.remove_executor(framework_id, id) else { return };
    let record = Record::ExecutorRemoved {
        framework: framework_id.clone(),
        executor: id.clone(),
        container: executor.container().clone(),
    };
    state.pending_writes.store(cx, record);
    let parent = paths::executor(&state.config.work_dir, &agent, framework_id, id);
    cx.publish(Change::ExecutorRemoved {
        framework: framework_id.clone(),
        executor: id.clone(),
        container: executor.container().clone(),
    });
    state.gc.schedule(cx, executor.sandbox().to_owned());
    state.gc.schedule(cx, parent);
}

pub(crate) fn remove_framework_if_idle(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    if !state.frameworks.remove_if_idle(id) {
        return;
    }
    state.pending_writes.store(cx, Record::FrameworkRemoved(id.clone()));
    state.status_updates.remove_empty_streams(id);
    cx.publish(Change::FrameworkRemoved(id.clone()));
    if let Some(agent) = state.identity.id() {
        let path = paths::framework(&state.config.work_dir, &agent, id);
        state.gc.schedule(cx, path);
    }
    emptying::finish_drain_if_empty(state, cx);
    terminate::terminate_if_idle(&state.frameworks, &mut state.master, &mut state.pending_writes, cx);
}

pub(crate) fn destroy(cx: &mut Context<'_>, container: &ContainerId) {
    cx.command(Command::Container(ContainerCommand::Destroy { container: container.clone() }));
}

/// Returns the status of the tasks of an ended executor. Its reason is that of the container; without one, the agent's;
/// without either, that the executor ended.
fn terminal_status(executor: &Executor, exit: &ContainerExit) -> AgentGenerated {
    let pending = executor.pending_termination();
    let mut messages: Vec<&str> = Vec::new();
    messages.extend(pending.map(|p| p.message.as_str()));
    messages.extend(exit.limitation.as_ref().map(|l| l.message.as_str()));
    let message = match (messages.is_empty(), exit.status) {
        (false, _) => messages.join("; "),
        (true, None) => "Executor terminated".to_owned(),
        (true, Some(status)) => format!("Executor terminated: {}", describe_wait_status(status)),
    };
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

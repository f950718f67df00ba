//! Frameworks, executors, tasks and updates as they were when the earlier process of this agent ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use model::agent::{Change, FrameworkSnapshot, RecoveredCompletedExecutor};
use model::{ContainerId, ExecutorId, FrameworkId, TaskId};
use resources::Resources;

use super::checkpointed::{CheckpointedExecutor, CheckpointedFramework, CheckpointedUpdates};
use super::compatibility::Incompatible;
use super::history;
use super::reconnect::unknown_termination;
use super::recovered_state::RecoveredState;
use crate::config::{Config, Recover};
use crate::containers::events;
use crate::containers::events::destroy;
use crate::containers::limits::executor_limits;
use crate::containers::nested::{self, RecoveredNested};
use crate::effects::{Command, ContainerCommand, Context, Record};
use crate::frameworks::executor::Executor;
use crate::frameworks::index::Frameworks;
use crate::input::ContainerExit;
use crate::operations::container_volumes;
use crate::pending_writes::PendingWrites;
use crate::recovery::reconnect;
use crate::registration::identity::Identity;
use crate::registration::register;
use crate::sandboxes::gc::Gc;
use crate::sandboxes::paths;
use crate::state::State;
use crate::updates::status_update_manager::StatusUpdateManager;

/// The state of an earlier process of the agent, as it is found at the start.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The state that the records describe.
    pub recovered_state: RecoveredState,
    /// The containers that still run, with the process id of their first process.
    pub alive: BTreeMap<ContainerId, u32>,
    /// The networks of those that do not use the network of the agent.
    pub networks: BTreeMap<ContainerId, Vec<v1::NetworkInfo>>,
    /// The known ends of other containers.
    pub ended: BTreeMap<ContainerId, ContainerExit>,
    /// The nested and standalone containers, those included that have ended and are not removed.
    pub nested: BTreeMap<ContainerId, RecoveredNested>,
    /// The sandboxes on the disk, with the time for which nothing has changed in them. Sandboxes that belong to no
    /// known framework or executor are scheduled for removal.
    pub sandboxes: Vec<(PathBuf, Duration)>,
    /// The number of records that could not be read, if that is not fatal (`--no-strict`).
    pub errors: u64,
}

/// Recovers everything that an earlier process of this agent left. It is called once, before [`Agent::start`].
///
/// # Errors
///
/// Returns an error if the agent may not continue under its id; then nothing may be done for it at all.
pub(crate) fn recover(state: &mut State, cx: &mut Context<'_>, recovery: Recovery) -> Result<(), Incompatible> {
    let Recovery { recovered_state, alive, networks, mut ended, nested, sandboxes, errors } = recovery;
    state.metrics.recovery_errors.add(i64::try_from(errors).unwrap_or(i64::MAX));
    let rebooted = recovered_state.boot_id.is_some()
        && state.config.boot_id.is_some()
        && recovered_state.boot_id != state.config.boot_id;
    let recovered_state =
        reuse_agent_id(&state.config, &mut state.identity, &mut state.pending_writes, cx, recovered_state, rebooted)?;
    restore_resources(state, &recovered_state)?;
    for (id, networks) in networks {
        state.container_networks.insert(id, networks);
    }
    let boot_id = state.config.boot_id.clone().filter(|id| recovered_state.boot_id.as_ref() != Some(id));
    register::publish_agent(state, cx);
    state.executor_recovery.begin(cx.now, rebooted);
    state.metrics.recovering.set(1);

    let live = recovered_state.frameworks.keys().cloned().collect();
    let mut completed =
        history::recover_completed(&state.config, &state.identity, cx, recovered_state.history, &sandboxes, &live);
    for ((framework, task), updates) in recovered_state.updates {
        restore_updates(&state.identity, &mut state.status_updates, &framework, &task, updates);
    }
    for (id, framework) in recovered_state.frameworks {
        let completed = completed.remove(&id).unwrap_or_default();
        restore_framework(state, cx, &id, framework, completed, &alive, &mut ended);
    }
    nested::recover(state, cx, nested);
    let is_known = |id: &ContainerId| state.frameworks.has_container(id) || state.nested_containers.contains(id);
    for container in alive.keys().filter(|container| !is_known(container)) {
        tracing::warn!("ending container {container}: no executor on record runs in it");
        destroy(cx, container);
    }
    schedule_unknown_sandboxes(&state.frameworks, &mut state.gc, cx, sandboxes);
    if let Some(id) = boot_id {
        state.pending_writes.store(cx, Record::BootId(id));
    }
    match state.config.recover {
        Recover::Reconnect => {
            reconnect::wait_for_executors(&state.config, &state.executor_recovery, &state.identity, cx)
        }
        Recover::Cleanup => reconnect::end_all_executors(state, cx),
    }
    Ok(())
}

/// Returns the recovered state to continue with; it is empty if the agent becomes a new one.
fn reuse_agent_id(
    config: &Config,
    identity: &mut Identity,
    pending_writes: &mut PendingWrites,
    cx: &mut Context<'_>,
    recovered_state: RecoveredState,
    rebooted: bool,
) -> Result<RecoveredState, Incompatible> {
    let Some(previous) = recovered_state.agent.clone() else { return Ok(recovered_state) };
    let mut current = (**identity.info()).clone();
    current.id = previous.id.clone();
    match config.reconfiguration_policy.check(&previous, &current) {
        Ok(()) => {
            if rebooted {
                tracing::info!("the machine has been restarted: everything that ran here has ended");
            }
            if *previous != current {
                pending_writes.store(cx, Record::AgentInfo(Arc::new(current.clone())));
            }
            identity.recover(Arc::new(current));
            Ok(recovered_state)
        }
        // Maintenance of the machine may have changed its resources, and nothing runs that depends on the id.
        Err(incompatible) if rebooted => {
            tracing::warn!("starting as a new agent: {incompatible}");
            pending_writes.store(cx, Record::Reset);
            let mut recovered_state = recovered_state;
            recovered_state.apply(&Record::Reset);
            Ok(recovered_state)
        }
        // All executors are ended, and the agent's id is not used again. (Mesos refuses, although its operators are
        // told to do this before such a change.)
        Err(_) if config.recover == Recover::Cleanup => {
            identity.recover(previous);
            Ok(recovered_state)
        }
        Err(incompatible) => Err(incompatible),
    }
}

fn restore_resources(state: &mut State, recovered_state: &RecoveredState) -> Result<(), Incompatible> {
    let found = recovered_state.resources.found(recovered_state.draining.clone());
    let Err(error) = state.recover_resources(&found) else { return Ok(()) };
    if state.config.recover == Recover::Cleanup {
        return Ok(());
    }
    let checkpointed = Resources::from_proto(&found.resources).unwrap_or_default();
    let flags = &state.config.resources;
    Err(Incompatible(format!(
        "Checkpointed resources {checkpointed} are incompatible with agent resources {flags}: {error}"
    )))
}

fn restore_updates(
    identity: &Identity,
    status_updates: &mut StatusUpdateManager,
    framework: &FrameworkId,
    task: &TaskId,
    updates: CheckpointedUpdates,
) {
    let agent = identity.proto();
    let update = |status: Arc<v1::TaskStatus>| internal::StatusUpdate {
        framework_id: framework.to_proto(),
        executor_id: status.executor_id.clone(),
        slave_id: Some(agent.clone()),
        timestamp: status.timestamp.unwrap_or_default(),
        uuid: status.uuid.clone(),
        status: (*status).clone(),
        latest_state: None,
    };
    status_updates.restore(framework, task, updates.pending.into_iter().map(update), updates.acknowledged);
}

fn restore_framework(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    checkpointed: CheckpointedFramework,
    completed: Vec<RecoveredCompletedExecutor>,
    alive: &BTreeMap<ContainerId, u32>,
    exits: &mut BTreeMap<ContainerId, ContainerExit>,
) {
    let CheckpointedFramework { info, pid, executors, tasks: _ } = checkpointed;
    let snapshot = Arc::new(FrameworkSnapshot { id: id.clone(), info, pid });
    cx.publish(Change::FrameworkAdded(snapshot.clone()));
    if !completed.is_empty() {
        cx.publish(Change::CompletedExecutorsRecovered { framework: id.clone(), executors: completed });
    }
    state.frameworks.add(snapshot);
    let mut ended = Vec::new();
    for (executor_id, executor) in executors {
        let done = executor.done;
        if done || !alive.contains_key(&executor.container) {
            ended.push((executor_id.clone(), done, exits.remove(&executor.container)));
        }
        restore_executor(state, cx, id, &executor_id, executor, alive);
    }
    // All executors are added by now, since the end of the last executor is the end of its framework.
    for (executor, done, exit) in ended {
        recover_ended_executor(state, cx, id, &executor, done, exit.unwrap_or_default());
    }
    events::remove_framework_if_idle(state, cx, id);
}

fn restore_executor(
    state: &mut State,
    cx: &mut Context<'_>,
    framework_id: &FrameworkId,
    id: &ExecutorId,
    checkpointed: CheckpointedExecutor,
    alive: &BTreeMap<ContainerId, u32>,
) {
    let Some(agent) = state.identity.id() else { return };
    let Some(framework) = state.frameworks.get(framework_id) else { return };
    let CheckpointedExecutor { container, info, command_task, driver, done, tasks, completed } = checkpointed;
    let pid = alive.get(&container).copied();
    let command_user = info.command.as_ref().and_then(|command| command.user.clone());
    let user = command_user.unwrap_or_else(|| framework.snapshot().info.user.clone());
    let executor = Executor::new(
        framework_id.clone(),
        info,
        container.clone(),
        paths::run(&state.config.work_dir, &agent, framework_id, id, &container),
        state.config.switch_user.then_some(user),
        command_task,
    )
    .recovered(tasks, pid);
    cx.publish(Change::ExecutorAdded(executor.snapshot()));
    if !completed.is_empty() {
        cx.publish(Change::CompletedTasksRecovered { container: container.clone(), tasks: completed.into() });
    }
    for task in executor.tasks().values() {
        cx.publish(Change::TaskAdded { container: container.clone(), task: task.clone() });
    }
    if pid.is_some() {
        // The containerizer does not know the limits of the containers that it has found.
        cx.command(Command::Container(ContainerCommand::Update {
            container: container.clone(),
            resources: executor.allocated().to_proto(),
            limits: executor_limits(&executor, &state.config),
            volumes: container_volumes(&state.config.work_dir, executor.allocated()),
        }));
    }
    state.frameworks.add_executor(executor);
    if pid.is_none() || done {
        return;
    }
    state.executor_recovery.wait_for(container, driver);
}

/// Recovers an executor whose container has ended, before or after the agent did. The missing updates are sent now.
fn recover_ended_executor(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
    done: bool,
    exit: ContainerExit,
) {
    if !done
        && exit.status.is_none()
        && let Some(executor) = state.frameworks.executor_mut(framework, id)
    {
        executor.set_pending_termination(unknown_termination(state.executor_recovery.is_after_reboot()));
    }
    events::container_ended(state, cx, framework, id, exit);
}

/// Schedules unknown sandboxes. No record contains the time since which they are unused; the times on the disk are
/// close to it (as in Mesos). The directories above a run get the age of the youngest directory in them.
fn schedule_unknown_sandboxes(
    frameworks: &Frameworks,
    gc: &mut Gc,
    cx: &mut Context<'_>,
    sandboxes: Vec<(PathBuf, Duration)>,
) {
    let kept: BTreeSet<&Path> = frameworks.executors().flat_map(|executor| with_parents(executor.sandbox())).collect();
    let mut forgotten: BTreeMap<&Path, Duration> = BTreeMap::new();
    for (run, age) in &sandboxes {
        for path in with_parents(run).filter(|path| !kept.contains(path)) {
            forgotten.entry(path).and_modify(|youngest| *youngest = (*youngest).min(*age)).or_insert(*age);
        }
    }
    // Directories inside of others are removed first.
    let mut forgotten: Vec<(&Path, Duration)> = forgotten.into_iter().rev().collect();
    forgotten.sort_by(|(_, one), (_, other)| other.cmp(one));
    for (path, age) in forgotten {
        gc.schedule_aged(cx, path.to_owned(), age);
    }
    gc.arm(cx);
}

/// Iterates over the directory of a run, and those of its executor and its framework.
fn with_parents(run: &Path) -> impl Iterator<Item = &Path> {
    run.ancestors().step_by(2).take(3)
}

//! Frameworks, executors, tasks and updates as they were when the earlier process of this agent ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messages::{internal, v1};
use model::{ContainerId, ExecutorId, FrameworkId, Now, TaskId, is_terminal};
use resources::Resources;

use super::checkpointed::{CheckpointedExecutor, CheckpointedFramework, CheckpointedUpdates};
use super::compatibility::Incompatible;
use super::reconnect::{Recovering, unknown_termination};
use super::recovered_state::RecoveredState;
use crate::agent::Agent;
use crate::config::Recover;
use crate::container_events::destroy;
use crate::effects::{Command, ContainerCommand, Context, Outbox, Record};
use crate::input::ContainerExit;
use crate::limits::executor_limits;
use crate::operations::container_volumes;
use crate::paths;
use crate::state::{Executor, ExecutorConnection, Framework, task_state};
use model::agent::{Change, ExecutorState, FrameworkSnapshot, RecoveredCompletedExecutor};

/// What a starting agent finds of an earlier process of itself.
#[derive(Debug, Default)]
pub struct Recovery {
    pub recovered_state: RecoveredState,
    /// The containers that still run, with the pid of their first process.
    pub alive: BTreeMap<ContainerId, u32>,
    /// What is known of the end of others.
    pub ended: BTreeMap<ContainerId, ContainerExit>,
    /// Sandboxes on the disk, and for how long nothing has changed in them: those that nobody knows any more are removed in
    /// time.
    pub sandboxes: Vec<(PathBuf, Duration)>,
    /// Records that could not be read, where that is not fatal (`--no-strict`).
    pub errors: u64,
}

impl Agent {
    /// Takes up what an earlier process of this agent has left. To be called once, before [`Agent::start`].
    ///
    /// Fails where the agent may not go on under its id; then nothing may be done for it at all.
    pub fn recover(&mut self, now: Now, recovery: Recovery, out: &mut Outbox) -> Result<(), Incompatible> {
        let Recovery { recovered_state, alive, mut ended, sandboxes, errors } = recovery;
        let process = self.process.clone();
        let cx = &mut Context::new(now, &process, out);
        self.metrics.recovery_errors.add(errors);
        let rebooted = recovered_state.boot_id.is_some()
            && self.config.boot_id.is_some()
            && recovered_state.boot_id != self.config.boot_id;
        let recovered_state = self.reuse_agent_id(cx, recovered_state, rebooted)?;
        self.restore_resources(&recovered_state)?;
        let boot_id = self.config.boot_id.clone().filter(|id| recovered_state.boot_id.as_ref() != Some(id));
        self.publish_agent(cx);
        self.recovering = Some(Recovering::new(now, rebooted));
        self.metrics.recovering.set(1);

        let live = recovered_state.frameworks.keys().cloned().collect();
        let mut completed = self.recover_completed(cx, recovered_state.history, &sandboxes, &live);
        for ((framework, task), updates) in recovered_state.updates {
            self.restore_updates(&framework, &task, updates);
        }
        for (id, framework) in recovered_state.frameworks {
            let completed = completed.remove(&id).unwrap_or_default();
            self.restore_framework(cx, &id, framework, completed, &alive, &mut ended);
        }
        for container in alive.keys().filter(|container| !self.containers.contains_key(*container)) {
            tracing::warn!("ending container {container}: nothing on record goes on in it");
            destroy(cx, container);
        }
        self.schedule_unknown_sandboxes(cx, sandboxes);
        self.metrics.set_used(&self.used);
        if let Some(id) = boot_id {
            self.pending_writes.store(cx, Record::BootId(id));
        }
        match self.config.recover {
            Recover::Reconnect => self.wait_for_executors(cx),
            Recover::Cleanup => self.end_all_executors(cx),
        }
        Ok(())
    }

    /// The recovered state to go on with: of nothing, if the agent becomes a new one.
    fn reuse_agent_id(
        &mut self,
        cx: &mut Context<'_>,
        recovered_state: RecoveredState,
        rebooted: bool,
    ) -> Result<RecoveredState, Incompatible> {
        let Some(previous) = recovered_state.agent.clone() else { return Ok(recovered_state) };
        let mut current = (*self.info).clone();
        current.id = previous.id.clone();
        match self.config.reconfiguration_policy.check(&previous, &current) {
            Ok(()) => {
                if rebooted {
                    tracing::info!("the machine has been restarted: everything that ran here has ended");
                }
                if *previous != current {
                    self.pending_writes.store(cx, Record::AgentInfo(Arc::new(current.clone())));
                }
                self.info = Arc::new(current);
                Ok(recovered_state)
            }
            // Maintenance of the machine may well have changed what it has; nothing runs that depends on the id.
            Err(incompatible) if rebooted => {
                tracing::warn!("starting as a new agent: {incompatible}");
                self.pending_writes.store(cx, Record::Reset);
                let mut recovered_state = recovered_state;
                recovered_state.apply(&Record::Reset);
                Ok(recovered_state)
            }
            // What runs is ended, and nothing goes on under the id. (Mesos refuses, although this is what its operators are
            // told to do before such a change.)
            Err(_) if self.config.recover == Recover::Cleanup => {
                self.info = previous;
                Ok(recovered_state)
            }
            Err(incompatible) => Err(incompatible),
        }
    }

    fn restore_resources(&mut self, recovered_state: &RecoveredState) -> Result<(), Incompatible> {
        let found = recovered_state.resources.found(recovered_state.draining.clone());
        let Err(error) = self.recover_resources(&found) else { return Ok(()) };
        if self.config.recover == Recover::Cleanup {
            return Ok(());
        }
        let checkpointed = Resources::from_proto(&found.resources).unwrap_or_default();
        let flags = &self.config.resources;
        Err(Incompatible(format!(
            "Checkpointed resources {checkpointed} are incompatible with agent resources {flags}: {error}"
        )))
    }

    fn restore_updates(&mut self, framework: &FrameworkId, task: &TaskId, updates: CheckpointedUpdates) {
        let agent = self.agent_id();
        let update = |status: Arc<v1::TaskStatus>| internal::StatusUpdate {
            framework_id: framework.to_proto(),
            executor_id: status.executor_id.clone(),
            slave_id: Some(agent.clone()),
            timestamp: status.timestamp.unwrap_or_default(),
            uuid: status.uuid.clone(),
            status: (*status).clone(),
            latest_state: None,
        };
        self.status_update_manager.restore(
            framework,
            task,
            updates.pending.into_iter().map(update),
            updates.acknowledged,
        );
    }

    fn restore_framework(
        &mut self,
        cx: &mut Context<'_>,
        id: &FrameworkId,
        checkpointed: CheckpointedFramework,
        completed: Vec<RecoveredCompletedExecutor>,
        alive: &BTreeMap<ContainerId, u32>,
        exits: &mut BTreeMap<ContainerId, ContainerExit>,
    ) {
        let CheckpointedFramework { info, pid, executors, tasks } = checkpointed;
        let snapshot = Arc::new(FrameworkSnapshot { id: id.clone(), info, pid });
        cx.publish(Change::FrameworkAdded(snapshot.clone()));
        if !completed.is_empty() {
            cx.publish(Change::CompletedExecutorsRecovered { framework: id.clone(), executors: completed });
        }
        self.frameworks.insert(id.clone(), Framework { tasks, ..Framework::new(snapshot) });
        self.metrics.frameworks_active.set(self.frameworks.len() as i64);
        let mut ended = Vec::new();
        for (executor_id, executor) in executors {
            let done = executor.done;
            if done || !alive.contains_key(&executor.container) {
                ended.push((executor_id.clone(), done, exits.remove(&executor.container)));
            }
            self.restore_executor(cx, id, &executor_id, executor, alive);
        }
        // When all are there: the end of the last executor is the end of its framework.
        for (executor, done, exit) in ended {
            self.recover_ended_executor(cx, id, &executor, done, exit.unwrap_or_default());
        }
        self.remove_framework_if_idle(cx, id);
    }

    fn restore_executor(
        &mut self,
        cx: &mut Context<'_>,
        framework_id: &FrameworkId,
        id: &ExecutorId,
        checkpointed: CheckpointedExecutor,
        alive: &BTreeMap<ContainerId, u32>,
    ) {
        let Some(agent) = self.id() else { return };
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let CheckpointedExecutor { container, info, command_task, driver, done, tasks, completed } = checkpointed;
        let pid = alive.get(&container).copied();
        let command_user = info.command.as_ref().and_then(|command| command.user.clone());
        let user = command_user.unwrap_or_else(|| framework.snapshot.info.user.clone());
        let mut allocated = Resources::from_proto(&info.resources).unwrap_or_default();
        for task in tasks.values().filter(|task| !is_terminal(task_state(task.state))) {
            allocated += &Resources::from_proto(&task.resources).unwrap_or_default();
            self.metrics.task_entered(task_state(task.state));
        }
        let executor = Executor {
            framework: framework_id.clone(),
            id: id.clone(),
            container: container.clone(),
            info,
            sandbox: paths::run(&self.config.work_dir, &agent, framework_id, id, &container),
            user: self.config.switch_user.then_some(user),
            command_task,
            state: ExecutorState::Registering,
            connection: ExecutorConnection::None,
            pid,
            launched_container: pid.is_some(),
            queued: Default::default(),
            tasks,
            kills: Default::default(),
            ever_sent_task: true,
            pending_termination: None,
            allocated,
        };
        self.metrics.executor_entered(ExecutorState::Registering);
        self.used += &executor.allocated;
        cx.publish(Change::ExecutorAdded(executor.snapshot()));
        if !completed.is_empty() {
            cx.publish(Change::CompletedTasksRecovered { container: container.clone(), tasks: completed.into() });
        }
        for task in executor.tasks.values() {
            cx.publish(Change::TaskAdded { container: container.clone(), task: task.clone() });
        }
        if pid.is_some() {
            // The containerizer does not know the limits of what it has found again.
            cx.command(Command::Container(ContainerCommand::Update {
                container: container.clone(),
                resources: executor.allocated.to_proto(),
                limits: executor_limits(&executor, &self.config),
                volumes: container_volumes(&self.config.work_dir, &executor.allocated),
            }));
        }
        framework.executors.insert(id.clone(), executor);
        self.containers.insert(container.clone(), (framework_id.clone(), id.clone()));
        if pid.is_none() || done {
            return;
        }
        if let Some(recovering) = &mut self.recovering {
            recovering.waiting.insert(container.clone());
            recovering.drivers.extend(driver.map(|driver| (container, driver)));
        }
    }

    /// Its container has ended, before or after the agent did. Whatever of it was not yet said is said now.
    fn recover_ended_executor(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        id: &ExecutorId,
        done: bool,
        exit: ContainerExit,
    ) {
        if !done
            && exit.status.is_none()
            && let Some(executor) = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id))
        {
            let rebooted = self.recovering.as_ref().is_some_and(|recovering| recovering.rebooted);
            executor.pending_termination = Some(unknown_termination(rebooted));
        }
        self.container_ended(cx, framework, id, exit);
    }

    /// No record says since when these wait; the disk does, nearly (as in Mesos). The directories above a run go with the
    /// youngest of what is in them.
    fn schedule_unknown_sandboxes(&mut self, cx: &mut Context<'_>, sandboxes: Vec<(PathBuf, Duration)>) {
        let executors = self.frameworks.values().flat_map(|framework| framework.executors.values());
        let kept: BTreeSet<&Path> = executors.flat_map(|executor| with_parents(&executor.sandbox)).collect();
        let mut forgotten: BTreeMap<&Path, Duration> = BTreeMap::new();
        for (run, age) in &sandboxes {
            for path in with_parents(run).filter(|path| !kept.contains(path)) {
                forgotten.entry(path).and_modify(|youngest| *youngest = (*youngest).min(*age)).or_insert(*age);
            }
        }
        // What is inside goes first.
        let mut forgotten: Vec<(&Path, Duration)> = forgotten.into_iter().rev().collect();
        forgotten.sort_by(|(_, one), (_, other)| other.cmp(one));
        for (path, age) in forgotten {
            self.schedule_removal_of(cx, path.to_owned(), age);
        }
        self.arm_gc(cx);
    }
}

/// The directory of a run, and those of its executor and its framework.
fn with_parents(run: &Path) -> impl Iterator<Item = &Path> {
    run.ancestors().step_by(2).take(3)
}

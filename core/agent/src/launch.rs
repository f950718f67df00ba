//! From a master's RunTask to an executor that has the task.

use std::collections::VecDeque;
use std::sync::Arc;

use messages::v1::task_status::Reason;
use messages::{internal, v1};
use model::{ContainerId, ExecutorId, FrameworkId, Role, TaskId, Upid};
use resources::Resources;

use crate::agent::Agent;
use crate::command_task;
use crate::config::Config;
use crate::effects::{Command, ContainerCommand, ContainerLaunch, Context, Record, Timer};
use crate::environment;
use crate::limits::executor_limits;
use crate::operations::container_volumes;
use crate::paths;
use crate::pending_writes::Continuation;
use crate::registration::RegistrationState;
use crate::state::{Batch, Executor, ExecutorConnection, Framework, new_task};
use crate::updates::AgentGenerated;
use model::agent::{Change, ExecutorState, FrameworkSnapshot};

/// What RunTask and RunTaskGroup have in common.
struct Launch {
    framework: FrameworkId,
    executor: v1::ExecutorInfo,
    tasks: Vec<v1::TaskInfo>,
    group: bool,
    command_task: bool,
    resource_versions: Vec<internal::ResourceVersionUuid>,
    /// Whether the master believes that this launch starts the executor; masters before 1.7 do not say.
    launch_executor: Option<bool>,
}

/// Why a launch comes to nothing.
struct Dropped {
    reason: Reason,
    message: String,
    /// Mesos does not name the executor where it speaks of the executor's state.
    executor: bool,
    action: DropAction,
}

enum DropAction {
    /// The master counts on an executor: tell it that there is none.
    SendExitedExecutor,
    /// The executor and the master's idea of it do not go together.
    EndExecutor,
    Nothing,
}

impl Agent {
    pub(crate) fn run_task(&mut self, cx: &mut Context<'_>, message: internal::RunTaskMessage) {
        let mut task = message.task;
        let Some(framework) = self.accept_launch(cx, message.framework, message.pid.as_deref(), [&task.agent_id])
        else {
            return;
        };
        let Some(snapshot) = self.frameworks.get(&framework).map(|f| f.snapshot.clone()) else { return };
        inject_task_allocation_info(&mut task, &snapshot.info);
        let command_task = task.executor.is_none();
        let executor = match task.executor.as_deref() {
            Some(executor) => executor.clone(),
            None => command_task::executor_for(&task, &snapshot.info, &self.config),
        };
        let launch = Launch {
            framework,
            executor,
            tasks: vec![task],
            group: false,
            command_task,
            resource_versions: message.resource_version_uuids,
            launch_executor: message.launch_executor,
        };
        self.launch(cx, launch);
    }

    pub(crate) fn run_task_group(&mut self, cx: &mut Context<'_>, message: internal::RunTaskGroupMessage) {
        let mut tasks = message.task_group.tasks;
        if tasks.is_empty() {
            return;
        }
        let Some(framework) = self.accept_launch(cx, message.framework, None, tasks.iter().map(|task| &task.agent_id))
        else {
            return;
        };
        let Some(snapshot) = self.frameworks.get(&framework).map(|f| f.snapshot.clone()) else { return };
        for task in &mut tasks {
            inject_task_allocation_info(task, &snapshot.info);
        }
        let mut executor = message.executor;
        inject_allocation_info(&mut executor.resources, &snapshot.info);
        let launch = Launch {
            framework,
            executor,
            tasks,
            group: true,
            command_task: false,
            resource_versions: message.resource_version_uuids,
            launch_executor: message.launch_executor,
        };
        self.launch(cx, launch);
    }

    /// Makes the framework known. `None`: the message is not for this agent as it is now.
    fn accept_launch<'a>(
        &mut self,
        cx: &mut Context<'_>,
        info: v1::FrameworkInfo,
        pid: Option<&str>,
        agents: impl IntoIterator<Item = &'a v1::AgentId>,
    ) -> Option<FrameworkId> {
        let id = FrameworkId::from(info.id.as_ref()?);
        if let Some(other) = agents.into_iter().find(|agent| !self.is_me(agent)) {
            tracing::warn!("ignoring a launch for agent '{}' (the agent's id has changed)", other.value);
            return None;
        }
        if self.master.state == RegistrationState::Terminating || validation::ids::validate(id.as_str()).is_err() {
            return None;
        }
        if !self.frameworks.contains_key(&id) {
            let pid = pid.and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
            let snapshot = Arc::new(FrameworkSnapshot { id: id.clone(), info: Arc::new(info), pid });
            self.gc.unschedule(&paths::framework(&self.config.work_dir, &self.id()?, &id));
            self.store_framework(cx, &snapshot);
            cx.publish(Change::FrameworkAdded(snapshot.clone()));
            self.frameworks.insert(id.clone(), Framework::new(snapshot));
            self.metrics.frameworks_active.set(self.frameworks.len() as i64);
        }
        Some(id)
    }

    pub(crate) fn store_framework(&mut self, cx: &mut Context<'_>, snapshot: &FrameworkSnapshot) {
        self.pending_writes.store(cx, Record::Framework { info: snapshot.info.clone(), pid: snapshot.pid.clone() });
    }

    fn launch(&mut self, cx: &mut Context<'_>, mut launch: Launch) {
        let framework = launch.framework.clone();
        let id = ExecutorId::from(&launch.executor.executor_id);
        launch.executor.framework_id.get_or_insert_with(|| framework.to_proto());
        self.end_drain_without_executors(cx);
        match self.check_launch(&launch, &id) {
            Ok(()) => {
                if self.executor(&framework, &id).is_none() {
                    self.add_executor(cx, &launch, &id);
                }
                self.enqueue(cx, &launch, &id);
            }
            Err(dropped) => self.drop_launch(cx, &launch, &id, dropped),
        }
    }

    fn check_launch(&self, launch: &Launch, id: &ExecutorId) -> Result<(), Dropped> {
        let framework = self.frameworks.get(&launch.framework);
        if framework.is_none_or(|f| f.terminating) {
            let message = "Framework is terminating".to_owned();
            return Err(Dropped {
                reason: Reason::FrameworkRemoved,
                message,
                executor: true,
                action: DropAction::SendExitedExecutor,
            });
        }
        let dropped = |reason, message: &str, action| {
            Err(Dropped { reason, message: message.to_owned(), executor: true, action })
        };
        if self.drain.is_some() {
            let message = "Task was received while agent was already draining";
            return dropped(Reason::AgentDraining, message, DropAction::SendExitedExecutor);
        }
        let current = |version: &internal::ResourceVersionUuid| {
            version.resource_provider_id.is_none() && version.uuid.value == self.resource_version
        };
        if !launch.resource_versions.is_empty() && !launch.resource_versions.iter().any(current) {
            return dropped(
                Reason::InvalidOffers,
                "Task assumes outdated resource state",
                DropAction::SendExitedExecutor,
            );
        }
        // The ids become parts of paths; masters have checked them, but a path out of the work directory must not
        // depend on that.
        let ids = std::iter::once(id.as_str()).chain(launch.tasks.iter().map(|task| task.task_id.value.as_str()));
        for part in ids {
            if let Err(invalid) = validation::ids::validate(part) {
                return dropped(Reason::TaskInvalid, &format!("Invalid id: {invalid}"), DropAction::SendExitedExecutor);
            }
        }
        if let Err(error) = total_of(&launch.executor.resources, &launch.tasks) {
            return dropped(
                Reason::TaskInvalid,
                &format!("Invalid resources: {error}"),
                DropAction::SendExitedExecutor,
            );
        }
        // An operation that made them was lost on the way, or one that takes them away came first.
        if launch.tasks.iter().any(|task| !self.has_checkpointed_resources(&task.resources)) {
            let message = "The checkpointed resources being used by the task or task group are unknown to the agent";
            return dropped(Reason::ResourcesUnknown, message, DropAction::SendExitedExecutor);
        }
        if !self.has_checkpointed_resources(&launch.executor.resources) {
            let message = "The checkpointed resources being used by the executor are unknown to the agent";
            return dropped(Reason::ResourcesUnknown, message, DropAction::SendExitedExecutor);
        }
        let executor = framework.and_then(|f| f.executors.get(id));
        if let Some(task) = launch.tasks.iter().find(|task| self.has_task(&launch.framework, task)) {
            let message = format!("Task has duplicate ID: {}", task.task_id.value);
            return dropped(Reason::TaskInvalid, &message, DropAction::Nothing);
        }
        match (launch.launch_executor, executor) {
            (_, Some(_)) if launch.command_task => {
                let message = "Cannot reuse an already existing executor for a command task";
                dropped(Reason::TaskInvalid, message, DropAction::Nothing)
            }
            (Some(true), Some(_)) => {
                let message = "Master wants to launch executor, but one already exists";
                dropped(Reason::ExecutorTerminated, message, DropAction::EndExecutor)
            }
            (Some(false), None) if !launch.command_task => {
                let message = "No executor is expected to launch and there is none running";
                dropped(Reason::ExecutorTerminated, message, DropAction::Nothing)
            }
            (_, Some(executor)) if !executor.is_live() => {
                let state = if executor.state == ExecutorState::Terminating { "terminating" } else { "terminated" };
                Err(Dropped {
                    reason: Reason::ExecutorTerminated,
                    message: format!("Executor {state}"),
                    executor: false,
                    action: DropAction::Nothing,
                })
            }
            _ => Ok(()),
        }
    }

    fn has_checkpointed_resources(&self, used: &[v1::Resource]) -> bool {
        let used = Resources::from_proto(used).unwrap_or_default().checkpointed().unallocated();
        used.iter().all(|resource| self.agent_resources.total().contains_resource(resource))
    }

    fn has_task(&self, framework: &FrameworkId, task: &v1::TaskInfo) -> bool {
        self.frameworks.get(framework).is_some_and(|f| f.tasks.contains_key(task.task_id.value.as_str()))
    }

    fn drop_launch(&mut self, cx: &mut Context<'_>, launch: &Launch, id: &ExecutorId, dropped: Dropped) {
        let Some(framework) = self.frameworks.get(&launch.framework) else { return };
        let state = framework.dropped_state();
        for task in &launch.tasks {
            if self.has_task(&launch.framework, task) {
                // A second launch of a task that is here: its own updates tell how it fares.
                continue;
            }
            let executor = dropped.executor.then_some(id);
            let report = AgentGenerated::new(state, dropped.reason, dropped.message.clone());
            self.send_generated(cx, &launch.framework, &TaskId::from(&task.task_id), executor, report);
        }
        match dropped.action {
            DropAction::SendExitedExecutor if launch.launch_executor == Some(true) => {
                self.send_exited_executor(cx, &launch.framework, id, None);
            }
            DropAction::EndExecutor => match self.executor(&launch.framework, id).map(|e| e.is_live()) {
                Some(true) => self.end_executor(cx, &launch.framework, id),
                Some(false) => self.send_exited_executor(cx, &launch.framework, id, None),
                None => {}
            },
            _ => {}
        }
        self.remove_framework_if_idle(cx, &launch.framework);
    }

    fn add_executor(&mut self, cx: &mut Context<'_>, launch: &Launch, id: &ExecutorId) {
        let Some(agent) = self.id() else { return };
        let container = ContainerId::new(self.random.uuid().to_string());
        let work_dir = &self.config.work_dir;
        let sandbox = paths::run(work_dir, &agent, &launch.framework, id, &container);
        self.gc.unschedule(&paths::executor(work_dir, &agent, &launch.framework, id));
        let Some(framework) = self.frameworks.get_mut(&launch.framework) else { return };
        let command_user = launch.executor.command.as_ref().and_then(|c| c.user.clone());
        let user = command_user.unwrap_or_else(|| framework.snapshot.info.user.clone());
        let executor = Executor {
            framework: launch.framework.clone(),
            id: id.clone(),
            container: container.clone(),
            info: Arc::new(launch.executor.clone()),
            sandbox,
            user: self.config.switch_user.then_some(user),
            command_task: launch.command_task,
            state: ExecutorState::Registering,
            connection: ExecutorConnection::None,
            pid: None,
            launched_container: false,
            queued: Default::default(),
            tasks: Default::default(),
            kills: Default::default(),
            ever_sent_task: false,
            pending_termination: None,
            allocated: Resources::from_proto(&launch.executor.resources).unwrap_or_default(),
        };
        self.metrics.executor_entered(ExecutorState::Registering);
        self.used += &executor.allocated;
        let record = Record::Executor {
            framework: launch.framework.clone(),
            container: container.clone(),
            info: executor.info.clone(),
            command_task: executor.command_task,
        };
        cx.publish(Change::ExecutorAdded(executor.snapshot()));
        framework.executors.insert(id.clone(), executor);
        self.containers.insert(container, (launch.framework.clone(), id.clone()));
        self.pending_writes.store(cx, record);
    }

    /// The tasks wait for their records, and for their executor to come.
    fn enqueue(&mut self, cx: &mut Context<'_>, launch: &Launch, id: &ExecutorId) {
        let Some(framework) = self.frameworks.get_mut(&launch.framework) else { return };
        let Some(executor) = framework.executors.get_mut(id) else { return };
        self.batches += 1;
        let number = self.batches;
        let container = executor.container.clone();
        let last = launch.tasks.len().saturating_sub(1);
        for (at, info) in launch.tasks.iter().enumerate() {
            let task_id = TaskId::from(&info.task_id);
            // Without an executor id for a command: masters refuse a re-registration that names executors they were
            // not told of.
            let task = Arc::new(new_task(info, &launch.framework));
            executor.tasks.insert(task_id.clone(), task.clone());
            framework.tasks.insert(task_id, id.clone());
            let resources = Resources::from_proto(&info.resources).unwrap_or_default();
            executor.allocated += &resources;
            self.used += &resources;
            self.metrics.task_entered(v1::TaskState::TaskStaging);
            let record =
                Record::Task { framework: launch.framework.clone(), container: container.clone(), task: task.clone() };
            if at == last {
                let continuation = Continuation::Batch {
                    framework: launch.framework.clone(),
                    executor: id.clone(),
                    container: container.clone(),
                    number,
                };
                self.pending_writes.store_then(cx, record, continuation);
            } else {
                self.pending_writes.store(cx, record);
            }
            cx.publish(Change::TaskAdded { container: container.clone(), task });
        }
        let tasks = launch.tasks.iter().cloned().map(Arc::new).collect();
        executor.queued.push_back(Batch { number, tasks, group: launch.group, stored: false });
        cx.publish(Change::ExecutorUpdated(executor.snapshot()));
        self.metrics.set_used(&self.used);
    }

    /// Nothing runs before the records are durable that a restarted agent recognises it by.
    pub(crate) fn batch_stored(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        id: &ExecutorId,
        container: &ContainerId,
        number: u64,
    ) {
        let executor = self.frameworks.get_mut(framework).and_then(|f| f.executors.get_mut(id));
        let Some(executor) = executor.filter(|e| e.container == *container) else { return };
        if let Some(batch) = executor.queued.iter_mut().find(|batch| batch.number == number) {
            batch.stored = true;
        }
        match executor.state {
            ExecutorState::Registering if !executor.launched_container => self.start_container(cx, framework, id),
            ExecutorState::Registering => {}
            ExecutorState::Running => self.deliver_queued(cx, framework, id),
            ExecutorState::Terminating if !executor.launched_container => {
                // Shut down before it was started.
                self.container_never_started(cx, framework, id);
            }
            ExecutorState::Terminating | ExecutorState::Terminated => {}
        }
    }

    fn start_container(&mut self, cx: &mut Context<'_>, framework_id: &FrameworkId, id: &ExecutorId) {
        let Some(agent) = self.id() else { return };
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let Some(executor) = framework.executors.get_mut(id) else { return };
        if executor.has_no_work() {
            // Its task was killed while its record was on the way to the disk.
            return self.container_never_started(cx, framework_id, id);
        }
        executor.launched_container = true;
        let first_task = executor.queued.front().and_then(|batch| batch.tasks.first()).cloned();
        let role = first_task.as_ref().and_then(|task| role_of(&task.resources));
        let parameters = environment::Parameters { agent: &agent, framework, executor: id, role: role.as_ref() };
        let environment = environment::executor_environment(&self.config, &parameters);
        let Some(executor) = framework.executors.get_mut(id) else { return };
        let launch = ContainerLaunch {
            container: executor.container.clone(),
            framework: framework_id.clone(),
            executor: id.clone(),
            executor_info: executor_info_for_launch(executor, &self.config),
            command_task: first_task.filter(|_| executor.command_task),
            sandbox: executor.sandbox.clone(),
            user: executor.user.clone(),
            environment,
            resources: executor.allocated.to_proto(),
            limits: executor_limits(executor, &self.config),
            volumes: container_volumes(&self.config.work_dir, &executor.allocated),
        };
        cx.arm_after(Timer::ExecutorRegistration(launch.container.clone()), self.config.executor_registration_timeout);
        cx.command(Command::Container(ContainerCommand::Launch(Box::new(launch))));
    }

    /// Hands over what is durable, after giving the container the room for it.
    pub(crate) fn deliver_queued(&mut self, cx: &mut Context<'_>, framework_id: &FrameworkId, id: &ExecutorId) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        if framework.terminating {
            return;
        }
        let Some(executor) = framework.executors.get_mut(id) else { return };
        if executor.connection == ExecutorConnection::None || !executor.queued.iter().any(|batch| batch.stored) {
            return;
        }
        cx.command(Command::Container(ContainerCommand::Update {
            container: executor.container.clone(),
            resources: executor.allocated.to_proto(),
            limits: executor_limits(executor, &self.config),
            volumes: container_volumes(&self.config.work_dir, &executor.allocated),
        }));
        let (ready, waiting): (VecDeque<Batch>, _) =
            std::mem::take(&mut executor.queued).into_iter().partition(|batch| batch.stored);
        executor.queued = waiting;
        for batch in &ready {
            executor.ever_sent_task = true;
            executor.deliver_batch(cx, &framework.snapshot, batch);
        }
    }
}

/// A DEFAULT executor comes without a command, and must be reported without one: the agent's own is put in just for
/// the container.
fn executor_info_for_launch(executor: &Executor, config: &Config) -> Arc<v1::ExecutorInfo> {
    if executor.info.r#type() != v1::executor_info::Type::Default || executor.info.command.is_some() {
        return executor.info.clone();
    }
    let mut info = (*executor.info).clone();
    info.command = Some(Box::new(command_task::default_executor_command(config)));
    Arc::new(info)
}

/// Masters before 1.2 leave the role out: then the framework has just one.
#[expect(deprecated, reason = "frameworks without MULTI_ROLE have nothing but `role`")]
fn inject_allocation_info(resources: &mut [v1::Resource], framework: &v1::FrameworkInfo) {
    let role = framework.roles.first().cloned().or_else(|| framework.role.clone());
    let role = role.unwrap_or_else(|| "*".to_owned());
    for resource in resources.iter_mut().filter(|resource| resource.allocation_info.is_none()) {
        resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some(role.clone()) });
    }
}

fn inject_task_allocation_info(task: &mut v1::TaskInfo, framework: &v1::FrameworkInfo) {
    inject_allocation_info(&mut task.resources, framework);
    if let Some(executor) = &mut task.executor {
        inject_allocation_info(&mut executor.resources, framework);
    }
}

fn total_of(executor: &[v1::Resource], tasks: &[v1::TaskInfo]) -> Result<Resources, resources::Error> {
    let mut total = Resources::from_proto(executor)?;
    for task in tasks {
        total += &Resources::from_proto(&task.resources)?;
    }
    Ok(total)
}

/// The role that resources are allocated to.
pub(crate) fn role_of(resources: &[v1::Resource]) -> Option<Role> {
    resources.iter().find_map(|r| r.allocation_info.as_ref()?.role.as_deref().map(Role::new))
}

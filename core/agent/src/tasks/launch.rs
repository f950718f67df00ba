//! The launch of tasks: from a master's RunTask to an executor that has the task.

use std::sync::Arc;

use messages::v1::task_status::Reason;
use messages::{internal, v1};
use model::agent::{Change, ExecutorState, FrameworkSnapshot};
use model::{ContainerId, ExecutorId, FrameworkId, Role, TaskId, Upid};
use resources::Resources;
use validation::bounds;

use crate::config::Config;
use crate::containers::limits::executor_limits;
use crate::containers::{environment, events};
use crate::draining::emptying;
use crate::effects::{Command, ContainerCommand, ContainerLaunch, Context, Record, Timer};
use crate::executors::command_executor;
use crate::frameworks::executor::{Batch, Executor};
use crate::frameworks::index::Frameworks;
use crate::frameworks::task::new_task;
use crate::operations::agent_resources::AgentResources;
use crate::operations::{check_container_paths, container_volumes};
use crate::pending_writes::{Continuation, PendingWrites};
use crate::sandboxes::paths;
use crate::state::State;
use crate::tasks::kill;
use crate::updates::status_update;
use crate::updates::status_update::AgentGenerated;

/// The common parts of RunTask and RunTaskGroup.
struct Launch {
    framework: FrameworkId,
    executor: v1::ExecutorInfo,
    tasks: Vec<v1::TaskInfo>,
    group: bool,
    command_task: bool,
    resource_versions: Vec<internal::ResourceVersionUuid>,
    /// Whether the master expects this launch to start the executor; `None` from masters before 1.7.
    launch_executor: Option<bool>,
}

/// The reason for which a launch is dropped.
struct Dropped {
    reason: Reason,
    message: String,
    /// Whether the update names the executor; Mesos does not name it where the reason is the executor's state.
    executor: bool,
    action: DropAction,
}

enum DropAction {
    /// The master expects an executor that does not exist, and is sent that it has exited.
    SendExitedExecutor,
    /// The executor contradicts the master's state, and is ended.
    EndExecutor,
    Nothing,
}

pub(crate) fn run_task(state: &mut State, cx: &mut Context<'_>, message: internal::RunTaskMessage) {
    let mut task = message.task;
    let Some(framework) = accept_launch(state, cx, message.framework, message.pid.as_deref(), [&task.agent_id]) else {
        return;
    };
    let Some(snapshot) = state.frameworks.get(&framework).map(|f| f.snapshot().clone()) else { return };
    inject_task_allocation_info(&mut task, &snapshot.info);
    let command_task = task.executor.is_none();
    let executor = match task.executor.as_deref() {
        Some(executor) => executor.clone(),
        None => command_executor::executor_for(&task, &snapshot.info, &state.config),
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
    launch_tasks(state, cx, launch);
}

pub(crate) fn run_task_group(state: &mut State, cx: &mut Context<'_>, message: internal::RunTaskGroupMessage) {
    let mut tasks = message.task_group.tasks;
    if tasks.is_empty() {
        return;
    }
    let Some(framework) = accept_launch(state, cx, message.framework, None, tasks.iter().map(|task| &task.agent_id))
    else {
        return;
    };
    let Some(snapshot) = state.frameworks.get(&framework).map(|f| f.snapshot().clone()) else { return };
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
    launch_tasks(state, cx, launch);
}

/// Adds the framework. Returns `None` if the message is not for this agent in its present state.
fn accept_launch<'a>(
    state: &mut State,
    cx: &mut Context<'_>,
    info: v1::FrameworkInfo,
    pid: Option<&str>,
    agents: impl IntoIterator<Item = &'a v1::AgentId>,
) -> Option<FrameworkId> {
    let id = FrameworkId::from(info.id.as_ref()?);
    if let Some(other) = agents.into_iter().find(|agent| !state.identity.is(agent)) {
        tracing::warn!("ignoring a launch for agent '{}' (the agent's id has changed)", other.value);
        return None;
    }
    if state.master.is_terminating() || validation::ids::validate(id.as_str()).is_err() {
        return None;
    }
    if !state.frameworks.contains(&id) {
        let pid = pid.and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
        let snapshot = Arc::new(FrameworkSnapshot { id: id.clone(), info: Arc::new(info), pid });
        state.gc.unschedule(&paths::framework(&state.config.work_dir, &state.identity.id()?, &id));
        store_framework(&mut state.pending_writes, cx, &snapshot);
        cx.publish(Change::FrameworkAdded(snapshot.clone()));
        state.frameworks.add(snapshot);
    }
    Some(id)
}

pub(crate) fn store_framework(pending_writes: &mut PendingWrites, cx: &mut Context<'_>, snapshot: &FrameworkSnapshot) {
    pending_writes.store(cx, Record::Framework { info: snapshot.info.clone(), pid: snapshot.pid.clone() });
}

fn launch_tasks(state: &mut State, cx: &mut Context<'_>, mut launch: Launch) {
    let framework = launch.framework.clone();
    let id = ExecutorId::from(&launch.executor.executor_id);
    launch.executor.framework_id.get_or_insert_with(|| framework.to_proto());
    emptying::end_drain_without_executors(state, cx);
    match check_launch(state, &launch, &id) {
        Ok(()) => {
            if state.frameworks.executor(&framework, &id).is_none() {
                add_executor(state, cx, &launch, &id);
            }
            enqueue(&mut state.frameworks, &mut state.pending_writes, cx, &launch, &id);
        }
        Err(dropped) => drop_launch(state, cx, &launch, &id, dropped),
    }
}

fn check_launch(state: &State, launch: &Launch, id: &ExecutorId) -> Result<(), Dropped> {
    let framework = state.frameworks.get(&launch.framework);
    if framework.is_none_or(|f| f.is_terminating()) {
        let message = "Framework is terminating".to_owned();
        return Err(Dropped {
            reason: Reason::FrameworkRemoved,
            message,
            executor: true,
            action: DropAction::SendExitedExecutor,
        });
    }
    let dropped =
        |reason, message: &str, action| Err(Dropped { reason, message: message.to_owned(), executor: true, action });
    if state.drain.is_under_way() {
        let message = "Task was received while agent was already draining";
        return dropped(Reason::AgentDraining, message, DropAction::SendExitedExecutor);
    }
    let current = |version: &internal::ResourceVersionUuid| {
        version.resource_provider_id.is_none() && state.identity.is_resource_version(&version.uuid.value)
    };
    if !launch.resource_versions.is_empty() && !launch.resource_versions.iter().any(current) {
        return dropped(Reason::InvalidOffers, "Task assumes outdated resource state", DropAction::SendExitedExecutor);
    }
    // The ids become parts of paths. Masters have checked them, but a path out of the work directory must not depend on
    // that.
    let ids = std::iter::once(id.as_str()).chain(launch.tasks.iter().map(|task| task.task_id.value.as_str()));
    for part in ids {
        if let Err(invalid) = validation::ids::validate(part) {
            return dropped(Reason::TaskInvalid, &format!("Invalid id: {invalid}"), DropAction::SendExitedExecutor);
        }
    }
    if let Err(invalid) = check_bounds(launch) {
        return dropped(Reason::TaskInvalid, invalid.reason(), DropAction::SendExitedExecutor);
    }
    let total = match total_of(&launch.executor.resources, &launch.tasks) {
        Ok(total) => total,
        Err(error) => {
            let message = format!("Invalid resources: {error}");
            return dropped(Reason::TaskInvalid, &message, DropAction::SendExitedExecutor);
        }
    };
    // An operation that made the resources was lost, or one that removes them was applied first.
    if launch.tasks.iter().any(|task| !has_checkpointed_resources(&state.agent_resources, &task.resources)) {
        let message = "The checkpointed resources being used by the task or task group are unknown to the agent";
        return dropped(Reason::ResourcesUnknown, message, DropAction::SendExitedExecutor);
    }
    if !has_checkpointed_resources(&state.agent_resources, &launch.executor.resources) {
        let message = "The checkpointed resources being used by the executor are unknown to the agent";
        return dropped(Reason::ResourcesUnknown, message, DropAction::SendExitedExecutor);
    }
    let executor = framework.and_then(|f| f.executor(id));
    let mut together = total;
    together += &executor.map(|executor| executor.allocated().clone()).unwrap_or_default();
    if let Err(error) = check_container_paths(&together) {
        return dropped(Reason::TaskInvalid, &error.to_string(), DropAction::SendExitedExecutor);
    }
    if let Some(task) = launch.tasks.iter().find(|task| has_task(&state.frameworks, &launch.framework, task)) {
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
            let state = if executor.is_terminated() { "terminated" } else { "terminating" };
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

/// Checks the lists whose elements cost the agent more than memory, since a master of Mesos has not checked them.
fn check_bounds(launch: &Launch) -> Result<(), validation::ValidationError> {
    if launch.group {
        bounds::GROUP_TASKS.check(launch.tasks.len())?;
    }
    launch.tasks.iter().try_for_each(bounds::validate_task)?;
    bounds::validate_executor(&launch.executor)
}

fn has_checkpointed_resources(agent_resources: &AgentResources, used: &[v1::Resource]) -> bool {
    let used = Resources::from_proto(used).unwrap_or_default().checkpointed().unallocated();
    used.iter().all(|resource| agent_resources.total().contains_resource(resource))
}

fn has_task(frameworks: &Frameworks, framework: &FrameworkId, task: &v1::TaskInfo) -> bool {
    frameworks.has_task(framework, &TaskId::from(&task.task_id))
}

fn drop_launch(state: &mut State, cx: &mut Context<'_>, launch: &Launch, id: &ExecutorId, dropped: Dropped) {
    let Some(framework) = state.frameworks.get(&launch.framework) else { return };
    let dropped_state = framework.dropped_state();
    for task in &launch.tasks {
        if has_task(&state.frameworks, &launch.framework, task) {
            // This is a second launch of a known task, whose own updates report its state.
            continue;
        }
        let executor = dropped.executor.then_some(id);
        let report = AgentGenerated::new(dropped_state, dropped.reason, dropped.message.clone());
        status_update::send_generated(state, cx, &launch.framework, &TaskId::from(&task.task_id), executor, report);
    }
    match dropped.action {
        DropAction::SendExitedExecutor if launch.launch_executor == Some(true) => {
            events::send_exited_executor(&state.identity, &state.master, cx, &launch.framework, id, None);
        }
        DropAction::EndExecutor => match state.frameworks.executor(&launch.framework, id).map(|e| e.is_live()) {
            Some(true) => kill::end_executor(state, cx, &launch.framework, id),
            Some(false) => {
                events::send_exited_executor(&state.identity, &state.master, cx, &launch.framework, id, None)
            }
            None => {}
        },
        DropAction::SendExitedExecutor | DropAction::Nothing => {}
    }
    events::remove_framework_if_idle(state, cx, &launch.framework);
}

fn add_executor(state: &mut State, cx: &mut Context<'_>, launch: &Launch, id: &ExecutorId) {
    let Some(agent) = state.identity.id() else { return };
    let container = ContainerId::new(state.random.uuid().to_string());
    let work_dir = &state.config.work_dir;
    let sandbox = paths::run(work_dir, &agent, &launch.framework, id, &container);
    state.gc.unschedule(&paths::executor(work_dir, &agent, &launch.framework, id));
    let Some(framework) = state.frameworks.get(&launch.framework) else { return };
    let command_user = launch.executor.command.as_ref().and_then(|c| c.user.clone());
    let user = command_user.unwrap_or_else(|| framework.snapshot().info.user.clone());
    let executor = Executor::new(
        launch.framework.clone(),
        Arc::new(launch.executor.clone()),
        container.clone(),
        sandbox,
        state.config.switch_user.then_some(user),
        launch.command_task,
    );
    let record = Record::Executor {
        framework: launch.framework.clone(),
        container,
        info: executor.info().clone(),
        command_task: executor.is_command_task(),
    };
    cx.publish(Change::ExecutorAdded(executor.snapshot()));
    state.frameworks.add_executor(executor);
    state.pending_writes.store(cx, record);
}

/// Queues the tasks until their records are durable and their executor has registered.
fn enqueue(
    frameworks: &mut Frameworks,
    pending_writes: &mut PendingWrites,
    cx: &mut Context<'_>,
    launch: &Launch,
    id: &ExecutorId,
) {
    let Some(executor) = frameworks.executor(&launch.framework, id) else { return };
    let container = executor.container().clone();
    let number = frameworks.next_batch();
    let last = launch.tasks.len().saturating_sub(1);
    for (at, info) in launch.tasks.iter().enumerate() {
        // A command task has no executor id: masters refuse a re-registration that names executors they were not told
        // of.
        let task = Arc::new(new_task(info, &launch.framework));
        frameworks.add_task(&launch.framework, id, task.clone());
        let record =
            Record::Task { framework: launch.framework.clone(), container: container.clone(), task: task.clone() };
        if at == last {
            let continuation = Continuation::Batch {
                framework: launch.framework.clone(),
                executor: id.clone(),
                container: container.clone(),
                number,
            };
            pending_writes.store_then(cx, record, continuation);
        } else {
            pending_writes.store(cx, record);
        }
        cx.publish(Change::TaskAdded { container: container.clone(), task });
    }
    let tasks = launch.tasks.iter().cloned().map(Arc::new).collect();
    let batch = Batch { number, tasks, group: launch.group, stored: false };
    frameworks.enqueue(&launch.framework, id, batch);
    frameworks.publish_executor(cx, &launch.framework, id);
}

/// Continues once the records by which a restarted agent recognises the tasks are durable; nothing runs before.
pub(crate) fn batch_stored(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
    container: &ContainerId,
    number: u64,
) {
    let executor = state.frameworks.executor_mut(framework, id);
    let Some(executor) = executor.filter(|e| e.container() == container) else { return };
    executor.batch_stored(number);
    match executor.state() {
        ExecutorState::Registering if !executor.is_launch_requested() => start_container(state, cx, framework, id),
        ExecutorState::Registering => {}
        ExecutorState::Running => deliver_queued(&mut state.frameworks, &state.config, cx, framework, id),
        ExecutorState::Terminating if !executor.is_launch_requested() => {
            // The executor was shut down before it was started.
            events::container_never_started(state, cx, framework, id);
        }
        ExecutorState::Terminating | ExecutorState::Terminated => {}
    }
}

fn start_container(state: &mut State, cx: &mut Context<'_>, framework_id: &FrameworkId, id: &ExecutorId) {
    let Some(agent) = state.identity.id() else { return };
    let Some(executor) = state.frameworks.executor_mut(framework_id, id) else { return };
    if executor.has_no_work() {
        // The executor's task was killed while the record was being written.
        return events::container_never_started(state, cx, framework_id, id);
    }
    executor.request_launch();
    let first_task = executor.first_queued().cloned();
    let role = first_task.as_ref().and_then(|task| role_of(&task.resources));
    let Some(framework) = state.frameworks.get(framework_id) else { return };
    let parameters = environment::Parameters { agent: &agent, framework, executor: id, role: role.as_ref() };
    let environment = environment::executor_environment(&state.config, &parameters);
    let Some(executor) = framework.executor(id) else { return };
    let launch = ContainerLaunch {
        container: executor.container().clone(),
        framework: framework_id.clone(),
        executor: id.clone(),
        executor_info: executor_info_for_launch(executor, &state.config),
        command_task: first_task
            .filter(|_| executor.is_command_task())
            .map(|task| with_default_container(task, &state.config)),
        sandbox: executor.sandbox().to_owned(),
        user: executor.user().map(str::to_owned),
        environment,
        resources: executor.allocated().to_proto(),
        limits: executor_limits(executor, &state.config),
        volumes: container_volumes(&state.config.work_dir, executor.allocated()),
    };
    cx.arm_after(Timer::ExecutorRegistration(launch.container.clone()), state.config.executor_registration_timeout);
    cx.command(Command::Container(ContainerCommand::Launch(Box::new(launch))));
}

/// Delivers the durable batches, after giving the container the resources for them.
pub(crate) fn deliver_queued(
    frameworks: &mut Frameworks,
    config: &Config,
    cx: &mut Context<'_>,
    framework_id: &FrameworkId,
    id: &ExecutorId,
) {
    let Some(framework) = frameworks.get(framework_id) else { return };
    if framework.is_terminating() {
        return;
    }
    let snapshot = framework.snapshot().clone();
    let Some(executor) = frameworks.executor_mut(framework_id, id).filter(|executor| executor.is_connected()) else {
        return;
    };
    let stored = executor.take_stored();
    if stored.is_empty() {
        return;
    }
    cx.command(Command::Container(ContainerCommand::Update {
        container: executor.container().clone(),
        resources: executor.allocated().to_proto(),
        limits: executor_limits(executor, config),
        volumes: container_volumes(&config.work_dir, executor.allocated()),
    }));
    for batch in &stored {
        executor.deliver_batch(cx, &snapshot, batch);
    }
}

/// Returns the executor for the launch. A DEFAULT executor comes without a command, and must be reported without one:
/// the agent's own command is set for the container only. So is the agent's description of a container
/// (`Slave::launchExecutor` of Mesos).
fn executor_info_for_launch(executor: &Executor, config: &Config) -> Arc<v1::ExecutorInfo> {
    let info = executor.info();
    let needs_command = info.r#type() == v1::executor_info::Type::Default && info.command.is_none();
    let container = config.default_container_info.as_ref().filter(|_| info.container.is_none());
    if !needs_command && container.is_none() {
        return info.clone();
    }
    let mut info = (**info).clone();
    if needs_command {
        info.command = Some(Box::new(command_executor::default_executor_command(config)));
    }
    info.container = info.container.or_else(|| container.cloned());
    Arc::new(info)
}

/// Returns a command task for the launch, with the agent's description of a container if it has none.
fn with_default_container(task: Arc<v1::TaskInfo>, config: &Config) -> Arc<v1::TaskInfo> {
    match &config.default_container_info {
        Some(container) if task.container.is_none() => {
            Arc::new(v1::TaskInfo { container: Some(container.clone()), ..(*task).clone() })
        }
        _ => task,
    }
}

/// Sets the role that masters before 1.2 leave out: the framework then has exactly one.
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

/// Returns the role that resources are allocated to.
pub(crate) fn role_of(resources: &[v1::Resource]) -> Option<Role> {
    resources.iter().find_map(|r| r.allocation_info.as_ref()?.role.as_deref().map(Role::new))
}

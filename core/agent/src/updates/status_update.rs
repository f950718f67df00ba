//! The way of a status update: from an executor (or the agent itself) into the task's state, to the disk, to the
//! master, and its acknowledgement back.

use std::sync::Arc;
use std::time::Duration;

use messages::v1::TaskState;
use messages::v1::task_status::{Reason, Source};
use messages::{internal, v1};
use model::agent::Change;
use model::{ExecutorId, FrameworkId, TaskId, Upid, is_terminal};

use crate::config::Config;
use crate::containers::events;
use crate::effects::{Context, Record, Timer};
use crate::frameworks::executor::Executor;
use crate::frameworks::framework::is_partition_aware;
use crate::frameworks::index::Frameworks;
use crate::frameworks::task::task_state;
use crate::pending_writes::Continuation;
use crate::registration::identity::Identity;
use crate::state::State;
use crate::tasks::kill;
use crate::updates::status_update_manager::{AcknowledgeResult, Origin, PushResult};

/// What the agent itself has to say about a task.
#[derive(Debug, Clone)]
pub(crate) struct AgentGenerated {
    /// The state of the task.
    pub state: TaskState,
    /// Why.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The resources that were exceeded, if that is why.
    pub limitation: Vec<v1::Resource>,
}

impl AgentGenerated {
    /// Creates a report without a limitation.
    pub fn new(state: TaskState, reason: Reason, message: impl Into<String>) -> Self {
        AgentGenerated { state, reason, message: message.into(), limitation: Vec::new() }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum UpdateRejected {
    #[error("{0}")]
    Invalid(&'static str),
    #[error("too many unacknowledged status updates of this task")]
    Full,
}

/// An update made by the agent for a task of a framework it knows.
pub(crate) fn send_generated(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    executor: Option<&ExecutorId>,
    report: AgentGenerated,
) {
    let update = generated_status_update(state, cx, framework, task, executor, report);
    if let Err(refused) = status_update(state, cx, update, Origin::Agent) {
        tracing::warn!("dropped an update of task {task:?} of framework {framework}: {refused}");
    }
}

/// The same for a task of a framework that need not be known.
pub(crate) fn send_generated_for_unknown_task(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    report: AgentGenerated,
) {
    let update = generated_status_update(state, cx, framework, task, None, report);
    // The agent's own updates are never refused.
    let _ = push_update(state, cx, update, TaskState::TaskUnknown, Origin::Agent);
}

fn generated_status_update(
    state: &mut State,
    cx: &Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    executor: Option<&ExecutorId>,
    report: AgentGenerated,
) -> internal::StatusUpdate {
    let uuid = state.random.uuid().as_bytes().to_vec();
    let timestamp = cx.now.wall.secs_f64();
    let limitation =
        (!report.limitation.is_empty()).then(|| Box::new(v1::TaskResourceLimitation { resources: report.limitation }));
    let status = v1::TaskStatus {
        task_id: task.to_proto(),
        state: report.state as i32,
        message: Some(report.message),
        agent_id: Some(state.identity.proto()),
        timestamp: Some(timestamp),
        executor_id: executor.map(ExecutorId::to_proto),
        source: Some(Source::Agent as i32),
        reason: Some(report.reason as i32),
        uuid: Some(uuid.clone()),
        limitation,
        ..Default::default()
    };
    internal::StatusUpdate {
        framework_id: framework.to_proto(),
        executor_id: executor.map(ExecutorId::to_proto),
        slave_id: Some(state.identity.proto()),
        status,
        timestamp,
        uuid: Some(uuid),
        latest_state: None,
    }
}

/// The update of an HTTP executor, in the form the driver protocol gives it.
pub(crate) fn http_update(
    state: &State,
    cx: &Context<'_>,
    framework: &FrameworkId,
    status: v1::TaskStatus,
) -> internal::StatusUpdate {
    let mut status = status;
    status.agent_id.get_or_insert_with(|| state.identity.proto());
    let timestamp = status.timestamp.unwrap_or_else(|| cx.now.wall.secs_f64());
    internal::StatusUpdate {
        framework_id: framework.to_proto(),
        executor_id: status.executor_id.clone(),
        slave_id: Some(state.identity.proto()),
        uuid: status.uuid.clone(),
        timestamp,
        status,
        latest_state: None,
    }
}

pub(crate) fn status_update(
    state: &mut State,
    cx: &mut Context<'_>,
    mut update: internal::StatusUpdate,
    origin: Origin,
) -> Result<(), UpdateRejected> {
    let result = accept_update(state, cx, &mut update, &origin);
    match result {
        Ok(UpdateAction::Push { before }) => push_update(state, cx, update, before, origin),
        Ok(UpdateAction::Done) => Ok(()),
        // The task is over, or the executor was told so: nothing is forwarded, yet the sender can forget it.
        Ok(UpdateAction::Superseded) => {
            acknowledge_durable(&state.frameworks, &state.identity, cx, &update, origin);
            Ok(())
        }
        Err(refused) => {
            state.metrics.invalid_status_updates.increment();
            Err(refused)
        }
    }
}

/// Checks an update and applies it to the task it is about.
fn accept_update(
    state: &mut State,
    cx: &mut Context<'_>,
    update: &mut internal::StatusUpdate,
    origin: &Origin,
) -> Result<UpdateAction, UpdateRejected> {
    let Some(uuid) = update.uuid.clone().filter(|uuid| uuid.len() == 16) else {
        return Err(UpdateRejected::Invalid("status update without a valid 'uuid'"));
    };
    let mine = |id: &Option<v1::AgentId>| id.is_some() && *id == state.identity.info().id;
    if !mine(&update.slave_id) || !mine(&update.status.agent_id) {
        return Err(UpdateRejected::Invalid("status update for another agent"));
    }
    let framework_id = FrameworkId::from(&update.framework_id);
    let Some(framework) = state.frameworks.get_mut(&framework_id) else {
        return Err(UpdateRejected::Invalid("status update for an unknown framework"));
    };
    if framework.is_terminating() {
        return Err(UpdateRejected::Invalid("status update for a terminating framework"));
    }
    let task = TaskId::from(&update.status.task_id);
    if state.status_updates.knows(&framework_id, &task, &uuid) {
        return Ok(UpdateAction::PUSH_FOR_UNKNOWN_TASK);
    }
    let status = &mut update.status;
    status.uuid = Some(uuid);
    status.timestamp.get_or_insert(update.timestamp);
    status.source = Some(if *origin == Origin::Agent { Source::Agent } else { Source::Executor } as i32);
    if update.executor_id.is_some() {
        status.executor_id = update.executor_id.clone();
    }
    if let Some(config) = state.drain.config() {
        set_draining_reason(status, config, is_partition_aware(&framework.snapshot().info));
    }
    let task_is = task_state(status.state);
    let Some(executor) = framework.executor_of(&task) else {
        state.metrics.valid_status_updates.increment();
        return Ok(UpdateAction::PUSH_FOR_UNKNOWN_TASK);
    };
    if *origin != Origin::Agent && task_is == TaskState::TaskStaging {
        // Only the agent may call a task staging; an executor that does so is broken.
        tracing::error!("executor {:?} sent TASK_STAGING for task {task:?}: shutting it down", executor.id);
        let executor = executor.id.clone();
        kill::end_executor(state, cx, &framework_id, &executor);
        return Ok(UpdateAction::Done);
    }
    state.metrics.valid_status_updates.increment();
    if status.executor_id.is_none() {
        status.executor_id = Some(executor.id.to_proto());
        update.executor_id = Some(executor.id.to_proto());
    }
    let queued = executor.is_queued(&task);
    let never_ran = queued || (*origin == Origin::Agent && is_dropped(task_is));
    if !never_ran && !executor.is_terminated() {
        describe_container(status, executor, &state.config.pid);
    }
    let executor = executor.id.clone();
    Ok(apply_status(&state.config, &mut state.frameworks, cx, &framework_id, &executor, &task, &update.status))
}

/// The task's own state follows the update, whoever acknowledges it later.
fn apply_status(
    config: &Config,
    frameworks: &mut Frameworks,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    id: &ExecutorId,
    task: &TaskId,
    status: &v1::TaskStatus,
) -> UpdateAction {
    let Some(executor) = frameworks.executor_mut(framework, id) else {
        return UpdateAction::PUSH_FOR_UNKNOWN_TASK;
    };
    let Some(entry) = executor.tasks().get(task) else { return UpdateAction::PUSH_FOR_UNKNOWN_TASK };
    let before = task_state(entry.state);
    let after = task_state(status.state);
    if is_terminal(before) {
        return UpdateAction::Superseded;
    }
    if executor.is_queued(task) && !is_terminal(after) {
        tracing::warn!("executor {:?} reports on task {task:?}, which it was never given", executor.id);
        return UpdateAction::Superseded;
    }
    if is_terminal(after) {
        executor.dequeue(task);
    }
    let container = executor.container.clone();
    if let Some(entry) = frameworks.set_status(framework, task, status) {
        cx.publish(Change::TaskUpdated { container, task: entry.clone() });
        if is_terminal(after) {
            events::release(frameworks, config, cx, framework, id, &entry.resources);
        }
    }
    UpdateAction::Push { before }
}

/// Into the task's stream, and to the disk.
fn push_update(
    state: &mut State,
    cx: &mut Context<'_>,
    update: internal::StatusUpdate,
    before: TaskState,
    origin: Origin,
) -> Result<(), UpdateRejected> {
    let update = Arc::new(update);
    match state.status_updates.push(update.clone(), before, origin.clone()) {
        PushResult::New => {
            let framework = FrameworkId::from(&update.framework_id);
            let task = TaskId::from(&update.status.task_id);
            let uuid = update.uuid.clone().unwrap_or_default();
            let record = Record::Update {
                framework: framework.clone(),
                task: task.clone(),
                status: Arc::new(update.status.clone()),
            };
            state.pending_writes.store_then(cx, record, Continuation::Update { framework, task, uuid });
            Ok(())
        }
        PushResult::Pending => Ok(()),
        PushResult::Durable => {
            acknowledge_durable(&state.frameworks, &state.identity, cx, &update, origin);
            Ok(())
        }
        PushResult::Full => Err(UpdateRejected::Full),
    }
}

pub(crate) fn update_stored(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    uuid: &[u8],
) {
    let Some(origin) = state.status_updates.stored(framework, task, uuid) else { return };
    acknowledge_to_executor(&state.frameworks, &state.identity, cx, framework, task, uuid, origin);
    forward_next(state, cx, framework, task);
}

fn acknowledge_durable(
    frameworks: &Frameworks,
    identity: &Identity,
    cx: &mut Context<'_>,
    update: &internal::StatusUpdate,
    origin: Origin,
) {
    let framework = FrameworkId::from(&update.framework_id);
    let task = TaskId::from(&update.status.task_id);
    acknowledge_to_executor(
        frameworks,
        identity,
        cx,
        &framework,
        &task,
        update.uuid.as_deref().unwrap_or_default(),
        origin,
    );
}

/// The executor may forget an update once the agent cannot.
fn acknowledge_to_executor(
    frameworks: &Frameworks,
    identity: &Identity,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    uuid: &[u8],
    origin: Origin,
) {
    match origin {
        Origin::Agent => {}
        Origin::Driver(pid) => {
            let message = internal::StatusUpdateAcknowledgementMessage {
                slave_id: identity.proto(),
                framework_id: framework.to_proto(),
                task_id: task.to_proto(),
                uuid: uuid.to_vec(),
            };
            cx.send(&pid, message);
        }
        Origin::Http => {
            if let Some(executor) = frameworks.executor_of(framework, task) {
                executor.acknowledge(cx, task, uuid);
            }
        }
    }
}

pub(crate) fn forward_next(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, task: &TaskId) {
    if !state.master.is_registered() {
        return;
    }
    if let Some((update, wait)) = state.status_updates.forward_first(framework, task) {
        forward(state, cx, framework, task, &update, wait);
    }
}

pub(crate) fn retry_update(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, task: &TaskId) {
    if !state.master.is_registered() {
        return;
    }
    if let Some((update, wait)) = state.status_updates.retry(framework, task) {
        forward(state, cx, framework, task, &update, wait);
    }
}

/// To the master, with the state the task has by now, as far as that is durable: the update may be an old one.
fn forward(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &TaskId,
    update: &internal::StatusUpdate,
    wait: Duration,
) {
    let Some(master) = state.master.pid().cloned() else { return };
    let mut update = update.clone();
    if let Some(executor) = state.frameworks.executor_of(framework, task)
        && let Some(entry) = executor.tasks().get(task)
    {
        let durable = state.status_updates.durable_state(framework, task);
        update.latest_state = Some(durable.map_or(entry.state, |state| state as i32));
        let container = executor.container.clone();
        // A repeated update tells readers nothing new.
        if let Some(task) = state.frameworks.set_forwarded(framework, task, &update) {
            cx.publish(Change::TaskUpdated { container, task });
        }
    }
    let message = internal::StatusUpdateMessage { update, pid: Some(state.config.pid.to_string()) };
    cx.send(&master, message);
    cx.arm_after(Timer::UpdateRetry(framework.clone(), task.clone()), wait);
}

pub(crate) fn acknowledgement(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::StatusUpdateAcknowledgementMessage,
) {
    // Old drivers acknowledge directly; a master does so only while it leads.
    let by_master = from.id.starts_with("master");
    if by_master && !(state.master.is_registered() && state.master.leads(from)) {
        tracing::warn!("ignoring an acknowledgement from {from}: not the leading master");
        return;
    }
    if !state.identity.is(&message.slave_id) {
        return;
    }
    let framework = FrameworkId::from(&message.framework_id);
    let task = TaskId::from(&message.task_id);
    let acknowledged = state.status_updates.acknowledge(&framework, &task, &message.uuid);
    if acknowledged == AcknowledgeResult::Unexpected {
        tracing::debug!("ignoring an acknowledgement of task {task:?}: that update is not in flight");
        return;
    }
    let record = Record::Acknowledged { framework: framework.clone(), task: task.clone(), uuid: message.uuid };
    let retry = Timer::UpdateRetry(framework.clone(), task.clone());
    if acknowledged == AcknowledgeResult::Closed {
        state.pending_writes.store(cx, record);
        cx.disarm(retry);
        return task_completed(state, cx, &framework, &task);
    }
    state.pending_writes.store_then(cx, record, Continuation::Acknowledged { framework, task });
    cx.disarm(retry);
}

/// Mesos forwards the next update when the acknowledgement is written; a machine that loses power before it is
/// durable would send an update after its successor.
pub(crate) fn acknowledgement_stored(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, task: &TaskId) {
    state.status_updates.acknowledgement_stored(framework, task);
    forward_next(state, cx, framework, task);
}

/// The framework knows the end of the task: nothing is left to do for it.
fn task_completed(state: &mut State, cx: &mut Context<'_>, framework_id: &FrameworkId, task: &TaskId) {
    let Some(removed) = state.frameworks.remove_task(framework_id, task) else { return };
    cx.publish(Change::TaskCompleted {
        container: removed.container,
        framework: framework_id.clone(),
        task: task.clone(),
    });
    if removed.was_last_of_ended {
        events::remove_executor(state, cx, framework_id, &removed.executor);
    }
    events::remove_framework_if_idle(state, cx, framework_id);
}

/// What becomes of an update that was accepted.
#[derive(Debug, PartialEq, Eq)]
enum UpdateAction {
    Push {
        /// The state of the task until this update.
        before: TaskState,
    },
    /// Consumed without a trace.
    Done,
    /// Not forwarded: the task has already ended in another way.
    Superseded,
}

impl UpdateAction {
    /// Of a task that is not here.
    const PUSH_FOR_UNKNOWN_TASK: UpdateAction = UpdateAction::Push { before: TaskState::TaskUnknown };
}

/// TASK_DROPPED and TASK_LOST of the agent's own making speak of tasks that are in no container.
fn is_dropped(state: TaskState) -> bool {
    matches!(state, TaskState::TaskDropped | TaskState::TaskLost)
}

/// While draining, what is killed is killed by the drain.
fn set_draining_reason(status: &mut v1::TaskStatus, drain: &v1::DrainConfig, partition_aware: bool) {
    let state = task_state(status.state);
    if matches!(state, TaskState::TaskKilling | TaskState::TaskKilled) {
        status.reason = Some(Reason::AgentDraining as i32);
        if drain.mark_gone.unwrap_or(false) && partition_aware && state == TaskState::TaskKilled {
            status.state = TaskState::TaskGoneByOperator as i32;
        }
    }
}

/// Service discovery of frameworks reads these: the container, the executor's process, and an address, which is
/// the agent's own unless the container has one.
fn describe_container(status: &mut v1::TaskStatus, executor: &Executor, agent: &Upid) {
    let container = status.container_status.get_or_insert_default();
    if container.container_id.is_none() {
        container.container_id = Some(Box::new(v1::ContainerId::from(&executor.container)));
    }
    if container.executor_pid.is_none() {
        container.executor_pid = executor.pid();
    }
    if container.network_infos.is_empty() {
        let address = v1::network_info::IpAddress { protocol: None, ip_address: Some(agent.address.ip().to_string()) };
        container.network_infos.push(v1::NetworkInfo { ip_addresses: vec![address], ..Default::default() });
    }
}

//! Effects in words.

use agent::{Command, ContainerCommand, Effect, Record, Timer, VolumeChange};
use messages::v1::executor::{Event, event};
use messages::{Message, internal, v1};
use model::Now;
use model::agent::Change;
use resources::Resources;

use super::Names;

/// Returns the line of an effect; `None` for those that scenarios do not show, such as changes for readers.
pub fn line(effect: &Effect, names: &mut Names, now: Now) -> Option<String> {
    Some(match effect {
        Effect::Reply { response: answer, .. } => {
            let text = match &answer.termination {
                None => answer.body.clone(),
                Some(end) => termination(end),
            };
            known(format!("reply {} {text}", answer.status as u16).trim_end(), names)
        }
        Effect::Event { stream, event } => format!("event on {}: {}", stream.0.as_u128(), self::event(event, names)),
        Effect::CloseStream(stream) => format!("close {}", stream.0.as_u128()),
        Effect::Send { to, message, .. } => format!("send {to}: {}", self::message(message, names)),
        Effect::Link(address) => format!("link {address}"),
        Effect::Unlink(address) => format!("unlink {address}"),
        // The timer fires every minute in every scenario.
        Effect::Arm { timer: Timer::DiskWatch, .. } | Effect::Command(Command::Measure(Timer::DiskWatch)) => {
            return None;
        }
        Effect::Arm { timer, at } => {
            let after = at.since(now.monotonic);
            let timer = format!("{timer:?}");
            // The waits of registrations are random, so a scenario shows only that there is one. Another test checks
            // their length.
            if timer == "Register" {
                "arm Register".to_owned()
            } else {
                format!("arm {} {after:?}", known(&timer, names))
            }
        }
        Effect::Disarm(timer) => format!("disarm {}", known(&format!("{timer:?}"), names)),
        Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => {
            let what = if launch.command_task.is_some() { "command " } else { "" };
            format!("start {what}{} in {}", launch.executor, names.container(launch.container.as_str()))
        }
        Effect::Command(Command::Container(ContainerCommand::Update { container, resources, .. })) => {
            format!("update {} to {}", names.container(container.as_str()), amounts(resources))
        }
        Effect::Command(Command::Container(ContainerCommand::Destroy { container }))
            if container.parent().is_none() =>
        {
            format!("destroy {}", names.container(container.as_str()))
        }
        Effect::Command(Command::Container(ContainerCommand::Destroy { container })) => {
            known(&format!("destroy {container}"), names)
        }
        Effect::Command(Command::Container(ContainerCommand::LaunchNested(launch))) => {
            let what = if launch.session { "session" } else { "nested" };
            let user = launch.user.as_deref().unwrap_or("the agent's user");
            known(&format!("start {what} {} as {user} in {}", launch.container, launch.sandbox.display()), names)
        }
        Effect::Command(Command::Container(ContainerCommand::Signal { container, signal, .. })) => {
            known(&format!("signal {signal} to {container}"), names)
        }
        Effect::Command(Command::Container(ContainerCommand::Remove { container, .. })) => {
            known(&format!("remove files of {container}"), names)
        }
        Effect::Command(Command::Volumes { changes, .. }) => {
            changes.iter().map(volume_change).collect::<Vec<_>>().join("\n")
        }
        Effect::Command(Command::Measure(due)) => format!("measure for {due:?}"),
        Effect::Store { record, .. } => format!("store {}", self::record(record, names)?),
        Effect::Command(Command::RemoveTree(path)) => format!("remove {}", known(&path.to_string_lossy(), names)),
        Effect::Command(Command::Terminate(reason)) => format!("terminate: {reason}"),
        Effect::Publish(_) => return None,
    })
}

fn termination(end: &v1::agent::response::WaitContainer) -> String {
    let state = end.state.map(|state| format!(" {}", short(state))).unwrap_or_default();
    let reason = end.reason.map(|_| format!(" {}", end.reason().as_str_name())).unwrap_or_default();
    let message = end.message.as_deref().map(|message| format!(" '{message}'")).unwrap_or_default();
    let limited = end.limitation.as_ref().map(|limitation| format!(" {}", amounts(&limitation.resources)));
    let status = end.exit_status.map_or("unknown".to_owned(), |status| status.to_string());
    format!("status {status}{state}{reason}{message}{}", limited.unwrap_or_default())
}

pub fn change(effect: &Effect, names: &mut Names) -> Option<String> {
    let Effect::Publish(change) = effect else { return None };
    let task = |task: &v1::Task| match task.status_update_state {
        None => format!("{} {}", task.task_id.value, short(task.state)),
        Some(forwarded) => format!("{} {}, forwarded {}", task.task_id.value, short(task.state), short(forwarded)),
    };
    Some(match change {
        Change::Agent { registered, info, .. } => {
            let id = info.id.as_ref().map_or("-", |id| &id.value);
            format!("agent {id} {}", if *registered { "registered" } else { "not registered" })
        }
        Change::Operations(operations) => format!("{} operations", operations.len()),
        Change::FrameworkAdded(framework) => format!("framework {}", framework.id),
        Change::FrameworkRemoved(id) => format!("framework {id} removed"),
        Change::ExecutorAdded(executor) => format!("executor {} {:?}", executor.id, executor.state),
        Change::ExecutorUpdated(executor) => {
            format!("executor {} {:?} {}", executor.id, executor.state, amounts(&executor.resources.to_proto()))
        }
        Change::ExecutorRemoved { executor, .. } => format!("executor {executor} removed"),
        Change::TaskAdded { task: t, .. } | Change::TaskUpdated { task: t, .. } => format!("task {}", task(t)),
        Change::TaskCompleted { task, .. } => format!("task {task} completed"),
        Change::CompletedFrameworkRecovered { framework, executors } => {
            format!("framework {} had {}", framework.id, recovered_completed(executors))
        }
        Change::CompletedExecutorsRecovered { framework, executors } => {
            format!("framework {framework} had {}", recovered_completed(executors))
        }
        Change::CompletedTasksRecovered { tasks, .. } => format!("tasks {} were completed", task_names(tasks)),
        Change::SandboxRemoved(path) => format!("removed {}", known(&path.to_string_lossy(), names)),
    })
}

fn recovered_completed(executors: &[model::agent::RecoveredCompletedExecutor]) -> String {
    let one = |e: &model::agent::RecoveredCompletedExecutor| {
        format!("executor {} with {}", e.snapshot.id, task_names(&e.tasks))
    };
    executors.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn task_names(tasks: &[std::sync::Arc<v1::Task>]) -> String {
    let one = |task: &std::sync::Arc<v1::Task>| format!("{} {}", task.task_id.value, short(task.state));
    tasks.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Returns the line of a record; `None` for one that only exists to be removed later.
fn record(record: &Record, names: &mut Names) -> Option<String> {
    Some(match record {
        Record::AgentInfo(info) => format!("agent {}", info.id.as_ref().map_or("-", |id| &id.value)),
        Record::Framework { info, .. } => format!("framework {}", info.id.as_ref().map_or("-", |id| &id.value)),
        Record::Executor { container, info, .. } => {
            format!("executor {} in {}", info.executor_id.value, names.container(container.as_str()))
        }
        Record::Task { task, .. } => format!("task {}", task.task_id.value),
        Record::Update { task, status, .. } => {
            let uuid = names.update(status.uuid.as_deref().unwrap_or_default());
            format!("update {uuid} {task} {}", short(status.state))
        }
        Record::Acknowledged { task, uuid, .. } => format!("acknowledged {} {task}", names.update(uuid)),
        Record::ContainerDone { container, .. } => format!("done {}", names.container(container.as_str())),
        Record::Resources { resources, target, operation } => {
            let text = |resources: &[v1::Resource]| format!("{}", Resources::from_proto(resources).unwrap());
            let target = target.as_ref().map(|target| format!(" towards [{}]", text(target))).unwrap_or_default();
            let operation =
                operation.as_ref().map(|o| format!(" by {}", short_uuid(&o.uuid.value))).unwrap_or_default();
            format!("resources [{}]{target}{operation}", text(resources))
        }
        Record::OperationDone { operation } => format!("operation {} done", short_uuid(operation.as_bytes())),
        Record::Drain(Some(_)) => "draining".to_owned(),
        Record::Drain(None) => "not draining".to_owned(),
        Record::BootId(id) => format!("boot {id}"),
        Record::Reset => "reset".to_owned(),
        Record::CompletedTask { task, .. } => format!("completed {}", task.task_id.value),
        Record::ExecutorLink { .. }
        | Record::ExecutorRemoved { .. }
        | Record::FrameworkRemoved(_)
        | Record::UpdatesForgotten(_) => return None,
    })
}

fn volume_change(change: &VolumeChange) -> String {
    match change {
        VolumeChange::Create { path } => format!("make volume {}", path.display()),
        VolumeChange::Remove { path, keep_root: false, .. } => format!("delete volume {}", path.display()),
        VolumeChange::Remove { path, keep_root: true, .. } => format!("empty disk {}", path.display()),
    }
}

/// Scenarios use uuids of one number for operations.
fn short_uuid(bytes: &[u8]) -> String {
    format!("O{}", bytes.last().unwrap())
}

fn event(event: &Event, names: &mut Names) -> String {
    match event.r#type() {
        event::Type::Launch => format!("LAUNCH {}", event.launch.as_ref().unwrap().task.task_id.value),
        event::Type::LaunchGroup => {
            let group = &event.launch_group.as_ref().unwrap().task_group;
            let ids: Vec<&str> = group.tasks.iter().map(|t| t.task_id.value.as_str()).collect();
            format!("LAUNCH_GROUP {}", ids.join(" "))
        }
        event::Type::Kill => format!("KILL {}", event.kill.as_ref().unwrap().task_id.value),
        event::Type::Acknowledged => {
            let acknowledged = event.acknowledged.as_ref().unwrap();
            format!("ACKNOWLEDGED {} {}", acknowledged.task_id.value, names.update(&acknowledged.uuid))
        }
        event::Type::Message => {
            format!("MESSAGE {}", String::from_utf8_lossy(&event.message.as_ref().unwrap().data))
        }
        other => other.as_str_name().to_owned(),
    }
}

fn message(message: &Message, names: &mut Names) -> String {
    let name = message.name().trim_start_matches("mesos.internal.").trim_end_matches("Message");
    match message {
        Message::StatusUpdate(m) => format!("{name} {}", update(&m.update, names)),
        Message::StatusUpdateAcknowledgement(m) => {
            format!("{name} {} {}", m.task_id.value, names.update(&m.uuid))
        }
        Message::RunTask(m) => format!("{name} {}", m.task.task_id.value),
        Message::AgentUsage(m) => format!(
            "{name} load {} of {}, cpu {}, memory {}, disk {}",
            m.load(),
            m.processors(),
            m.cpu_waiting(),
            m.memory_available(),
            m.disk_used()
        ),
        Message::KillTask(m) => format!("{name} {}", m.task_id.value),
        Message::ExitedExecutor(m) => format!("{name} {} {}", m.executor_id.value, m.status),
        Message::ReregisterSlave(m) => {
            let tasks: Vec<String> =
                m.tasks.iter().map(|t| format!("{} {}", t.task_id.value, short(t.state))).collect();
            let executors: Vec<&str> = m.executor_infos.iter().map(|e| e.executor_id.value.as_str()).collect();
            let resources = Resources::from_proto(&m.checkpointed_resources).unwrap();
            let checkpointed = if resources.is_empty() { String::new() } else { format!(" resources [{resources}]") };
            format!("{name} tasks [{}] executors [{}]{checkpointed}", tasks.join(", "), executors.join(", "))
        }
        Message::UpdateOperationStatus(m) => {
            let uuid = m.operation_uuid.as_ref().map(|uuid| short_uuid(&uuid.value)).unwrap_or_default();
            let state = m.status.state().as_str_name().trim_start_matches("OPERATION_");
            let quiet = if m.status.uuid.is_none() { ", not to be acknowledged" } else { "" };
            format!("{name} {uuid} {state}{quiet}")
        }
        Message::UpdateSlave(m) if m.update_oversubscribed_resources() || m.operations.is_none() => {
            format!("{name} oversubscribed [{}]", Resources::from_proto(&m.oversubscribed_resources).unwrap())
        }
        Message::UpdateSlave(m) if !m.operations.as_ref().unwrap().operations.is_empty() => {
            let operations = m.operations.iter().flat_map(|o| &o.operations).map(|o| short_uuid(&o.uuid.value));
            format!("{name} operations {}", operations.collect::<Vec<_>>().join(" "))
        }
        Message::ExecutorToFramework(m) => format!("{name} {}", String::from_utf8_lossy(&m.data)),
        Message::FrameworkToExecutor(m) => format!("{name} {}", String::from_utf8_lossy(&m.data)),
        _ => name.to_owned(),
    }
}

fn update(update: &internal::StatusUpdate, names: &mut Names) -> String {
    let uuid = names.update(update.uuid.as_deref().unwrap_or_default());
    let status = &update.status;
    let reason = status.reason.map(|_| format!(" {}", status.reason().as_str_name()));
    let message = status.message.as_deref().map(|m| format!(" '{m}'"));
    let latest = update.latest_state.filter(|latest| *latest != status.state);
    format!(
        "{uuid} {} {}{}{}{}",
        status.task_id.value,
        short(status.state),
        latest.map(|latest| format!(" (now {})", short(latest))).unwrap_or_default(),
        reason.unwrap_or_default(),
        message.unwrap_or_default(),
    )
}

fn amounts(resources: &[v1::Resource]) -> String {
    let scalar = |r: &v1::Resource| r.scalar.map(|s| format!("{}:{}", r.name, s.value));
    resources.iter().filter_map(scalar).collect::<Vec<_>>().join(";")
}

fn short(state: i32) -> &'static str {
    v1::TaskState::try_from(state).unwrap().as_str_name().trim_start_matches("TASK_")
}

/// Replaces the id of a container by its short name.
fn known(text: &str, names: &Names) -> String {
    let mut text = text.to_owned();
    for (at, id) in names.containers.iter().enumerate() {
        text = text.replace(id, &format!("C{}", at + 1));
    }
    text
}

//! Events and messages as short lines, which tests compare.

use master::Command;
use master::Effect;
use master::SchedulerEvent;
use messages::{Message, v1};
use model::master::Change;
use resources::Resources;
use v1::scheduler::{Event, event};

pub fn event(event: &Event) -> String {
    let kind = event.r#type();
    let detail = match kind {
        event::Type::Subscribed => event.subscribed.as_ref().map(|s| s.framework_id.value.clone()),
        event::Type::Offers => event.offers.as_ref().map(|o| offers(&o.offers)),
        event::Type::InverseOffers => event.inverse_offers.as_ref().map(|offers| {
            let agent = |offer: &v1::InverseOffer| offer.agent_id.clone().unwrap_or_default().value;
            offers.inverse_offers.iter().map(agent).collect::<Vec<_>>().join(", ")
        }),
        event::Type::RescindInverseOffer => {
            event.rescind_inverse_offer.as_ref().map(|rescind| rescind.inverse_offer_id.value.clone())
        }
        event::Type::Rescind => event.rescind.as_ref().map(|r| r.offer_id.value.clone()),
        event::Type::Update => event.update.as_ref().map(|u| status(&u.status)),
        event::Type::Message => event
            .message
            .as_ref()
            .map(|m| format!("{} {}: {}", m.agent_id.value, m.executor_id.value, String::from_utf8_lossy(&m.data))),
        event::Type::Failure => event.failure.as_ref().map(|f| {
            let agent = f.agent_id.as_ref().map_or("-", |id| &id.value);
            match (&f.executor_id, f.status) {
                (Some(executor), Some(status)) => format!("agent {agent} executor {} status {status}", executor.value),
                _ => format!("agent {agent}"),
            }
        }),
        event::Type::Error => event.error.as_ref().map(|e| e.message.clone()),
        event::Type::UpdateOperationStatus => event.update_operation_status.as_ref().map(|u| {
            let id = u.status.operation_id.as_ref().map_or("-", |id| &id.value);
            let uuid = u.status.uuid.as_ref().map_or(String::new(), |uuid| format!(" uuid {}", uuid.value[0]));
            format!("{id} {}{uuid}: {}", u.status.state().as_str_name(), u.status.message())
        }),
        _ => None,
    };
    match detail {
        Some(detail) => format!("{} {detail}", kind.as_str_name()),
        None => kind.as_str_name().to_owned(),
    }
}

fn offers(offers: &[v1::Offer]) -> String {
    let mut lines: Vec<String> = offers.iter().map(offer).collect();
    lines.sort();
    lines.join(", ")
}

fn offer(offer: &v1::Offer) -> String {
    let resources = Resources::from_proto(&offer.resources).unwrap();
    format!("{}[{}]", offer.agent_id.value, resources.unallocated())
}

/// Prints `<task> <state> <source> <reason> [uuid] [agent]: message`, without absent parts.
pub fn status(status: &v1::TaskStatus) -> String {
    let mut line = format!("{} {}", status.task_id.value, status.state().as_str_name());
    if status.reason.is_some() {
        line += &format!(" {}", status.reason().as_str_name());
    }
    if status.source.is_some() {
        line += &format!(" {}", status.source().as_str_name());
    }
    if let Some(agent) = &status.agent_id {
        line += &format!(" on {}", agent.value);
    }
    if let Some(uuid) = &status.uuid {
        line += &format!(" uuid {}", uuid[0]);
    }
    if let Some(message) = &status.message {
        line += &format!(": {message}");
    }
    line
}

pub fn message(from: &str, message: &Message) -> String {
    match message {
        Message::SlaveRegistered(m) => format!("SlaveRegistered {}", m.slave_id.value),
        Message::SlaveReregistered(m) => {
            let asked: Vec<&str> = m
                .reconciliations
                .iter()
                .flat_map(|r| r.statuses.iter().map(|status| status.task_id.value.as_str()))
                .collect();
            format!("SlaveReregistered {} asked about {asked:?}", m.slave_id.value)
        }
        Message::PingSlave(m) => format!("{from} Ping connected={}", m.connected),
        Message::RunTask(m) => {
            format!("RunTask {} launch_executor={}", m.task.task_id.value, m.launch_executor.unwrap_or_default())
        }
        Message::RunTaskGroup(m) => {
            let tasks: Vec<&str> = m.task_group.tasks.iter().map(|task| task.task_id.value.as_str()).collect();
            format!("RunTaskGroup {tasks:?} launch_executor={}", m.launch_executor.unwrap_or_default())
        }
        Message::KillTask(m) => format!("KillTask {}", m.task_id.value),
        Message::StatusUpdateAcknowledgement(m) => {
            format!("Acknowledgement {} uuid {}", m.task_id.value, m.uuid[0])
        }
        Message::ShutdownFramework(m) => format!("ShutdownFramework {}", m.framework_id.value),
        Message::ShutdownExecutor(m) => {
            format!("ShutdownExecutor {}", m.executor_id.as_ref().map_or("-", |id| &id.value))
        }
        Message::DrainSlave(m) => format!("Drain mark_gone={}", m.config.mark_gone()),
        Message::Shutdown(m) => format!("Shutdown: {}", m.message.clone().unwrap_or_default()),
        Message::UpdateFramework(m) => {
            format!("UpdateFramework {} at {}", m.framework_id.value, m.pid.clone().unwrap_or_default())
        }
        Message::FrameworkToExecutor(m) => {
            format!("FrameworkToExecutor {}: {}", m.executor_id.value, String::from_utf8_lossy(&m.data))
        }
        Message::FrameworkRegistered(m) => format!("FrameworkRegistered {}", m.framework_id.value),
        Message::FrameworkReregistered(m) => format!("FrameworkReregistered {}", m.framework_id.value),
        Message::FrameworkError(m) => format!("FrameworkError: {}", m.message),
        Message::ResourceOffers(m) => format!("ResourceOffers {} from {}", offers(&m.offers), m.pids.join(", ")),
        Message::RescindResourceOffer(m) => format!("Rescind {}", m.offer_id.value),
        Message::StatusUpdate(m) => {
            let acknowledge = m.pid.as_deref().unwrap_or("nobody");
            format!("StatusUpdate {}, to acknowledge to {acknowledge}", status(&m.update.status))
        }
        Message::LostSlave(m) => format!("LostSlave {}", m.slave_id.value),
        Message::ExitedExecutor(m) => format!("ExitedExecutor {} status {}", m.executor_id.value, m.status),
        Message::ExecutorToFramework(m) => {
            format!("ExecutorToFramework {}: {}", m.executor_id.value, String::from_utf8_lossy(&m.data))
        }
        Message::ApplyOperation(m) => format!("ApplyOperation {}", m.operation_info.r#type().as_str_name()),
        Message::AcknowledgeOperationStatus(m) => {
            format!("AcknowledgeOperationStatus uuid {}", m.status_uuid.value[0])
        }
        Message::ReconcileOperations(m) => format!("ReconcileOperations {}", m.operations.len()),
        other => other.name().trim_start_matches("mesos.internal.").to_owned(),
    }
}

/// Prints any effect of a step on one line.
pub fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Reply { response: answer, .. } => {
            format!("reply {:?} {}", answer.status, answer.body).trim_end().to_owned()
        }
        Effect::Event { event: SchedulerEvent::Message(heard), .. } => format!("event {}", event(heard)),
        Effect::Event { event: SchedulerEvent::Offers(offers), .. } => format!("event {}", event(&offers.to_proto())),
        Effect::CloseStream(_) => "close the stream".to_owned(),
        Effect::Send { from, to, message: sent } => format!("send to {to}: {}", message(from, sent)),
        Effect::Link(address) => format!("link {address}"),
        Effect::Unlink(address) => format!("unlink {address}"),
        Effect::Arm { timer, .. } => format!("arm {timer:?}"),
        Effect::Disarm(timer) => format!("disarm {timer:?}"),
        Effect::Store { record: operation, .. } => {
            let text = format!("{operation:?}");
            format!("store {}", text.split(['(', ' ']).next().unwrap_or_default())
        }
        Effect::Publish(published) => format!("publish {}", change(published)),
        Effect::Command(Command::SessionOpened { framework, .. }) => format!("session of {framework} opened"),
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::AgentAdded(agent) => format!("agent {} added: {}", agent.id, agent.total),
        Change::AgentsRecovered(agents) => format!("{} agents recovered", agents.len()),
        Change::UnreachableRecovered(agents) => format!("agents {agents:?} unreachable as before"),
        Change::UnreachableForgotten(agents) => format!("agents {agents:?} forgotten"),
        Change::AgentUpdated(agent) => {
            format!("agent {} updated: connected={} active={}", agent.id, agent.connected, agent.active)
        }
        Change::AgentRemoved { agent, removal, .. } => format!("agent {agent} removed: {removal:?}"),
        Change::FrameworkAdded(framework) => format!("framework {} added", framework.id),
        Change::FrameworkUpdated(framework) => {
            format!("framework {} updated: connected={} active={}", framework.id, framework.connected, framework.active)
        }
        Change::FrameworkRemoved(framework) => format!("framework {} removed", framework.id),
        Change::TaskAdded(task) => format!("task {} added: {}", task.id(), task.state().as_str_name()),
        Change::TaskUpdated { task, status } => {
            format!("task {} updated: {} by {}", task.id(), task.state().as_str_name(), status.state().as_str_name())
        }
        Change::TaskRemoved { task, removal, .. } => format!("task {task} removed: {removal:?}"),
        Change::ExecutorAdded(executor) => format!("executor {} added", executor.info.executor_id.value),
        Change::ExecutorRemoved { executor, .. } => format!("executor {executor} removed"),
        Change::OperationAdded(operation) | Change::OperationUpdated(operation) => format!(
            "operation {} is {}",
            operation.info.r#type().as_str_name(),
            operation.latest_status.state().as_str_name()
        ),
        Change::OperationRemoved(_) => "operation removed".to_owned(),
        Change::OfferAdded(offer) => format!("offer {} added: {}", offer.id, offer.resources),
        Change::OfferRemoved(offer) => format!("offer {offer} removed"),
        Change::WeightsUpdated(weights) => format!("weights of {} roles", weights.len()),
        Change::QuotasUpdated(quotas) => format!("quotas of {} roles", quotas.len()),
        Change::PartitionsUpdated(partitions) => format!("{} partitions", partitions.len()),
        Change::MaintenanceUpdated(maintenance) => format!("{} machines in maintenance", maintenance.machines.len()),
        Change::InverseOfferAnswered { agent, framework, status } => {
            format!("inverse offer of {agent}: {framework} {}", status.status().as_str_name())
        }
        Change::OfferFiltersCounted { role, active } => format!("{active} offer filters in {role}"),
        Change::IncidentsRestored(incidents) => format!("{} incidents inherited", incidents.len()),
        Change::Incident(incident, _) => {
            let state = if incident.is_open() { incident.severity.as_str() } else { "over" };
            let last = incident.actions.last().map_or(String::new(), |last| format!(": {}", last.action));
            format!("incident {} of {} {state}{last}", incident.kind, incident.object)
        }
        Change::InverseOfferStatusesCleared(agent) => format!("inverse offers of {agent} forgotten"),
    }
}

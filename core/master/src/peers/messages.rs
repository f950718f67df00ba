//! The libprocess messages of agents and drivers: the processes that may send each, and its handler.

use machine::PeerMessage;
use messages::v1::scheduler::call;
use messages::{Message, internal, v1};
use model::{AgentId, FrameworkId, Upid};

use crate::agents::{Agents, pong, register_agent, reregister_agent, unregister_agent, update_agent};
use crate::calls::{accept, decline, kill, reconcile, revive};
use crate::failures::agent_usage;
use crate::frameworks::{
    Frameworks, deactivate_framework_message, driver_call, register_framework, remove_framework, reregister_framework,
};
use crate::interface::Context;
use crate::operations::operation_status_update;
use crate::state::State;
use crate::tasks::{acknowledge, executor_message, exited_executor, framework_message, status_update};
use model::master::Metrics;

pub(crate) fn message(state: &mut State, cx: &mut Context<'_>, input: PeerMessage) {
    let PeerMessage { from, caller: _, to, message } = input;
    match message {
        Message::PongSlave(_) => pong(state, cx, &to),

        Message::RegisterSlave(message) => register_agent(state, cx, from, message),
        Message::ReregisterSlave(message) => reregister_agent(state, cx, from, message),
        Message::UnregisterSlave(message) => {
            unregister_agent(
                &state.agents,
                &mut state.registry,
                &state.metrics,
                cx,
                &from,
                &AgentId::from(&message.slave_id),
            );
        }
        Message::UpdateSlave(message) => update_agent(state, cx, &from, *message),
        Message::StatusUpdate(message) => status_update(state, cx, &from, *message),
        Message::ExitedExecutor(message) => exited_executor(state, cx, &from, *message),
        Message::ExecutorToFramework(message) => {
            executor_message(&state.agents, &state.frameworks, &state.metrics, cx, &from, *message)
        }
        Message::UpdateOperationStatus(message) => operation_status_update(state, cx, &from, *message),

        Message::AgentUsage(message) => agent_usage(state, cx, &from, &message),

        Message::SchedulerCall(bytes) => driver_call(state, cx, &from, &bytes),
        Message::SubmitSchedulerRequest(_) => {
            cx.send(&from, internal::SubmitSchedulerResponse { okay: false });
        }
        message => old_driver_message(state, cx, &from, message),
    }
}

/// Handles messages of drivers from before calls existed; existing clients still send them.
fn old_driver_message(state: &mut State, cx: &mut Context<'_>, from: &Upid, message: Message) {
    match message {
        Message::RegisterFramework(message) => register_framework(state, cx, from, message.framework),
        Message::ReregisterFramework(message) => {
            reregister_framework(state, cx, from, message.framework, message.failover);
        }
        Message::UnregisterFramework(message) => {
            if let Some(id) = driver_of(&state.frameworks, from, &message.framework_id) {
                state.metrics.messages_unregister_framework.increment();
                remove_framework(state, cx, &id);
            }
        }
        Message::DeactivateFramework(message) => {
            state.metrics.messages_deactivate_framework.increment();
            if let Some(id) = driver_of(&state.frameworks, from, &message.framework_id) {
                deactivate_framework_message(state, cx, &id);
            }
        }
        Message::ResourceRequest(message) => {
            if driver_of(&state.frameworks, from, &message.framework_id).is_some() {
                state.metrics.messages_resource_request.increment();
            }
        }
        Message::LaunchTasks(message) => launch_tasks(state, cx, from, *message),
        Message::ReviveOffers(message) => {
            if let Some(id) = driver_of(&state.frameworks, from, &message.framework_id) {
                revive(&mut state.allocator, &mut state.frameworks, &state.metrics, cx, &id, &message.roles);
            }
        }
        Message::KillTask(message) => {
            if let Some(id) = driver_of(&state.frameworks, from, &message.framework_id) {
                let call = call::Kill { task_id: message.task_id, agent_id: None, kill_policy: None };
                kill(state, cx, &id, call);
            }
        }
        Message::StatusUpdateAcknowledgement(message) => old_acknowledgement(state, cx, from, *message),
        Message::FrameworkToExecutor(message) => {
            old_framework_message(&state.agents, &state.frameworks, &state.metrics, cx, from, *message)
        }
        Message::ReconcileTasks(message) => reconcile_tasks(state, cx, from, *message),
        // Only masters send these messages, or they belong to authentication.
        message => tracing::debug!(%from, name = message.name(), "ignoring a message not meant for a master"),
    }
}

/// Returns whether `from` is the process that registered as this agent. Mesos accepts messages of agents from any
/// sender: anyone can report the end of a task, and its resources are offered while it still runs.
pub(crate) fn is_process_of(agents: &Agents, from: &Upid, agent: &str) -> bool {
    agents.get(agent).is_some_and(|agent| agent.snapshot().pid == *from)
}

fn driver_of(frameworks: &Frameworks, from: &Upid, id: &v1::FrameworkId) -> Option<FrameworkId> {
    let framework = frameworks.get(&id.value)?;
    (framework.driver() == Some(from)).then(|| framework.id().clone())
}

fn launch_tasks(state: &mut State, cx: &mut Context<'_>, from: &Upid, message: internal::LaunchTasksMessage) {
    use v1::offer::{Operation, operation};
    let Some(id) = driver_of(&state.frameworks, from, &message.framework_id) else { return };
    let internal::LaunchTasksMessage { tasks, filters, offer_ids, .. } = message;
    let filters = Some(filters);
    if tasks.is_empty() {
        return decline(state, cx, &id, &call::Decline { offer_ids, filters });
    }
    let launch = Operation {
        r#type: Some(operation::Type::Launch as i32),
        launch: Some(Box::new(operation::Launch { task_infos: tasks })),
        ..Default::default()
    };
    accept(state, cx, &id, call::Accept { offer_ids, operations: vec![launch], filters });
}

fn old_acknowledgement(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::StatusUpdateAcknowledgementMessage,
) {
    match driver_of(&state.frameworks, from, &message.framework_id)
        .filter(|_| validation::ids::validate_uuid(&message.uuid).is_ok())
    {
        Some(id) => {
            let internal::StatusUpdateAcknowledgementMessage { slave_id, task_id, uuid, .. } = message;
            acknowledge(state, cx, &id, call::Acknowledge { agent_id: slave_id, task_id, uuid });
        }
        None => state.metrics.invalid_status_update_acknowledgements.increment(),
    }
}

fn old_framework_message(
    agents: &Agents,
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::FrameworkToExecutorMessage,
) {
    match driver_of(frameworks, from, &message.framework_id) {
        Some(id) => {
            let internal::FrameworkToExecutorMessage { slave_id, executor_id, data, .. } = message;
            framework_message(agents, metrics, cx, &id, call::Message { agent_id: slave_id, executor_id, data });
        }
        None => metrics.invalid_framework_to_executor_messages.increment(),
    }
}

fn reconcile_tasks(state: &mut State, cx: &mut Context<'_>, from: &Upid, message: internal::ReconcileTasksMessage) {
    let Some(id) = driver_of(&state.frameworks, from, &message.framework_id) else { return };
    let asked = |status: v1::TaskStatus| call::reconcile::Task { task_id: status.task_id, agent_id: status.agent_id };
    reconcile(state, cx, &id, call::Reconcile { tasks: message.statuses.into_iter().map(asked).collect() });
}

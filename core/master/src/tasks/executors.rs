//! Executors as the master knows them, and the messages between them and frameworks.

use std::sync::Arc;

use messages::{internal, v1};
use model::master::{Change, ExecutorSnapshot};
use model::{AgentId, ExecutorId, FrameworkId, Upid};
use resources::Resources;

use super::agent_usage::Executor;
use crate::agents::Agents;
use crate::allocation::recover_used;
use crate::failures::observe;
use crate::frameworks::Frameworks;
use crate::interface::Context;
use crate::peers::is_process_of;
use crate::state::State;
use model::master::Metrics;

pub(crate) fn add_executor(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    agent: &AgentId,
    info: v1::ExecutorInfo,
    resources: Resources,
) {
    if state.agents.get(agent.as_str()).is_none() {
        return;
    }
    let snapshot =
        Arc::new(ExecutorSnapshot { framework: framework.clone(), agent: agent.clone(), info: Arc::new(info) });
    state.metrics.used.add(&resources);
    state.tasks.insert_executor(Executor { snapshot: snapshot.clone(), resources });
    cx.publish(Change::ExecutorAdded(snapshot));
}

pub(crate) fn remove_executor(
    state: &mut State,
    cx: &mut Context<'_>,
    agent: &AgentId,
    framework: &FrameworkId,
    id: &ExecutorId,
) -> bool {
    let Some(executor) = state.tasks.remove_executor(agent, framework, id) else { return false };
    recover_used(&mut state.allocator, &state.metrics, cx, framework, agent, &executor.resources);
    cx.publish(Change::ExecutorRemoved { framework: framework.clone(), agent: agent.clone(), executor: id.clone() });
    true
}

pub(crate) fn exited_executor(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::ExitedExecutorMessage,
) {
    state.metrics.messages_exited_executor.increment();
    let agent = AgentId::from(&message.slave_id);
    let framework = FrameworkId::from(&message.framework_id);
    // The executor of a command task is not known, and its exit is not reported.
    if !is_process_of(&state.agents, from, agent.as_str())
        || !remove_executor(state, cx, &agent, &framework, &ExecutorId::from(&message.executor_id))
    {
        return;
    }
    if message.status != 0 {
        observe(state, cx, failures::Event::ExecutorCrashed { agent, framework: framework.clone() });
    }
    if let Some(framework) = state.frameworks.get(framework.as_str()) {
        framework.listener().clone().executor_exited(cx, message);
    }
}

/// Forwards a message from an executor, by way of its agent, to its framework.
pub(crate) fn executor_message(
    agents: &Agents,
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    from: &Upid,
    message: internal::ExecutorToFrameworkMessage,
) {
    metrics.messages_executor_to_framework.increment();
    let known_agent = is_process_of(agents, from, &message.slave_id.value);
    let framework = frameworks.get(&message.framework_id.value).filter(|f| known_agent && f.state().is_connected());
    let Some(framework) = framework else {
        return metrics.invalid_executor_to_framework_messages.increment();
    };
    framework.listener().clone().executor_message(cx, message);
    metrics.valid_executor_to_framework_messages.increment();
}

/// Forwards a message from a framework, by way of the agent, to an executor.
pub(crate) fn framework_message(
    agents: &Agents,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: v1::scheduler::call::Message,
) {
    metrics.messages_framework_to_executor.increment();
    let Some(agent) = agents.get(&call.agent_id.value).filter(|agent| agent.snapshot().connected) else {
        return metrics.invalid_framework_to_executor_messages.increment();
    };
    cx.send(
        &agent.snapshot().pid,
        internal::FrameworkToExecutorMessage {
            slave_id: call.agent_id,
            framework_id: framework.to_proto(),
            executor_id: call.executor_id,
            data: call.data,
        },
    );
    metrics.valid_framework_to_executor_messages.increment();
}

pub(crate) fn shutdown_executor(
    agents: &Agents,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: v1::scheduler::call::Shutdown,
) {
    let Some(agent) = agents.get(&call.agent_id.value) else { return };
    cx.send(
        &agent.snapshot().pid,
        internal::ShutdownExecutorMessage {
            executor_id: Some(call.executor_id),
            framework_id: Some(framework.to_proto()),
        },
    );
}

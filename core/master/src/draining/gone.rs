//! Agents that an operator marked gone: their tasks end, and an agent that returns nevertheless has to shut down.

use std::sync::Arc;

use messages::v1;
use model::master::{AgentRemoval, Change, TaskRemoval, TaskSnapshot};
use model::{AgentId, FrameworkId, ReplyId, TaskId};

use crate::agents::{UnreachableAgent, finish_agent_removal, frameworks_on, remove_framework_from_agent};
use crate::failures::{observe, observe_recovery_complete};
use crate::frameworks::Frameworks;
use crate::interface::Context;
use crate::registry::{Continuation, Registry, RegistryOperation, store};
use crate::state::State;
use crate::support::time_info;
use crate::tasks::{MasterGenerated, Tasks, forward_master_generated};
use model::master::Metrics;

const GONE: &str = "Agent has been marked gone";

pub(crate) fn mark_gone(
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    id: AgentId,
    reply: Option<ReplyId>,
) {
    registry.begin_removal(id.clone(), AgentRemoval::Gone);
    let since = time_info(cx.now.wall);
    let operation = RegistryOperation::MarkGone { agent: id.clone(), since };
    store(metrics, registry, cx, operation, Continuation::Gone { agent: id, reply });
}

pub(crate) fn marked_gone(state: &mut State, cx: &mut Context<'_>, id: &AgentId) {
    if let Some(pid) = state.agents.get(id.as_str()).map(|agent| agent.snapshot().pid.clone()) {
        crate::agents::shut_down_agent(cx, &pid, GONE);
        for framework in frameworks_on(&state.tasks, id) {
            let reason = gone_reason(&state.frameworks, &framework);
            remove_framework_from_agent(state, cx, id, &framework, &reason, TaskRemoval::Completed);
        }
        return finish_agent_removal(state, cx, id, AgentRemoval::Gone);
    }
    state.registry.end_removal(id);
    state.removal_limiter.cancel(id);
    let was_recovered = state.recovery.take(id).is_some();
    if let Some(unreachable) = state.agents.take_unreachable(id.as_str()) {
        state.metrics.slaves_unreachable.set(state.agents.unreachable_count() as i64);
        end_unreachable_tasks(&state.frameworks, &state.metrics, &mut state.tasks, cx, unreachable);
    } else if !was_recovered {
        return;
    }
    cx.publish(Change::AgentRemoved { agent: id.clone(), removal: AgentRemoval::Gone, at: cx.now.wall });
    observe(state, cx, failures::Event::AgentRemoved(id.clone()));
    observe_recovery_complete(state, cx);
}

/// Ends the unreachable tasks of the agent.
fn end_unreachable_tasks(
    frameworks: &Frameworks,
    metrics: &Metrics,
    tasks: &mut Tasks,
    cx: &mut Context<'_>,
    agent: UnreachableAgent,
) {
    for (framework, id) in agent.tasks {
        let reason = gone_reason(frameworks, &framework);
        let Some(task) = tasks.take_unreachable(framework.as_str(), id.as_str()) else {
            continue;
        };
        metrics.tasks_unreachable.decrement();
        let status = reason.status(&task, cx.now.wall);
        metrics.task_ended(reason.state, status.source, status.reason);
        forward_master_generated(frameworks, cx, &framework, &status);
        publish_completed(cx, framework, id, &task, &status);
    }
}

fn publish_completed(
    cx: &mut Context<'_>,
    framework: FrameworkId,
    id: TaskId,
    task: &TaskSnapshot,
    status: &v1::TaskStatus,
) {
    let task = Arc::new(task.with_status(status.state(), status, false));
    // Readers see the task return for a moment, so that it moves to the right history.
    cx.publish(Change::TaskAdded(task));
    cx.publish(Change::TaskRemoved { framework, task: id, removal: TaskRemoval::Completed });
}

fn gone_reason(frameworks: &Frameworks, framework: &FrameworkId) -> MasterGenerated {
    use v1::task_status::Reason;
    let aware = frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities().partition_aware);
    if aware {
        MasterGenerated::new(v1::TaskState::TaskGoneByOperator, Reason::AgentRemovedByOperator, GONE)
    } else {
        MasterGenerated::new(v1::TaskState::TaskLost, Reason::AgentRemoved, GONE)
    }
}

//! RECONCILE and RECONCILE_OPERATIONS: the master sends the states of tasks and operations.

use std::collections::BTreeSet;

use messages::v1;
use messages::v1::task_status::Reason;
use model::{FrameworkId, OfferId};

use crate::agents::{Agents, current_status};
use crate::frameworks::Framework;
use crate::interface::Context;
use crate::offers::rescind_offer;
use crate::registry::Registry;
use crate::state::State;
use crate::tasks::{MasterGenerated, Task, master_generated_update};

/// Sends the states of tasks. A call that names no tasks asks for all that are not removed yet.
pub(crate) fn reconcile(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: v1::scheduler::call::Reconcile,
) {
    state.metrics.messages_reconcile_tasks.increment();
    rescind_offers_before_reconciliation(state, cx, framework, &call);
    let Some(framework) = state.frameworks.get(framework.as_str()) else { return };
    if call.tasks.is_empty() {
        for (_, task) in state.tasks.of_framework(framework.id().as_str()) {
            send_status(cx, framework, &known(task, cx));
        }
        return;
    }
    for asked in call.tasks {
        let status = match state.tasks.get(framework.id().as_str(), &asked.task_id.value) {
            Some(task) => known(task, cx),
            // The task's agent, or any if none is named, may re-register with it; the answer is given then.
            None if state.recovery.may_reregister(asked.agent_id.as_ref()) => continue,
            None => unknown(&state.agents, &state.registry, framework, asked, cx),
        };
        send_status(cx, framework, &status);
    }
}

/// Rescinds the offers that the named tasks may have been launched on. A driver's calls come on connections of their
/// own: a launch may be read after a reconciliation of its task that was sent later, and the task would start after it
/// was reported as gone. (In Mesos it does.) Over HTTP a broken connection ends the subscription, and all its offers.
fn rescind_offers_before_reconciliation(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    call: &v1::scheduler::call::Reconcile,
) {
    if state.frameworks.get(id.as_str()).is_none_or(|f| f.driver().is_none()) {
        return;
    }
    let lost = call.tasks.iter().filter(|asked| state.tasks.get(id.as_str(), &asked.task_id.value).is_none());
    let agents: BTreeSet<&str> = lost.filter_map(|asked| Some(asked.agent_id.as_ref()?.value.as_str())).collect();
    let on_these =
        |offer: &OfferId| state.offers.get(offer.as_str()).is_some_and(|o| agents.contains(o.agent.id.as_str()));
    for offer in state.offers.of_framework(id.as_str()).into_iter().filter(on_these).collect::<Vec<_>>() {
        rescind_offer(state, cx, offer.as_str());
    }
}

/// Returns the status of a task that the master does not know, which depends on the state of its agent.
fn unknown(
    agents: &Agents,
    registry: &Registry,
    framework: &Framework,
    asked: v1::scheduler::call::reconcile::Task,
    cx: &Context<'_>,
) -> v1::TaskStatus {
    let agent = asked.agent_id.as_ref().map_or("", |id| id.value.as_str());
    let (task_state, message, since) = if agents.get(agent).is_some() {
        (v1::TaskState::TaskGone, "Reconciliation: Task is unknown to the agent", None)
    } else if let Some(unreachable) = agents.unreachable(agent) {
        (v1::TaskState::TaskUnreachable, "Reconciliation: Task is unreachable", Some(unreachable.since))
    } else if registry.durable().gone.contains_key(agent) {
        (v1::TaskState::TaskGoneByOperator, "Reconciliation: Task is gone", None)
    } else {
        (v1::TaskState::TaskUnknown, "Reconciliation: Task is unknown", None)
    };
    // A framework without PARTITION_AWARE knows only one state for such tasks, TASK_LOST.
    let task_state = if framework.capabilities().partition_aware { task_state } else { v1::TaskState::TaskLost };
    let mut status = MasterGenerated::new(task_state, Reason::Reconciliation, message).status_of(
        asked.task_id,
        asked.agent_id,
        cx.now.wall,
    );
    status.unreachable_time = since;
    status
}

fn known(task: &Task, cx: &Context<'_>) -> v1::TaskStatus {
    current_status(task.snapshot(), "Reconciliation: Latest task state", Reason::Reconciliation, cx)
}

fn send_status(cx: &mut Context<'_>, framework: &Framework, status: &v1::TaskStatus) {
    framework.listener().update(cx, status, master_generated_update(framework.id(), status), None);
}

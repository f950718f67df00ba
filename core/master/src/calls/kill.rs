//! KILL.

use messages::internal;
use messages::v1::scheduler::call::{Kill, Reconcile, reconcile};
use model::FrameworkId;

use super::reconcile::reconcile;
use crate::interface::Context;
use crate::state::State;

pub(crate) fn kill(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, call: Kill) {
    state.metrics.messages_kill_task.increment();
    let Some(task) = state.tasks.get_mut(framework.as_str(), &call.task_id.value) else {
        // The framework has to learn that the task does not exist any more.
        let task = reconcile::Task { task_id: call.task_id, agent_id: call.agent_id };
        return reconcile(state, cx, framework, Reconcile { tasks: vec![task] });
    };
    if call.agent_id.is_some_and(|agent| agent.value != task.agent().as_str()) {
        return tracing::warn!(%framework, task = call.task_id.value, "ignoring a kill that names another agent");
    }
    task.request_kill();
    let Some(agent) = state.agents.get(task.agent().as_str()).filter(|agent| agent.snapshot().connected) else {
        return;
    };
    cx.send(
        &agent.snapshot().pid,
        internal::KillTaskMessage {
            framework_id: framework.to_proto(),
            task_id: call.task_id,
            kill_policy: call.kill_policy,
        },
    );
}

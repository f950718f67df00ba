//! KILL.

use messages::internal;
use messages::v1::scheduler::call::{Kill, Reconcile, reconcile};
use model::FrameworkId;

use crate::effects::Context;
use crate::master::Master;

impl Master {
    pub(crate) fn kill(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, call: Kill) {
        self.metrics.messages_kill_task.increment();
        let Some(entry) = self.frameworks.get_mut(framework.as_str()) else { return };
        let Some(task) = entry.tasks.get_mut(call.task_id.value.as_str()) else {
            // The framework has to learn that the task is gone.
            let task = reconcile::Task { task_id: call.task_id, agent_id: call.agent_id };
            return self.reconcile(cx, framework, Reconcile { tasks: vec![task] });
        };
        if call.agent_id.is_some_and(|agent| agent.value != task.agent.as_str()) {
            return tracing::warn!(%framework, task = call.task_id.value, "ignoring a kill that names another agent");
        }
        task.kill_requested = true;
        let Some(agent) = self.agents.get(task.agent.as_str()).filter(|agent| agent.state.connected) else { return };
        cx.send(
            &agent.state.pid,
            internal::KillTaskMessage {
                framework_id: framework.to_proto(),
                task_id: call.task_id,
                kill_policy: call.kill_policy,
            },
        );
    }
}

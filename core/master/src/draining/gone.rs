//! Agents that will never come back, by an operator's word: their tasks are over, and one that comes nevertheless has
//! to end.

use messages::v1;
use model::{AgentId, FrameworkId, ReplyId, TaskId};

use crate::agent::UnreachableAgent;
use crate::effects::Context;
use crate::master::Master;
use crate::registry::{Continuation, PendingAgentRemoval, RegistryOperation};
use crate::text::time_info;
use crate::updates::MasterGenerated;
use model::master::{AgentRemoval, Change, TaskRemoval};

const GONE: &str = "Agent has been marked gone";

impl Master {
    pub(crate) fn mark_gone(&mut self, cx: &mut Context<'_>, id: AgentId, reply: Option<ReplyId>) {
        self.registry.pending_removals.insert(id.clone(), PendingAgentRemoval::Gone);
        let since = time_info(cx.now.wall);
        let operation = RegistryOperation::MarkGone { agent: id.clone(), since };
        self.store(cx, operation, Continuation::Gone { agent: id, since, reply });
    }

    pub(crate) fn marked_gone(&mut self, cx: &mut Context<'_>, id: &AgentId, _since: v1::TimeInfo) {
        if let Some(pid) = self.agents.get(id.as_str()).map(|agent| agent.state.pid.clone()) {
            crate::connection::shut_down_agent(cx, &pid, GONE);
            for framework in self.frameworks_on(id) {
                let reason = self.gone_reason(&framework);
                self.remove_framework_from_agent(cx, id, &framework, &reason, TaskRemoval::Completed);
            }
            return self.finish_agent_removal(cx, id, AgentRemoval::Gone);
        }
        self.registry.pending_removals.remove(id);
        self.removal_limiter.cancel(id);
        let was_recovered = self.recovery.take(id).is_some();
        if let Some(unreachable) = self.agents.take_unreachable(id.as_str()) {
            self.metrics.slaves_unreachable.set(self.agents.unreachable_count() as i64);
            self.end_unreachable_tasks(cx, unreachable);
        } else if !was_recovered {
            return;
        }
        cx.publish(Change::AgentRemoved { agent: id.clone(), removal: AgentRemoval::Gone, at: cx.now.wall });
        self.observe(cx, failures::Event::AgentLost { agent: id.clone(), loss: failures::AgentLoss::Gone });
        self.observe_recovery_complete(cx);
    }

    /// What was unreachable with the agent is over now.
    fn end_unreachable_tasks(&mut self, cx: &mut Context<'_>, agent: UnreachableAgent) {
        for (framework, id) in agent.tasks {
            let reason = self.gone_reason(&framework);
            let Some(task) =
                self.frameworks.get_mut(framework.as_str()).and_then(|f| f.unreachable.remove(id.as_str()))
            else {
                continue;
            };
            self.metrics.tasks_unreachable.decrement();
            let status = reason.status(&task, cx.now.wall);
            self.metrics.task_ended(reason.state, status.source, status.reason);
            self.forward_master_generated(cx, &framework, &status);
            self.publish_completed(cx, framework, id, task, status);
        }
    }

    fn publish_completed(
        &self,
        cx: &mut Context<'_>,
        framework: FrameworkId,
        id: TaskId,
        mut task: std::sync::Arc<v1::Task>,
        status: v1::TaskStatus,
    ) {
        let proto = std::sync::Arc::make_mut(&mut task);
        proto.state = status.state;
        crate::task::record_status(proto, &status);
        // For readers it comes back for a moment, to leave into the right history.
        cx.publish(Change::TaskAdded(task));
        cx.publish(Change::TaskRemoved { framework, task: id, removal: TaskRemoval::Completed });
    }

    fn gone_reason(&self, framework: &FrameworkId) -> MasterGenerated {
        use v1::task_status::Reason;
        let aware = self.frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities.partition_aware);
        if aware {
            MasterGenerated::new(v1::TaskState::TaskGoneByOperator, Reason::AgentRemovedByOperator, GONE)
        } else {
            MasterGenerated::new(v1::TaskState::TaskLost, Reason::AgentRemoved, GONE)
        }
    }
}

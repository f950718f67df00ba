//! RECONCILE and RECONCILE_OPERATIONS: the master says what it knows.

use std::collections::BTreeSet;

use messages::v1;
use messages::v1::task_status::Reason;
use model::{FrameworkId, OfferId};

use crate::effects::Context;
use crate::framework::Framework;
use crate::master::Master;
use crate::reregistration::current_status;
use crate::task::Task;
use crate::updates::{MasterGenerated, master_generated_update};

impl Master {
    /// Naming no tasks asks for all that are not removed yet.
    pub(crate) fn reconcile(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        call: v1::scheduler::call::Reconcile,
    ) {
        self.metrics.messages_reconcile_tasks.increment();
        self.rescind_offers_before_reconciliation(cx, framework, &call);
        let Some(framework) = self.frameworks.get(framework.as_str()) else { return };
        if call.tasks.is_empty() {
            for task in framework.tasks.values() {
                send_status(cx, framework, &known(task, cx));
            }
            return;
        }
        for asked in call.tasks {
            let status = match framework.tasks.get(asked.task_id.value.as_str()) {
                Some(task) => known(task, cx),
                // Its agent, or any if none is named, may come back with it: there will be an answer then.
                None if self.recovery.may_reregister(asked.agent_id.as_ref()) => continue,
                None => self.unknown(framework, asked, cx),
            };
            send_status(cx, framework, &status);
        }
    }

    /// A driver's calls come on connections of their own: a launch may be read after a question about its task that was sent
    /// later, and the task would start after it was called gone. (In Mesos it does.) So what it may have been launched on is
    /// taken back first. Over HTTP a broken connection ends the subscription, and all its offers.
    fn rescind_offers_before_reconciliation(
        &mut self,
        cx: &mut Context<'_>,
        id: &FrameworkId,
        call: &v1::scheduler::call::Reconcile,
    ) {
        let Some(framework) = self.frameworks.get(id.as_str()).filter(|f| f.driver().is_some()) else { return };
        let lost = call.tasks.iter().filter(|asked| !framework.tasks.contains_key(asked.task_id.value.as_str()));
        let agents: BTreeSet<&str> = lost.filter_map(|asked| Some(asked.agent_id.as_ref()?.value.as_str())).collect();
        let on_these =
            |offer: &OfferId| self.offers.get(offer.as_str()).is_some_and(|o| agents.contains(o.agent.as_str()));
        let offers: Vec<OfferId> = framework.offers.iter().filter(|offer| on_these(offer)).cloned().collect();
        for offer in offers {
            self.rescind_offer(cx, offer.as_str());
        }
    }

    /// A task that is not on the books; where its agent is decides what that means.
    fn unknown(
        &self,
        framework: &Framework,
        asked: v1::scheduler::call::reconcile::Task,
        cx: &Context<'_>,
    ) -> v1::TaskStatus {
        let agent = asked.agent_id.as_ref().map_or("", |id| id.value.as_str());
        let (state, message, since) = if self.agents.get(agent).is_some() {
            (v1::TaskState::TaskGone, "Reconciliation: Task is unknown to the agent", None)
        } else if let Some(unreachable) = self.agents.unreachable(agent) {
            (v1::TaskState::TaskUnreachable, "Reconciliation: Task is unreachable", Some(unreachable.since))
        } else if self.registry.state.gone.contains_key(agent) {
            (v1::TaskState::TaskGoneByOperator, "Reconciliation: Task is gone", None)
        } else {
            (v1::TaskState::TaskUnknown, "Reconciliation: Task is unknown", None)
        };
        // Without PARTITION_AWARE a framework knows only one word for it.
        let state = if framework.capabilities.partition_aware { state } else { v1::TaskState::TaskLost };
        let mut status = MasterGenerated::new(state, Reason::Reconciliation, message).status_of(
            asked.task_id,
            asked.agent_id,
            cx.now.wall,
        );
        status.unreachable_time = since;
        status
    }
}

fn known(task: &Task, cx: &Context<'_>) -> v1::TaskStatus {
    current_status(&task.proto, "Reconciliation: Latest task state", Reason::Reconciliation, cx)
}

fn send_status(cx: &mut Context<'_>, framework: &Framework, status: &v1::TaskStatus) {
    framework.listener().update(cx, status, master_generated_update(framework.id(), status), None);
}

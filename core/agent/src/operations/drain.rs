//! Emptying the agent: everything that runs is killed, nothing new is taken until it is empty.

use std::sync::Arc;

use messages::{internal, v1};
use model::{FrameworkId, TaskId, is_terminal};

use crate::agent::Agent;
use crate::effects::{Context, Record};
use crate::state::task_state;
use model::agent::Draining;

impl Agent {
    /// A master repeats it at every re-registration until the agent is empty; the newest configuration counts.
    pub(crate) fn drain(&mut self, cx: &mut Context<'_>, config: v1::DrainConfig) {
        if self.is_empty() {
            tracing::info!("nothing runs here: drained already");
            return;
        }
        tracing::info!("draining: {config:?}");
        self.set_draining(cx, Some(Draining { config, since: cx.now.wall }));
        self.kill_tasks_for_drain(cx);
    }

    /// Kills each task with at most the drain's grace. Also what a restarted agent does once its executors are back:
    /// the kills of its predecessor may not have reached them.
    pub(crate) fn kill_tasks_for_drain(&mut self, cx: &mut Context<'_>) {
        let Some(max) = self.drain.as_ref().map(|drain| drain.config.max_grace_period) else { return };
        let mut kills = Vec::new();
        for (framework, known) in &self.frameworks {
            for executor in known.executors.values() {
                let live = executor.tasks.iter().filter(|(_, task)| !is_terminal(task_state(task.state)));
                kills.extend(live.map(|(task, entry)| (framework.clone(), task.clone(), bounded(entry, max))));
            }
        }
        for (framework, task, kill_policy) in kills {
            self.kill_task_for_drain(cx, &framework, &task, kill_policy);
        }
        self.finish_drain_if_empty(cx);
    }

    fn kill_task_for_drain(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        task: &TaskId,
        kill_policy: Option<Box<v1::KillPolicy>>,
    ) {
        // Its group may have gone with an earlier one.
        let entry = self.frameworks.get_mut(framework).and_then(|f| f.executor_of(task)?.tasks.get(task).cloned());
        if entry.is_none_or(|entry| is_terminal(task_state(entry.state))) {
            return;
        }
        let message =
            internal::KillTaskMessage { framework_id: framework.to_proto(), task_id: task.to_proto(), kill_policy };
        self.kill_task(cx, message);
    }

    /// A drained agent takes work again; that it gets none is the master's decision.
    pub(crate) fn finish_drain_if_empty(&mut self, cx: &mut Context<'_>) {
        if self.drain.is_some() && self.is_empty() {
            tracing::info!("drained");
            self.set_draining(cx, None);
        }
    }

    /// A task comes while nothing runs here: its master takes the agent for drained, and an operator has reactivated it.
    /// (A Mesos agent refuses tasks until also all feedback of operations is acknowledged; where operations go on, that may
    /// be never.)
    pub(crate) fn end_drain_without_executors(&mut self, cx: &mut Context<'_>) {
        if self.drain.is_some() && self.frameworks.values().all(|framework| framework.executors.is_empty()) {
            self.set_draining(cx, None);
        }
    }

    fn set_draining(&mut self, cx: &mut Context<'_>, draining: Option<Draining>) {
        self.drain = draining.map(Arc::new);
        self.pending_writes.store(cx, Record::Drain(self.drain.clone()));
        self.publish_agent(cx);
    }

    fn is_empty(&self) -> bool {
        self.frameworks.is_empty() && self.agent_resources.is_settled()
    }
}

/// The task's own grace period stands when it is the shorter one.
fn bounded(task: &v1::Task, max: Option<v1::DurationInfo>) -> Option<Box<v1::KillPolicy>> {
    let max = max?;
    let own = task.kill_policy.as_deref().and_then(|policy| policy.grace_period);
    let longer = own.is_none_or(|own| own.nanoseconds > max.nanoseconds);
    longer.then(|| Box::new(v1::KillPolicy { grace_period: Some(max) }))
}

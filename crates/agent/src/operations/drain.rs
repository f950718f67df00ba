//! Emptying the agent: everything that runs is killed, nothing new is taken until it is empty.

use std::sync::Arc;

use messages::{internal, v1};
use vocabulary::{FrameworkId, TaskId, is_terminal};

use crate::agent::{Agent, Step};
use crate::change::Draining;
use crate::outbox::Record;
use crate::state::task_state;

impl Agent {
    /// A master repeats it at every re-registration until the agent is empty; the newest configuration counts.
    pub(crate) fn drain(&mut self, step: &mut Step<'_>, config: v1::DrainConfig) {
        if self.is_empty() {
            tracing::info!("nothing runs here: drained already");
            return;
        }
        tracing::info!("draining: {config:?}");
        self.set_draining(step, Some(Draining { config, since: step.now.wall }));
        self.kill_for_drain(step);
    }

    /// Kills each task with at most the drain's grace. Also what a restarted agent does once its executors are back:
    /// the kills of its predecessor may not have reached them.
    pub(crate) fn kill_for_drain(&mut self, step: &mut Step<'_>) {
        let Some(max) = self.drain.as_ref().map(|drain| drain.config.max_grace_period) else { return };
        let mut kills = Vec::new();
        for (framework, known) in &self.frameworks {
            for executor in known.executors.values() {
                let live = executor.tasks.iter().filter(|(_, task)| !is_terminal(task_state(task.state)));
                kills.extend(live.map(|(task, entry)| (framework.clone(), task.clone(), bounded(entry, max))));
            }
        }
        for (framework, task, kill_policy) in kills {
            self.kill_drained(step, &framework, &task, kill_policy);
        }
        self.drained_if_empty(step);
    }

    fn kill_drained(
        &mut self,
        step: &mut Step<'_>,
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
        self.kill_task(step, message);
    }

    /// A drained agent takes work again; that it gets none is the master's decision.
    pub(crate) fn drained_if_empty(&mut self, step: &mut Step<'_>) {
        if self.drain.is_some() && self.is_empty() {
            tracing::info!("drained");
            self.set_draining(step, None);
        }
    }

    /// A task comes while nothing runs here: its master takes the agent for drained, and an operator has reactivated it.
    /// (A Mesos agent refuses tasks until also all feedback of operations is acknowledged; where operations go on, that may
    /// be never.)
    pub(crate) fn end_drain_of_nothing(&mut self, step: &mut Step<'_>) {
        if self.drain.is_some() && self.frameworks.values().all(|framework| framework.executors.is_empty()) {
            self.set_draining(step, None);
        }
    }

    fn set_draining(&mut self, step: &mut Step<'_>, draining: Option<Draining>) {
        self.drain = draining.map(Arc::new);
        self.stores.store(step, Record::Drain(self.drain.clone()));
        self.publish_agent(step);
    }

    fn is_empty(&self) -> bool {
        self.frameworks.is_empty() && self.ledger.is_settled()
    }
}

/// The task's own grace period stands when it is the shorter one.
fn bounded(task: &v1::Task, max: Option<v1::DurationInfo>) -> Option<Box<v1::KillPolicy>> {
    let max = max?;
    let own = task.kill_policy.as_deref().and_then(|policy| policy.grace_period);
    let longer = own.is_none_or(|own| own.nanoseconds > max.nanoseconds);
    longer.then(|| Box::new(v1::KillPolicy { grace_period: Some(max) }))
}

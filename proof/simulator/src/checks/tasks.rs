//! Tasks: each runs at most once, and what is over for its framework stays over.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use model::{FrameworkId, is_terminal};
use v1::TaskState;

#[derive(Debug, Default)]
pub struct Tasks {
    tasks: BTreeMap<(FrameworkId, String), Task>,
    /// Frameworks that were torn down.
    gone: BTreeSet<FrameworkId>,
    /// Clients repeat calls, and those of drivers may be read late: an answer may be to a question of long ago.
    pub late_answers: bool,
    first: Option<String>,
}

#[derive(Debug, Default)]
struct Task {
    /// The machine on which an executor was given it.
    started: Option<usize>,
    /// Its machine lost everything.
    lost: bool,
    delivered: Option<TaskState>,
    /// By an operator's word, which ends nothing by itself.
    ended_by_operator: bool,
    /// An operator said that the machine is down; it need not be, and its agent may come back with the task.
    machine_down: bool,
}

impl Tasks {
    fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    pub fn found(&self) -> Option<String> {
        self.first.clone()
    }

    /// An executor begins to run the task.
    pub fn started(&mut self, framework: &FrameworkId, task: &str, agent: usize) {
        let entry = self.tasks.entry((framework.clone(), task.to_owned())).or_default();
        let (before, delivered) = (entry.started.replace(agent), entry.delivered.filter(|_| !entry.ended_by_operator));
        if let Some(before) = before {
            self.violation(format!("task {task} is started on agent-{agent}, and was on agent-{before} before"));
        }
        if let Some(delivered) = delivered.filter(|delivered| is_terminal(*delivered)) {
            self.violation(format!("task {task} starts after its framework was told {}", delivered.as_str_name()));
        }
    }

    pub fn machine_lost(&mut self, agent: usize) {
        for task in self.tasks.values_mut().filter(|task| task.started == Some(agent)) {
            task.lost = true;
        }
    }

    /// The framework is told a state, having been told `before` last.
    ///
    /// Without PARTITION_AWARE it has only one word for what is away for a while and what will never come back.
    pub fn delivered(
        &mut self,
        framework: &FrameworkId,
        id: &str,
        before: TaskState,
        status: &v1::TaskStatus,
        aware: bool,
    ) {
        let state = status.state();
        let entry = self.tasks.entry((framework.clone(), id.to_owned())).or_default();
        let same = state == before
            || entry.machine_down
            || (is_absent(before) && is_absent(state))
            || state == TaskState::TaskUnknown
            || (is_late_answer(status) && (self.late_answers || state == TaskState::TaskGoneByOperator))
            || (!aware && (before == TaskState::TaskLost || state == TaskState::TaskLost));
        if is_terminal(before) && !same {
            self.violation(format!(
                "task {id} was {} and is now {} ({})",
                before.as_str_name(),
                state.as_str_name(),
                status.message()
            ));
        }
        let entry = self.tasks.entry((framework.clone(), id.to_owned())).or_default();
        entry.machine_down |= status.message().ends_with("'Machine DOWN'");
        entry.delivered = Some(state);
        entry.ended_by_operator =
            entry.machine_down || state == TaskState::TaskGoneByOperator || (!aware && state == TaskState::TaskLost);
    }

    /// Nobody is left to hear of its tasks, also of those that are still to begin.
    pub fn framework_gone(&mut self, framework: FrameworkId) {
        self.gone.insert(framework);
    }

    /// Its updates may be lost: its framework is gone, or its machine lost what it had.
    pub fn may_lose_updates(&self, framework: &FrameworkId, task: &str) -> bool {
        let lost = self.tasks.get(&(framework.clone(), task.to_owned())).is_some_and(|task| task.lost);
        lost || self.gone.contains(framework)
    }
}

/// To a reconciliation that was repeated: by now the master has forgotten the task, whose end was acknowledged. Or to one
/// that crossed the end of all tasks of an agent that is gone.
fn is_late_answer(status: &v1::TaskStatus) -> bool {
    status.reason() == v1::task_status::Reason::Reconciliation && is_absent(status.state())
}

/// Different words for a task that is not there, and of which nothing more is known.
fn is_absent(state: TaskState) -> bool {
    matches!(state, TaskState::TaskLost | TaskState::TaskDropped | TaskState::TaskGone | TaskState::TaskGoneByOperator)
}

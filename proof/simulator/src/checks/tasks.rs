//! Checks tasks: each runs at most once, and a task that is terminal for its framework stays terminal.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use model::{FrameworkId, is_terminal};
use v1::TaskState;

/// The tasks of all frameworks, where they were started and what was delivered of them.
#[derive(Debug, Default)]
pub struct Tasks {
    tasks: BTreeMap<(FrameworkId, String), Task>,
    /// The frameworks that were torn down.
    gone: BTreeSet<FrameworkId>,
    /// Whether clients repeat calls or calls of drivers are read late. An answer may then belong to an old request.
    pub late_answers: bool,
    first: Option<String>,
}

#[derive(Debug, Default)]
struct Task {
    /// The machine on which the task was given to an executor.
    started: Option<usize>,
    /// Whether the machine of the task has lost everything.
    lost: bool,
    delivered: Option<TaskState>,
    /// Whether the terminal state comes from an operator's declaration, which ends nothing by itself.
    ended_by_operator: bool,
    /// Whether an operator declared the machine to be down. It need not be, and its agent may come back with the task.
    machine_down: bool,
}

impl Tasks {
    fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    pub fn found(&self) -> Option<String> {
        self.first.clone()
    }

    /// Records that an executor begins to run the task.
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

    /// Records that the machine of an agent has lost all containers and its disk.
    pub fn machine_lost(&mut self, agent: usize) {
        for task in self.tasks.values_mut().filter(|task| task.started == Some(agent)) {
            task.lost = true;
        }
    }

    /// Records a state that is delivered to the framework. `before` is the state that was delivered before it.
    ///
    /// A framework without PARTITION_AWARE receives the same state for a task that is away for a while and for one that
    /// will never come back.
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

    /// Records that a framework was torn down. No framework receives updates of its tasks any more, including those
    /// that are yet to start.
    pub fn framework_gone(&mut self, framework: FrameworkId) {
        self.gone.insert(framework);
    }

    /// Returns true if the updates of a task may be lost, because its framework is gone or its machine lost everything.
    pub fn may_lose_updates(&self, framework: &FrameworkId, task: &str) -> bool {
        let lost = self.tasks.get(&(framework.clone(), task.to_owned())).is_some_and(|task| task.lost);
        lost || self.gone.contains(framework)
    }
}

/// Returns true for an answer to a reconciliation that was repeated, after the master has forgotten the task, or that
/// crossed the end of all tasks of an agent that is gone.
fn is_late_answer(status: &v1::TaskStatus) -> bool {
    status.reason() == v1::task_status::Reason::Reconciliation && is_absent(status.state())
}

/// Returns true for the states of a task that does not exist and of which nothing more is known.
fn is_absent(state: TaskState) -> bool {
    matches!(state, TaskState::TaskLost | TaskState::TaskDropped | TaskState::TaskGone | TaskState::TaskGoneByOperator)
}

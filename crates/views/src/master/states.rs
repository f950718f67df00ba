//! Task states as Mesos' state machine groups them.

use messages::v1::TaskState;

/// The task holds its resources no more, and no later update revives it.
pub(crate) fn is_terminal(state: TaskState) -> bool {
    use TaskState::*;
    match state {
        TaskFinished | TaskFailed | TaskKilled | TaskError | TaskLost | TaskDropped | TaskGone | TaskGoneByOperator => {
            true
        }
        TaskStaging | TaskStarting | TaskRunning | TaskKilling | TaskUnreachable | TaskUnknown => false,
    }
}

/// Whether its resources are in use as far as the master knows.
pub(crate) fn holds_resources(state: TaskState) -> bool {
    !is_terminal(state) && state != TaskState::TaskUnreachable
}

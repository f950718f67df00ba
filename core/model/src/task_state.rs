//! The task states that are final.

use messages::v1::TaskState;

/// Returns whether a state is terminal: the task uses no resources any more, and no later update revives it (Mesos:
/// `protobuf::isTerminalState`).
pub fn is_terminal(state: TaskState) -> bool {
    use TaskState::*;
    match state {
        TaskFinished | TaskFailed | TaskKilled | TaskError | TaskLost | TaskDropped | TaskGone | TaskGoneByOperator => {
            true
        }
        TaskStaging | TaskStarting | TaskRunning | TaskKilling | TaskUnreachable | TaskUnknown => false,
    }
}

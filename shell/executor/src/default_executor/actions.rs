//! The inputs and results of the default executor's decisions, as plain data.

use std::time::Duration;

use messages::v1;
use messages::v1::{agent, executor};

use crate::checks::{Checker, Probe};

/// The number of a container within this executor. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u64);

/// The purpose of a request to the agent. There is at most one request for a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// LAUNCH_CONTAINER for a task.
    Launch(Key),
    /// WAIT_NESTED_CONTAINER for a task; its answer comes when the container has ended.
    Wait(Key),
    /// KILL_NESTED_CONTAINER for a task.
    Kill(Key),
    /// REMOVE_NESTED_CONTAINER for the container of the previous probe.
    RemoveCheck(Key, Checker),
    /// LAUNCH_NESTED_CONTAINER_SESSION for a probe; its answer is complete when the command has ended.
    RunCheck(Key, Checker),
    /// WAIT_NESTED_CONTAINER for a probe.
    WaitCheck(Key, Checker),
}

impl Purpose {
    /// Returns whether the answer is a stream of records.
    pub fn is_stream(self) -> bool {
        matches!(self, Purpose::RunCheck(..))
    }
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The agent has answered. The body of a stream is left out.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// There is no answer: the agent cannot be reached, or the connection broke. The agent may have done what was asked.
    Broken,
}

/// A timer of the executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A launch without an answer is repeated.
    Launch(Key),
    /// A wait without an answer is repeated.
    Wait(Key),
    /// A kill without an answer is repeated.
    Kill(Key),
    /// The grace period after SIGTERM is over.
    Grace(Key),
    /// The task has reached its `max_completion_time`.
    MaxCompletion(Key),
    /// The next probe of a task is due.
    Probe(Key, Checker),
    /// The command of a check has taken too long.
    CheckTimeout(Key, Checker),
    /// The agent has not returned within the recovery timeout.
    Recovery,
    /// The last updates have not been acknowledged in time.
    Acknowledgement,
    /// The executor has not ended within the grace period of SHUTDOWN.
    Shutdown,
}

/// An action for the loop. Actions are carried out in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a call to the executor API of the agent.
    Send(Box<executor::Call>),
    /// Send a call to the agent's API, then call `DefaultExecutor::on_reply`. A request for the same purpose is
    /// cancelled.
    Request(Purpose, Box<agent::Call>),
    /// Close the connection of a request, if there is one. Its reply does not matter any more.
    Cancel(Purpose),
    /// Close the connections of all requests.
    CancelAll,
    /// Link the sandbox of a task's container in the sandbox of the executor.
    LinkSandbox(v1::TaskId, v1::ContainerId),
    /// Call `DefaultExecutor::on_timer` after this time. A later action for the same timer replaces this one.
    Arm(Timer, Duration),
    /// Probe a port for at most this time, then call `DefaultExecutor::on_probed`.
    Probe(Key, Checker, Probe, Duration),
    /// Write a line for readers of the sandbox.
    Log(String),
    /// End this process.
    Exit,
}

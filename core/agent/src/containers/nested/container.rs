//! The state of one nested or standalone container.

use std::path::PathBuf;

use messages::v1;
use messages::v1::agent::response::WaitContainer;
use model::ReplyId;

use crate::input::ContainerExit;

/// A nested or standalone container.
#[derive(Debug)]
pub(crate) struct NestedContainer {
    /// The progress of its life.
    pub state: NestedState,
    /// The user that it runs as; `None` for the agent's own. Containers in it inherit the user.
    pub user: Option<String>,
    /// The sandbox; absolute.
    pub sandbox: PathBuf,
    /// Whether it is a session, which ends with the connection of its caller.
    pub session: bool,
    /// The number of containers that had ended before this one; 0 while it runs.
    pub ends_before: u64,
}

/// The progress of a container's life.
#[derive(Debug)]
pub(crate) enum NestedState {
    /// It waits until the container that it is launched in has been started. The reply is answered when it runs or has
    /// failed.
    Held(ReplyId),
    /// The containerizer has been told to start it. The reply is answered when it runs or has failed.
    Launching(ReplyId),
    /// The process of this pid runs in it.
    Running(u32),
    /// It has been told to end.
    Destroying,
    /// It has ended.
    Terminated(Box<WaitContainer>),
    /// It has ended, and its files are being removed for these calls.
    Removing(Vec<ReplyId>),
}

impl NestedContainer {
    /// Returns whether a process may run in it, or may be about to.
    pub fn is_live(&self) -> bool {
        match self.state {
            NestedState::Held(_) | NestedState::Launching(_) | NestedState::Running(_) | NestedState::Destroying => {
                true
            }
            NestedState::Terminated(_) | NestedState::Removing(_) => false,
        }
    }

    /// Returns whether it has ended, and its files are there.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, NestedState::Terminated(_))
    }
}

/// Returns the answer to a call that waits for a container, after its end.
pub(crate) fn termination(exit: &ContainerExit) -> WaitContainer {
    let limitation = exit.limitation.as_ref();
    WaitContainer {
        exit_status: exit.status,
        state: limitation.map(|_| v1::TaskState::TaskFailed as i32),
        reason: limitation.map(|limitation| limitation.reason as i32),
        limitation: limitation
            .filter(|limitation| !limitation.resources.is_empty())
            .map(|limitation| Box::new(v1::TaskResourceLimitation { resources: limitation.resources.clone() })),
        message: limitation.map(|limitation| limitation.message.clone()),
    }
}

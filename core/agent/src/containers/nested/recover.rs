//! The nested and standalone containers of an earlier process of this agent. They are recorded where they run, in the
//! runtime directory, because they do not outlive it either.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::ContainerId;

use super::container::{NestedContainer, NestedState, termination};
use super::launch::sandbox_of;
use crate::containers::events::destroy;
use crate::effects::Context;
use crate::input::ContainerExit;
use crate::state::State;

/// A nested or standalone container of an earlier process of this agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecoveredNested {
    /// The user that it runs as; `None` for the agent's own.
    pub user: Option<String>,
    /// Whether it is a session. Its caller has lost the connection, so it ends.
    pub session: bool,
    /// The process id if it runs.
    pub pid: Option<u32>,
    /// The exit of the container, if it does not run.
    pub exit: ContainerExit,
}

/// Takes over the containers whose top-level container continues, and ends the others.
pub(crate) fn recover(state: &mut State, cx: &mut Context<'_>, found: BTreeMap<ContainerId, RecoveredNested>) {
    // Parents sort before their children.
    for (id, nested) in found {
        let Some(sandbox) = sandbox(state, &id, &nested) else { continue };
        let progress = match nested.pid {
            Some(_) if nested.session => NestedState::Destroying,
            Some(pid) => NestedState::Running(pid),
            None => NestedState::Terminated(Box::new(termination(&nested.exit))),
        };
        if matches!(progress, NestedState::Destroying) {
            destroy(cx, &id);
        }
        let (user, session) = (nested.user, nested.session);
        // The order in which they ended is not recorded.
        let container = NestedContainer { state: progress, user, sandbox, session, ends_before: 0 };
        state.nested_containers.insert(id, container);
    }
}

/// Returns the sandbox of a container that is taken over; `None` for one whose top-level container has ended.
fn sandbox(state: &State, id: &ContainerId, nested: &RecoveredNested) -> Option<PathBuf> {
    let root = id.root();
    if *id == root {
        let standalone = nested.pid.is_some() && !state.frameworks.has_container(id);
        return standalone.then(|| state.config.work_dir.join("containers").join(id.as_str()));
    }
    let root_sandbox = sandbox_of(state, &root)?;
    Some(id.values().skip(1).fold(root_sandbox, |path, value| path.join("containers").join(value)))
}

//! The events of nested and standalone containers that the containerizer reports, and the end of a parent.

use machine::{CallResponse, Status};
use messages::v1::agent::response::WaitContainer;
use model::{ContainerId, ReplyId};

use super::calls::forget_oldest;
use super::container::{NestedState, termination};
use super::held;
use super::launch::sandbox_of;
use crate::containers::events::destroy;
use crate::effects::Context;
use crate::input::{ContainerExit, LaunchFailure};
use crate::state::State;

/// The process of a container runs.
pub(crate) fn launched(state: &mut State, cx: &mut Context<'_>, id: &ContainerId, pid: u32) {
    let Some(container) = state.nested_containers.get_mut(id) else { return };
    if let NestedState::Launching(reply) = container.state {
        container.state = NestedState::Running(pid);
        cx.reply(reply, CallResponse::ok());
        if sandbox_of(state, &id.root()).is_none() {
            end(state, cx, id);
        } else {
            held::release(state, cx, id);
        }
    }
}

/// A container could not be started, and nothing of it is left.
pub(crate) fn launch_failed(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &ContainerId,
    reason: &str,
    failure: LaunchFailure,
) {
    let status = match failure {
        LaunchFailure::Sandbox => Status::InternalServerError,
        LaunchFailure::Other => Status::BadRequest,
    };
    let reply = match state.nested_containers.remove(id).map(|container| container.state) {
        Some(NestedState::Launching(reply)) => Some(reply),
        _ => None,
    };
    if let Some(reply) = reply {
        cx.reply(reply, CallResponse::new(status, reason));
    }
    // A call may wait for a container that has never run. Mesos answers it without a status, too.
    let ended = WaitContainer { message: Some(reason.to_owned()), ..WaitContainer::default() };
    state.nested_containers.answer_waits(cx, id, &ended);
    held::refuse_inside(state, cx, id);
}

/// A container has ended.
pub(crate) fn exited(state: &mut State, cx: &mut Context<'_>, id: &ContainerId, exit: &ContainerExit) {
    let ended = termination(exit);
    if let Some(reply) = state.nested_containers.terminate(id, ended.clone()) {
        cx.reply(reply, CallResponse::ok());
    }
    state.nested_containers.answer_waits(cx, id, &ended);
    held::refuse_inside(state, cx, id);
    match id.parent() {
        None => {
            root_ended(state, cx, id, &ended);
            if let Some(container) = state.nested_containers.remove(id) {
                state.gc.schedule(cx, container.sandbox);
            }
        }
        // The end of a nested container is kept until its root ends, unless there are many.
        Some(_) if sandbox_of(state, &id.root()).is_none() => {
            state.nested_containers.remove(id);
        }
        Some(_) => {
            if let Some(container) = state.nested_containers.get(id)
                && state.config.gc_non_executor_container_sandboxes
            {
                state.gc.schedule(cx, container.sandbox.clone());
            }
            forget_oldest(state, cx, id);
        }
    }
}

/// A top-level container has ended. The containers in it end with it, and those that have ended are not known any more.
pub(crate) fn root_ended(state: &mut State, cx: &mut Context<'_>, root: &ContainerId, ended: &WaitContainer) {
    state.nested_containers.answer_waits(cx, root, ended);
    held::refuse_inside(state, cx, root);
    for id in state.nested_containers.inside(root) {
        let Some(container) = state.nested_containers.get(&id) else { continue };
        match &container.state {
            NestedState::Launching(_) => destroy(cx, &id),
            NestedState::Running(_) | NestedState::Destroying => end(state, cx, &id),
            NestedState::Terminated(_) => {
                state.nested_containers.remove(&id);
            }
            // The removal is answered when it is done.
            NestedState::Removing(_) => {}
            // The launches that waited have been refused.
            NestedState::Held(_) => {}
        }
    }
}

/// The connection of a session has ended, and the session ends with it.
pub(crate) fn session_ended(state: &mut State, cx: &mut Context<'_>, id: &ContainerId) {
    match state.nested_containers.live(id).map(|container| (container.session, &container.state)) {
        Some((true, NestedState::Held(_))) => {
            let answer = CallResponse::new(Status::ServiceUnavailable, "The client has disconnected");
            held::refuse(state, cx, id, answer);
        }
        Some((true, NestedState::Launching(_))) => destroy(cx, id),
        Some((true, _)) => end(state, cx, id),
        _ => {}
    }
}

fn end(state: &mut State, cx: &mut Context<'_>, id: &ContainerId) {
    if let Some(container) = state.nested_containers.get_mut(id)
        && matches!(container.state, NestedState::Running(_))
    {
        container.state = NestedState::Destroying;
        destroy(cx, id);
    }
}

/// A signal was sent, or could not be sent.
pub(crate) fn signalled(cx: &mut Context<'_>, reply: ReplyId, failed: Option<String>) {
    cx.reply(
        reply,
        match failed {
            None => CallResponse::ok(),
            Some(reason) => {
                CallResponse::new(Status::InternalServerError, format!("Unable to send signal to container: {reason}"))
            }
        },
    );
}

/// The files of a container were removed, or could not be removed.
pub(crate) fn removed(state: &mut State, cx: &mut Context<'_>, id: &ContainerId, failed: Option<String>) {
    let Some(container) = state.nested_containers.remove(id) else { return };
    let NestedState::Removing(replies) = container.state else { return };
    if let (Some(reason), true) = (&failed, replies.is_empty()) {
        tracing::warn!("the files of container {id} stay, although it is forgotten: {reason}");
    }
    for reply in replies {
        let response = match &failed {
            None => CallResponse::ok(),
            Some(reason) => CallResponse::new(Status::InternalServerError, reason.clone()),
        };
        cx.reply(reply, response);
    }
}

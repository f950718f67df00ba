//! The calls that wait for, signal and remove containers, with the answers of Mesos (`src/slave/http.cpp`).

use std::path::PathBuf;

use machine::{CallResponse, Status};
use model::{ContainerId, ReplyId};

use super::container::NestedState;
use super::{held, launch};
use crate::containers::events::destroy;
use crate::effects::{Command, ContainerCommand, Context};
use crate::input::{ContainerCall, ContainerRequest};
use crate::state::State;

/// Decides about a call.
pub(crate) fn container_call(state: &mut State, cx: &mut Context<'_>, call: ContainerCall) {
    let ContainerCall { reply, caller: _, request } = call;
    match request {
        ContainerRequest::Launch(request) => launch::launch(state, cx, reply, *request),
        ContainerRequest::Wait(container) => wait(state, cx, reply, container),
        ContainerRequest::Kill { container, signal } => kill(state, cx, reply, container, signal),
        ContainerRequest::Remove(container) => remove(state, cx, reply, &container),
    }
}

fn wait(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, id: ContainerId) {
    match state.nested_containers.get(&id).map(|container| &container.state) {
        Some(NestedState::Terminated(termination)) => {
            return cx.reply(reply, CallResponse::terminated((**termination).clone()));
        }
        Some(NestedState::Removing(_)) => {}
        Some(_) => return state.nested_containers.wait(id, reply),
        None if executor_runs(state, &id) => return state.nested_containers.wait(id, reply),
        None => {}
    }
    cx.reply(reply, not_found(&id));
}

/// Removes a call of a client that has disconnected.
pub(crate) fn wait_abandoned(state: &mut State, cx: &mut Context<'_>, id: &ContainerId, reply: ReplyId) {
    if state.nested_containers.abandon_wait(id, reply) {
        // Nobody reads the answer, but the shell keeps the call until it is answered.
        cx.reply(reply, CallResponse::new(Status::ServiceUnavailable, "The client has disconnected"));
    }
}

fn not_found(id: &ContainerId) -> CallResponse {
    CallResponse::new(Status::NotFound, format!("Container {id} cannot be found"))
}

fn executor_runs(state: &State, id: &ContainerId) -> bool {
    let owner = state.frameworks.by_container(id);
    let executor = owner.and_then(|(framework, executor)| state.frameworks.executor(&framework, &executor));
    executor.is_some_and(|executor| !executor.is_terminated())
}

fn kill(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, id: ContainerId, signal: i32) {
    if let Some(NestedState::Held(_)) = state.nested_containers.get(&id).map(|container| &container.state) {
        held::refuse(state, cx, &id, CallResponse::bad_request("Container was killed before it was started"));
        return cx.reply(reply, CallResponse::ok());
    }
    let pid = match state.frameworks.by_container(&id) {
        Some((framework, executor)) => {
            let executor = state.frameworks.executor(&framework, &executor);
            executor.filter(|executor| !executor.is_terminated() && executor.is_launch_requested()).map(|e| e.pid())
        }
        None => match state.nested_containers.get(&id).map(|container| &container.state) {
            Some(NestedState::Running(pid)) => Some(Some(*pid)),
            Some(NestedState::Launching(_) | NestedState::Destroying) => Some(None),
            Some(NestedState::Held(_) | NestedState::Terminated(_) | NestedState::Removing(_)) | None => None,
        },
    };
    match pid {
        None => {
            let text = format!("Container '{id}' cannot be found (or is already killed)");
            cx.reply(reply, CallResponse::new(Status::NotFound, text));
        }
        // No process can be signalled yet, so the container is destroyed.
        Some(None) => {
            destroy(cx, &id);
            cx.reply(reply, CallResponse::ok());
        }
        Some(Some(_)) => {
            cx.command(Command::Container(ContainerCommand::Signal { container: id, signal, reply }));
        }
    }
}

/// Removes the files of a container that has ended, and of those in it. A container that is not known is removed
/// already.
fn remove(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, id: &ContainerId) {
    let root = id.root();
    let Some(root_sandbox) = launch::sandbox_of(state, &root) else { return cx.reply(reply, not_found(id)) };
    if *id == root {
        let text = format!("Container {id} is top-level, and its files are removed some time after its end");
        return cx.reply(reply, CallResponse::bad_request(text));
    }
    let known = state.nested_containers.contains(id);
    let within = state.nested_containers.inside(id);
    let is_live = |id| state.nested_containers.live(id).is_some();
    if is_live(id) || within.iter().any(is_live) {
        let text = "Nested container has not terminated yet";
        return cx.reply(reply, CallResponse::new(Status::InternalServerError, text));
    }
    if !known {
        return cx.reply(reply, CallResponse::ok());
    }
    for id in &within {
        state.nested_containers.remove(id);
    }
    begin_removal(state, cx, id, root_sandbox, Some(reply));
}

/// Removes the files of a container that has ended, for a call or because there are many.
fn begin_removal(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &ContainerId,
    root_sandbox: PathBuf,
    reply: Option<ReplyId>,
) {
    let Some(container) = state.nested_containers.get_mut(id) else { return };
    match &mut container.state {
        // Removals of one container share the work.
        NestedState::Removing(replies) => replies.extend(reply),
        removed => {
            *removed = NestedState::Removing(reply.into_iter().collect());
            let sandbox = container.sandbox.clone();
            state.gc.unschedule(&sandbox);
            cx.command(Command::Container(ContainerCommand::Remove { container: id.clone(), sandbox, root_sandbox }));
        }
    }
}

/// The number of containers that are forgotten when one has ended. It is more than one, so that those of an earlier agent
/// become fewer.
const FORGOTTEN_AT_ONCE: usize = 2;

/// Forgets the oldest containers that have ended, if the end of this one has made them many: those who launch sessions and
/// checks may never remove them.
pub(super) fn forget_oldest(state: &mut State, cx: &mut Context<'_>, ended: &ContainerId) {
    for _ in 0..FORGOTTEN_AT_ONCE {
        let Some(oldest) = state.nested_containers.oldest_beyond_bounds(ended) else { return };
        let Some(root_sandbox) = launch::sandbox_of(state, &oldest.root()) else { return };
        for id in state.nested_containers.inside(&oldest) {
            state.nested_containers.remove(&id);
        }
        begin_removal(state, cx, &oldest, root_sandbox, None);
    }
}

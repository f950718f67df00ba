//! The calls that launch a nested or standalone container. The answers are those of Mesos (`Http::launchContainer`).

use std::path::PathBuf;

use machine::{CallResponse, Status};
use model::{ContainerId, ReplyId};

use super::container::{NestedContainer, NestedState};
use crate::containers::environment::nested_environment;
use crate::effects::{Command, ContainerCommand, Context, NestedLaunch};
use crate::input::NestedContainerRequest;
use crate::state::State;

/// The properties that a container inherits from the one that it is launched in.
struct Inherited {
    sandbox: PathBuf,
    /// The sandbox of the top-level container.
    root_sandbox: PathBuf,
    user: Option<String>,
    /// The container that it is launched in, if that has not been started yet.
    starting: Option<ContainerId>,
}

/// Launches a container. The call is answered once its process runs or has failed to start.
pub(crate) fn launch(state: &mut State, cx: &mut Context<'_>, reply: ReplyId, request: NestedContainerRequest) {
    let id = request.container.clone();
    // A client repeats a launch whose answer was lost. The id of a container that has ended stays in use.
    if state.nested_containers.contains(&id) || state.frameworks.has_container(&id) {
        return cx.reply(reply, CallResponse::accepted());
    }
    let inherited = match check(state, &id) {
        Ok(inherited) => inherited,
        Err(refused) => return cx.reply(reply, refused),
    };
    let command = request.command.unwrap_or_default();
    let own_user = command.user.clone().filter(|_| state.config.switch_user);
    let user = own_user.or(inherited.user);
    let launch = NestedLaunch {
        environment: nested_environment(
            &state.config,
            &command,
            request.info.as_ref(),
            &inherited.sandbox,
            request.session,
        ),
        container: id.clone(),
        command,
        info: request.info,
        sandbox: inherited.sandbox.clone(),
        root_sandbox: inherited.root_sandbox,
        user: user.clone(),
        resources: request.resources,
        limits: request.limits,
        session: request.session,
    };
    let mut container = NestedContainer {
        state: NestedState::Launching(reply),
        user,
        sandbox: inherited.sandbox,
        session: request.session,
        ends_before: 0,
    };
    match inherited.starting {
        None => cx.command(Command::Container(ContainerCommand::LaunchNested(Box::new(launch)))),
        Some(parent) => {
            if !state.nested_containers.held.hold(&parent, launch) {
                let text = format!("Parent container {parent} is in 'PREPARING' state, as are those of other launches");
                return cx.reply(reply, CallResponse::new(Status::ServiceUnavailable, text));
            }
            container.state = NestedState::Held(reply);
        }
    }
    state.nested_containers.insert(id, container);
}

fn check(state: &State, id: &ContainerId) -> Result<Inherited, CallResponse> {
    if state.master.is_terminating() {
        return Err(CallResponse::new(Status::ServiceUnavailable, "Agent is terminating"));
    }
    if state.nested_containers.is_full() {
        let text = "The agent has too many nested containers: remove those that have ended with REMOVE_CONTAINER";
        return Err(CallResponse::new(Status::ServiceUnavailable, text));
    }
    match id.parent() {
        None => {
            let sandbox = state.config.work_dir.join("containers").join(id.as_str());
            Ok(Inherited { root_sandbox: sandbox.clone(), sandbox, user: None, starting: None })
        }
        Some(parent) => from_parent(state, id, &parent),
    }
}

fn from_parent(state: &State, id: &ContainerId, parent: &ContainerId) -> Result<Inherited, CallResponse> {
    let root = id.root();
    let Some(root_sandbox) = sandbox_of(state, &root) else {
        return Err(CallResponse::bad_request(format!("Root container {root} not found")));
    };
    let (user, runs) = match state.frameworks.by_container(parent) {
        Some((framework, executor)) => {
            let executor =
                state.frameworks.executor(&framework, &executor).filter(|executor| !executor.is_terminated());
            let executor = executor.ok_or_else(|| missing(parent))?;
            (executor.user().map(str::to_owned), executor.pid().is_some())
        }
        None => {
            let container = state.nested_containers.live(parent).ok_or_else(|| missing(parent))?;
            let runs = match container.state {
                NestedState::Running(_) => true,
                NestedState::Launching(_) | NestedState::Held(_) => false,
                _ => {
                    let text = format!("Parent container {parent} is in 'DESTROYING' state");
                    return Err(CallResponse::bad_request(text));
                }
            };
            (container.user.clone(), runs)
        }
    };
    let starting = (!runs).then(|| parent.clone());
    // The path is `<root's sandbox>/containers/<child>/containers/<grandchild>`.
    let below = id.values().skip(1).fold(root_sandbox.clone(), |path, value| path.join("containers").join(value));
    Ok(Inherited { sandbox: below, root_sandbox, user, starting })
}

/// Returns the answer to a launch in a container that is not known or has ended.
pub(super) fn missing(parent: &ContainerId) -> CallResponse {
    CallResponse::bad_request(format!("Parent container {parent} does not exist"))
}

/// Returns the sandbox of a top-level container that has not ended.
pub(super) fn sandbox_of(state: &State, root: &ContainerId) -> Option<PathBuf> {
    match state.frameworks.by_container(root) {
        Some((framework, executor)) => {
            let executor = state.frameworks.executor(&framework, &executor)?;
            Some(executor.sandbox().to_owned()).filter(|_| !executor.is_terminated())
        }
        None => state.nested_containers.live(root).map(|container| container.sandbox.clone()),
    }
}

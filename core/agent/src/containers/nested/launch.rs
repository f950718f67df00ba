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
    let container = NestedContainer {
        state: NestedState::Launching(reply),
        user,
        sandbox: inherited.sandbox,
        session: request.session,
    };
    state.nested_containers.insert(id, container);
    cx.command(Command::Container(ContainerCommand::LaunchNested(Box::new(launch))));
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
            Ok(Inherited { root_sandbox: sandbox.clone(), sandbox, user: None })
        }
        Some(parent) => from_parent(state, id, &parent),
    }
}

fn from_parent(state: &State, id: &ContainerId, parent: &ContainerId) -> Result<Inherited, CallResponse> {
    let root = id.root();
    let Some(root_sandbox) = sandbox_of(state, &root) else {
        return Err(CallResponse::bad_request(format!("Root container {root} not found")));
    };
    let in_state = |name: &str| CallResponse::bad_request(format!("Parent container {parent} is in '{name}' state"));
    let user = match state.frameworks.by_container(parent) {
        Some((framework, executor)) => {
            let executor =
                state.frameworks.executor(&framework, &executor).filter(|executor| !executor.is_terminated());
            let executor = executor.ok_or_else(|| missing(parent))?;
            // A quick executor asks before its agent has heard that it was started. It asks again after a 503.
            if executor.pid().is_none() {
                let text = format!("Parent container {parent} is in 'PREPARING' state");
                return Err(CallResponse::new(Status::ServiceUnavailable, text));
            }
            executor.user().map(str::to_owned)
        }
        None => {
            let container = state.nested_containers.live(parent).ok_or_else(|| missing(parent))?;
            match container.state {
                NestedState::Running(_) => container.user.clone(),
                NestedState::Launching(_) => return Err(in_state("PREPARING")),
                _ => return Err(in_state("DESTROYING")),
            }
        }
    };
    // The path is `<root's sandbox>/containers/<child>/containers/<grandchild>`.
    let below = id.values().skip(1).fold(root_sandbox.clone(), |path, value| path.join("containers").join(value));
    Ok(Inherited { sandbox: below, root_sandbox, user })
}

fn missing(parent: &ContainerId) -> CallResponse {
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

//! Answers calls about containers: hands them to the core, and attaches callers to the streams of sessions.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use ::agent::{ContainerCall, ContainerRequest, Input, NestedContainerRequest};
use edge::core_thread::{InboxItem, Stopped};
use edge::http::body::BodyStream;
use edge::http::call;
use edge::http::request::Request;
use edge::http::respond::{self, Response, bad_request, text, unavailable};
use http::StatusCode;
use machine::{CallResponse, Status};
use messages::v1;
use messages::v1::agent::call::{Type, attach_container_input};
use messages::v1::agent::response::{self, Type as Kind, WaitContainer};
use messages::v1::agent::{Call, Response as Reply};
use model::{ContainerId, ReplyId};
use tokio::sync::oneshot;

use super::app::AgentApp;
use super::media_types::{Framing, MediaTypes};
use super::sessions::input::{self, InputTarget};
use super::sessions::terminal::{self, TerminalInput};
use super::sessions::{Session, output};

/// The maximum of a record of an input in bytes. A client sends the keys and pieces of files as they come.
const MAX_INPUT_RECORD: usize = 1 << 20;

/// The signal of a KILL that names none, SIGKILL.
const DEFAULT_SIGNAL: i32 = 9;

/// Returns the response to a call about containers; `None` for any other call. The rest of `body` has the input for a
/// container.
pub async fn answer(
    app: &Arc<AgentApp>,
    request: &Request,
    media: MediaTypes,
    body: &mut Option<BodyStream>,
    call: &mut Call,
) -> Option<Result<Response, Response>> {
    let kind = call.r#type();
    Some(match kind {
        Type::WaitContainer | Type::WaitNestedContainer => wait(app, request, media, kind, id(call)?).await,
        Type::AttachContainerOutput => attach_output(app, request, media, id(call)?).await,
        Type::AttachContainerInput => attach_input(app, media, body.take()?, call).await,
        Type::LaunchNestedContainerSession => session(app, request, media, call).await,
        _ => {
            let asked = container_request(call)?;
            match asked {
                Ok(asked) => ask(app, request, asked).await.map(respond::answer),
                Err(refused) => Err(refused),
            }
        }
    })
}

/// Returns what a call asks the core for; `None` for a call that is not about containers.
#[allow(deprecated, reason = "clients still use the calls for nested containers")]
fn container_request(call: &mut Call) -> Option<Result<ContainerRequest, Response>> {
    let kind = call.r#type();
    Some(match kind {
        Type::LaunchContainer => {
            let launch = *call.launch_container.take()?;
            container_id(&launch.container_id).map(|container| {
                ContainerRequest::Launch(Box::new(NestedContainerRequest {
                    container,
                    command: launch.command.map(|command| *command),
                    info: launch.container.map(|info| *info),
                    resources: launch.resources,
                    limits: limits(&launch.limits),
                    session: false,
                }))
            })
        }
        Type::LaunchNestedContainer => {
            let launch = *call.launch_nested_container.take()?;
            container_id(&launch.container_id).map(|id| {
                let (command, info) = (launch.command.map(|command| *command), launch.container.map(|info| *info));
                nested_launch(id, command, info, false)
            })
        }
        Type::KillContainer => {
            let kill = call.kill_container.as_deref()?;
            kill_request(&kill.container_id, kill.signal)
        }
        Type::KillNestedContainer => {
            let kill = call.kill_nested_container.as_deref()?;
            kill_request(&kill.container_id, kill.signal)
        }
        Type::RemoveContainer => {
            container_id(&call.remove_container.as_ref()?.container_id).map(ContainerRequest::Remove)
        }
        Type::RemoveNestedContainer => {
            container_id(&call.remove_nested_container.as_ref()?.container_id).map(ContainerRequest::Remove)
        }
        _ => return None,
    })
}

fn kill_request(id: &v1::ContainerId, signal: Option<i32>) -> Result<ContainerRequest, Response> {
    let container = container_id(id)?;
    Ok(ContainerRequest::Kill { container, signal: signal.unwrap_or(DEFAULT_SIGNAL) })
}

fn nested_launch(
    container: ContainerId,
    command: Option<v1::CommandInfo>,
    info: Option<v1::ContainerInfo>,
    session: bool,
) -> ContainerRequest {
    let (resources, limits) = (Vec::new(), Vec::new());
    ContainerRequest::Launch(Box::new(NestedContainerRequest { container, command, info, resources, limits, session }))
}

fn limits(limits: &BTreeMap<String, v1::value::Scalar>) -> Vec<v1::Resource> {
    let one = |(name, value): (&String, &v1::value::Scalar)| v1::Resource {
        name: name.clone(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(*value),
        ..Default::default()
    };
    limits.iter().map(one).collect()
}

fn container_id(id: &v1::ContainerId) -> Result<ContainerId, Response> {
    // The validation has refused all other invalid ids before.
    ContainerId::try_from(id).map_err(|error| bad_request(error.to_string()))
}

/// Returns the container of a call that waits for it or attaches to it.
#[allow(deprecated, reason = "clients still use the calls for nested containers")]
fn id(call: &Call) -> Option<&v1::ContainerId> {
    match call.r#type() {
        Type::WaitContainer => call.wait_container.as_ref().map(|wait| &wait.container_id),
        Type::WaitNestedContainer => call.wait_nested_container.as_ref().map(|wait| &wait.container_id),
        Type::AttachContainerOutput => call.attach_container_output.as_ref().map(|attach| &attach.container_id),
        _ => None,
    }
}

async fn ask(app: &AgentApp, request: &Request, asked: ContainerRequest) -> Result<CallResponse, Response> {
    let caller = request.caller.clone();
    let ask = |reply| Input::ContainerCall(ContainerCall { reply, caller, request: asked });
    app.inbox.ask(request.body.len(), ask).await.map_err(|stopped: Stopped| unavailable(stopped.to_string()))
}

/// A call that waits for a container. The core forgets it when the connection ends.
struct PendingWait {
    app: Arc<AgentApp>,
    container: ContainerId,
    reply: ReplyId,
    answer: oneshot::Receiver<CallResponse>,
    answered: bool,
}

impl Drop for PendingWait {
    fn drop(&mut self) {
        if !self.answered {
            let input = Input::WaitAbandoned { container: self.container.clone(), reply: self.reply };
            self.app.inbox.send_control(InboxItem::Input(input));
        }
    }
}

async fn wait(
    app: &Arc<AgentApp>,
    request: &Request,
    media: MediaTypes,
    kind: Type,
    id: &v1::ContainerId,
) -> Result<Response, Response> {
    let container = container_id(id)?;
    let (reply, to, answer) = app.inbox.reply();
    let asked = ContainerRequest::Wait(container.clone());
    let input = Input::ContainerCall(ContainerCall { reply, caller: request.caller.clone(), request: asked });
    let stopped = |stopped: Stopped| unavailable(stopped.to_string());
    app.inbox.send(InboxItem::Ask { reply, to, input }, request.body.len()).await.map_err(stopped)?;
    let mut pending = PendingWait { app: app.clone(), container, reply, answer, answered: false };
    let answered = std::future::poll_fn(|cx| match Pin::new(&mut pending.answer).poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => request.connection.poll_hung_up(cx).map(|()| None),
    });
    let Some(answered) = answered.await else { return Err(unavailable("The client has disconnected")) };
    pending.answered = true;
    let answered = answered.map_err(|_| stopped(Stopped))?;
    match (answered.termination, media.accept) {
        (Some(termination), Framing::Single(encoding) | Framing::Records(encoding)) => {
            Ok(call::encoded(encoding, &wait_reply(kind, *termination)))
        }
        (None, _) => Err(respond::answer(CallResponse { termination: None, ..answered })),
    }
}

/// Returns the message for the end of a container. Its type is that of the call.
fn wait_reply(kind: Type, ended: WaitContainer) -> Reply {
    if kind == Type::WaitContainer {
        let wait_container = Some(Box::new(ended));
        return Reply { r#type: Some(Kind::WaitContainer as i32), wait_container, ..Reply::default() };
    }
    let WaitContainer { exit_status, state, reason, limitation, message } = ended;
    let ended = response::WaitNestedContainer { exit_status, state, reason, limitation, message };
    let wait_nested_container = Some(Box::new(ended));
    Reply { r#type: Some(Kind::WaitNestedContainer as i32), wait_nested_container, ..Reply::default() }
}

/// The streams of a container that callers attach to.
enum Attachable {
    Session(Arc<Session>),
    Terminal(OwnedFd),
}

/// Returns the streams of a container, or the response of Mesos to an attempt to attach to another container.
fn attachable(app: &AgentApp, id: &ContainerId) -> Result<Attachable, Response> {
    if let Some(session) = app.containers.sessions.get(id) {
        return Ok(Attachable::Session(session));
    }
    if let Some(connection) = app.containers.terminal(id).map_err(|_| shut_down())? {
        return Ok(Attachable::Terminal(connection));
    }
    if !app.publisher.snapshot().has_container(id.root().as_str()) {
        return Err(text(StatusCode::NOT_FOUND, format!("Container {id} cannot be found")));
    }
    let reason = match app.containers.live().contains(id) {
        true => "I/O switchboard server was disabled for this container".to_owned(),
        false => format!("Unknown container {id}"),
    };
    Err(text(StatusCode::INTERNAL_SERVER_ERROR, reason))
}

fn shut_down() -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, "I/O switchboard has shutdown")
}

async fn attach_output(
    app: &Arc<AgentApp>,
    request: &Request,
    media: MediaTypes,
    id: &v1::ContainerId,
) -> Result<Response, Response> {
    let output = match attachable(app, &container_id(id)?)? {
        Attachable::Session(session) => session.read().ok_or_else(shut_down)?,
        Attachable::Terminal(connection) => terminal::read(connection).await.map_err(|_| shut_down())?,
    };
    Ok(output::response(output, request, media.accept, app.heartbeat_interval, || {}))
}

async fn attach_input(
    app: &Arc<AgentApp>,
    media: MediaTypes,
    mut body: BodyStream,
    call: &Call,
) -> Result<Response, Response> {
    let attach = call.attach_container_input.as_deref();
    let attach = attach.filter(|attach| attach.r#type() == attach_container_input::Type::ContainerId);
    let Some(id) = attach.and_then(|attach| attach.container_id.as_deref()) else {
        return Err(bad_request("Expecting 'attach_container_input.type' to be CONTAINER_ID"));
    };
    let target = match attachable(app, &container_id(id)?)? {
        Attachable::Session(session) => session.lease_input().map(InputTarget::Pipe),
        Attachable::Terminal(connection) => {
            TerminalInput::open(connection).await.map_err(|_| shut_down())?.map(InputTarget::Terminal)
        }
    };
    let Some(target) = target else {
        return Err(text(StatusCode::CONFLICT, "Multiple input connections are not allowed"));
    };
    let (Framing::Single(encoding) | Framing::Records(encoding)) = media.content;
    body.limit_records(MAX_INPUT_RECORD);
    Ok(input::serve(target, encoding, body).await)
}

/// Ends a session that no response streams any more.
struct SessionEnd {
    app: Arc<AgentApp>,
    container: ContainerId,
    session: Option<Arc<Session>>,
    /// Whether the container is that of this call.
    is_own: bool,
}

impl Drop for SessionEnd {
    fn drop(&mut self) {
        if self.is_own {
            let input = Input::SessionEnded(self.container.clone());
            self.app.inbox.send_control(InboxItem::Input(input));
        }
        if let Some(session) = &self.session {
            self.app.containers.sessions.end_session(&self.container, session);
        }
    }
}

/// Launches a session, and streams its output until it ends. The session ends with the response.
async fn session(
    app: &Arc<AgentApp>,
    request: &Request,
    media: MediaTypes,
    call: &mut Call,
) -> Result<Response, Response> {
    let Some(launch) = call.launch_nested_container_session.take() else {
        return Err(bad_request("Expecting 'launch_nested_container_session' to be present"));
    };
    let id = container_id(&launch.container_id)?;
    let (command, info) = (launch.command.map(|command| *command), launch.container.map(|info| *info));
    let has_terminal = info.as_ref().is_some_and(|info| info.tty_info.is_some());
    let asked = nested_launch(id.clone(), command, info, true);
    let session = match has_terminal {
        true => None,
        false => Some(Session::new().map_err(|error| {
            let reason = format!("cannot make the streams of a session: {error}");
            text(StatusCode::INTERNAL_SERVER_ERROR, reason)
        })?),
    };
    if let Some(session) = &session
        && !app.containers.sessions.insert(&id, session.clone())
    {
        // The core knows the container, and answers that it is launched already.
        return ask(app, request, asked).await.map(respond::answer);
    }
    // From here on, the session ends when this request is dropped, wherever it is.
    let mut end = SessionEnd { app: app.clone(), container: id.clone(), session: session.clone(), is_own: true };
    let answered = ask(app, request, asked).await?;
    if answered.status != Status::Ok {
        // The container of this id, if there is one, is another call's.
        end.is_own = false;
        return Ok(respond::answer(answered));
    }
    let output = match session {
        Some(session) => session.read().ok_or_else(shut_down)?,
        None => {
            let connection = app.containers.terminal(&id).ok().flatten().ok_or_else(shut_down)?;
            terminal::read(connection).await.map_err(|_| shut_down())?
        }
    };
    Ok(output::response(output, request, media.accept, app.heartbeat_interval, move || drop(end)))
}

#[cfg(test)]
mod tests {
    use wire::ContentType;

    use super::*;

    #[test]
    fn the_answer_has_the_type_of_the_call() {
        let ended = WaitContainer { exit_status: Some(256), ..WaitContainer::default() };
        let json =
            |kind| String::from_utf8(wire::encode_as(ContentType::Json, &wait_reply(kind, ended.clone()))).unwrap();
        assert_eq!(json(Type::WaitContainer), r#"{"type":"WAIT_CONTAINER","wait_container":{"exit_status":256}}"#);
        assert_eq!(
            json(Type::WaitNestedContainer),
            r#"{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"exit_status":256}}"#
        );
    }
}

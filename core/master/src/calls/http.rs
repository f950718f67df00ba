//! A scheduler's call over HTTP, and the checks whether it may be made. The order of the checks is visible to clients.

use machine::{CallResponse, Status};
use messages::v1::scheduler::Call;
use model::FrameworkId;

use super::dispatch::dispatch;
use crate::frameworks::{Connection, Frameworks};
use crate::interface::{Context, SchedulerCall};
use crate::state::State;

pub(crate) fn scheduler_call(state: &mut State, cx: &mut Context<'_>, request: SchedulerCall) {
    let reply = request.reply;
    // A call that removes its own framework ends the stream; the response is sent first.
    let answer = match admit_call(&state.frameworks, &request) {
        Ok(framework) => dispatch(state, cx, &framework, *request.call),
        Err(refusal) => refusal,
    };
    cx.reply(reply, answer);
}

fn admit_call(frameworks: &Frameworks, request: &SchedulerCall) -> Result<FrameworkId, CallResponse> {
    let framework = named(&request.call)
        .and_then(|id| frameworks.get(id))
        .ok_or_else(|| CallResponse::bad_request("Framework cannot be found"))?;
    let own = framework.info().principal.as_deref().unwrap_or_default();
    if let Some(principal) = &request.caller.principal
        && principal.as_str() != own
    {
        return Err(CallResponse::bad_request(format!(
            "Authenticated principal '{principal}' does not match principal '{own}' set in `FrameworkInfo`"
        )));
    }
    if !framework.state().is_connected() {
        return Err(CallResponse::forbidden("Framework is not subscribed"));
    }
    let Connection::Http(stream) = framework.connection() else {
        return Err(CallResponse::forbidden("Framework is not connected via HTTP"));
    };
    let Some(named) = &request.stream else {
        return Err(CallResponse::bad_request("All non-subscribe calls should include the 'Mesos-Stream-Id' header"));
    };
    let other = match named {
        Ok(named) if named == stream => return Ok(framework.id().clone()),
        Ok(other) => other.to_string(),
        Err(text) => text.clone(),
    };
    Err(CallResponse::new(
        Status::BadRequest,
        format!(
            "The stream ID '{other}' included in this request didn't match the stream ID currently associated \
             with framework ID {}",
            framework.id()
        ),
    ))
}

pub(crate) fn named(call: &Call) -> Option<&str> {
    call.framework_id.as_ref().map(|id| id.value.as_str())
}

//! Answers calls about containers that this agent does not implement yet. A container that does not exist is still
//! reported with Mesos' text, so that a client can distinguish a missing container from a missing feature.

use http::StatusCode;
use messages::v1;
use messages::v1::agent::Call;
use messages::v1::agent::call::{Type, attach_container_input};
use model::ContainerId;
use views::agent::Snapshot;

use edge::http::respond::{Response, bad_request, empty, text};

/// Returns the response to a call about containers; `None` for any other call.
pub fn answer(snapshot: &Snapshot, call: &Call) -> Option<Response> {
    match call.r#type() {
        Type::LaunchNestedContainer | Type::LaunchNestedContainerSession | Type::LaunchContainer => {
            Some(cannot(call.r#type()))
        }
        Type::AttachContainerInput if !names_a_container(call) => {
            Some(bad_request("Expecting 'attach_container_input.type' to be CONTAINER_ID"))
        }
        kind => Some(about(snapshot, kind, container(call)?)),
    }
}

fn about(snapshot: &Snapshot, kind: Type, container: &v1::ContainerId) -> Response {
    let Ok(id) = ContainerId::try_from(container) else {
        // The validation has refused such calls before.
        return bad_request("'container_id' is invalid");
    };
    let gone = match kind {
        Type::KillContainer | Type::KillNestedContainer => {
            format!("Container '{id}' cannot be found (or is already killed)")
        }
        _ => format!("Container {id} cannot be found"),
    };
    let not_found = text(StatusCode::NOT_FOUND, gone);
    match (snapshot.has_container(id.root().as_str()), id.parent().is_some(), kind) {
        (false, ..) => not_found,
        // Nested containers cannot be launched, so none exists; removing a container that does not exist succeeds in
        // Mesos.
        (true, true, Type::RemoveContainer | Type::RemoveNestedContainer) => empty(StatusCode::OK),
        (true, true, _) => not_found,
        (true, false, kind) => cannot(kind),
    }
}

fn cannot(kind: Type) -> Response {
    text(StatusCode::NOT_IMPLEMENTED, format!("This agent does not support {} yet", kind.as_str_name()))
}

fn names_a_container(call: &Call) -> bool {
    call.attach_container_input
        .as_ref()
        .is_some_and(|attach| attach.r#type() == attach_container_input::Type::ContainerId)
}

#[allow(deprecated, reason = "clients still use the calls for nested containers")]
fn container(call: &Call) -> Option<&v1::ContainerId> {
    match call.r#type() {
        Type::WaitContainer => call.wait_container.as_ref().map(|wait| &wait.container_id),
        Type::WaitNestedContainer => call.wait_nested_container.as_ref().map(|wait| &wait.container_id),
        Type::KillContainer => call.kill_container.as_ref().map(|kill| &kill.container_id),
        Type::KillNestedContainer => call.kill_nested_container.as_ref().map(|kill| &kill.container_id),
        Type::RemoveContainer => call.remove_container.as_ref().map(|remove| &remove.container_id),
        Type::RemoveNestedContainer => call.remove_nested_container.as_ref().map(|remove| &remove.container_id),
        Type::AttachContainerOutput => call.attach_container_output.as_ref().map(|attach| &attach.container_id),
        Type::AttachContainerInput => call.attach_container_input.as_ref()?.container_id.as_deref(),
        _ => None,
    }
}

//! Operator calls that change the cluster.

use machine::{CallResponse, Status};
use messages::v1;
use messages::v1::master::call::Type;
use messages::v1::scheduler::call::Kill;

use super::kill::kill;
use crate::draining::agent_state_call;
use crate::frameworks::remove_framework;
use crate::interface::{Context, KillTask, OperatorCall};
use crate::operations::apply_operator_operation;
use crate::policy::{is_policy_call, policy_call};
use crate::state::State;

pub(crate) fn operator_call(state: &mut State, cx: &mut Context<'_>, request: OperatorCall) {
    let call = *request.call;
    if is_policy_call(call.r#type()) {
        return policy_call(state, cx, request.reply, call);
    }
    if agent_state_call(state, cx, request.reply, &call) {
        return;
    }
    let answer = match (call.r#type(), call.teardown.as_ref()) {
        (
            Type::ReserveResources
            | Type::UnreserveResources
            | Type::CreateVolumes
            | Type::DestroyVolumes
            | Type::GrowVolume
            | Type::ShrinkVolume,
            _,
        ) => apply_operator_operation(state, cx, &request.caller, call),
        (Type::Teardown, Some(teardown)) => teardown_by_operator(state, cx, &teardown.framework_id.value),
        (kind, _) => CallResponse::new(
            Status::NotImplemented,
            format!("The call {} is not implemented by this master", kind.as_str_name()),
        ),
    };
    cx.reply(request.reply, answer);
}

/// Ends a task for an operator. The agent is asked as for a KILL of the framework, and the framework is sent the task's
/// status.
pub(crate) fn kill_by_operator(state: &mut State, cx: &mut Context<'_>, request: KillTask) {
    let is_live = state.tasks.get(&request.framework, &request.task).is_some();
    let found = state.frameworks.get(&request.framework).filter(|_| is_live);
    let Some(framework) = found.map(|framework| framework.id().clone()) else {
        let text = format!("No live task '{}' of a framework '{}'", request.task, request.framework);
        return cx.reply(request.reply, CallResponse::new(Status::NotFound, text));
    };
    let task_id = v1::TaskId { value: request.task };
    kill(state, cx, &framework, Kill { task_id, ..Kill::default() });
    cx.reply(request.reply, CallResponse::accepted());
}

fn teardown_by_operator(state: &mut State, cx: &mut Context<'_>, id: &str) -> CallResponse {
    let Some(framework) = state.frameworks.get(id).map(|framework| framework.id().clone()) else {
        return CallResponse::bad_request("No framework found with specified ID");
    };
    remove_framework(state, cx, &framework);
    CallResponse::ok()
}

//! Operator calls that change the cluster.

use machine::{CallResponse, Status};
use messages::v1;
use messages::v1::master::call::Type;
use messages::v1::scheduler::call::Kill;

use crate::effects::Context;
use crate::input::{KillTask, OperatorCall};
use crate::master::Master;
use crate::policy::is_policy_call;

impl Master {
    pub(crate) fn operator_call(&mut self, cx: &mut Context<'_>, request: OperatorCall) {
        let call = *request.call;
        if is_policy_call(call.r#type()) {
            return self.policy_call(cx, request.reply, call);
        }
        if self.agent_state_call(cx, request.reply, &call) {
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
            ) => self.apply_operator_operation(cx, &request.caller, call),
            (Type::Teardown, Some(teardown)) => self.teardown_by_operator(cx, &teardown.framework_id.value),
            (kind, _) => CallResponse::new(
                Status::NotImplemented,
                format!("The call {} is not implemented by this master", kind.as_str_name()),
            ),
        };
        cx.reply(request.reply, answer);
    }

    /// The agent is asked as for a KILL of the framework, which hears of the end by the task's status.
    pub(crate) fn kill_by_operator(&mut self, cx: &mut Context<'_>, request: KillTask) {
        let framework = self.frameworks.get(&request.framework);
        let found = framework.filter(|framework| framework.tasks.contains_key(request.task.as_str()));
        let Some(framework) = found.map(|framework| framework.id().clone()) else {
            let text = format!("No live task '{}' of a framework '{}'", request.task, request.framework);
            return cx.reply(request.reply, CallResponse::new(Status::NotFound, text));
        };
        let task_id = v1::TaskId { value: request.task };
        self.kill(cx, &framework, Kill { task_id, ..Kill::default() });
        cx.reply(request.reply, CallResponse::accepted());
    }

    fn teardown_by_operator(&mut self, cx: &mut Context<'_>, id: &str) -> CallResponse {
        let Some(framework) = self.frameworks.get(id).map(|framework| framework.id().clone()) else {
            return CallResponse::bad_request("No framework found with specified ID");
        };
        self.remove_framework(cx, &framework);
        CallResponse::ok()
    }
}

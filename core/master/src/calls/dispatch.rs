//! The handler of each call, for HTTP schedulers and drivers alike.

use machine::{CallResponse, Status};
use messages::v1::scheduler::{Call, call::Type};
use model::FrameworkId;

use super::accept::accept;
use super::decline::decline;
use super::kill::kill;
use super::reconcile::reconcile;
use super::suppress::{revive, suppress};
use crate::frameworks::{framework_metrics, remove_framework, update_framework_call};
use crate::interface::Context;
use crate::operations::{acknowledge_operation_status, reconcile_operations};
use crate::policy::{accept_inverse_offers, decline_inverse_offers};
use crate::state::State;
use crate::tasks::{acknowledge, framework_message, shutdown_executor};

/// Carries out a call of a framework that may make it.
pub(crate) fn dispatch(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, call: Call) -> CallResponse {
    let kind = call.r#type();
    if let Some(framework_metrics) = framework_metrics(&state.frameworks, framework) {
        framework_metrics.increment_call(kind);
    }
    // Validation ensures that the part named by the type is present.
    match kind {
        Type::Accept => call.accept.map(|call| accept(state, cx, framework, *call)),
        Type::Decline => call.decline.map(|call| decline(state, cx, framework, &call)),
        Type::Kill => call.kill.map(|call| kill(state, cx, framework, *call)),
        Type::Shutdown => call.shutdown.map(|call| shutdown_executor(&state.agents, cx, framework, *call)),
        Type::Acknowledge => call.acknowledge.map(|call| acknowledge(state, cx, framework, *call)),
        Type::Reconcile => call.reconcile.map(|call| reconcile(state, cx, framework, *call)),
        Type::ReconcileOperations => {
            call.reconcile_operations.map(|call| reconcile_operations(state, cx, framework, *call))
        }
        Type::AcknowledgeOperationStatus => {
            call.acknowledge_operation_status.map(|call| acknowledge_operation_status(state, cx, framework, *call))
        }
        Type::Message => {
            call.message.map(|call| framework_message(&state.agents, &state.metrics, cx, framework, *call))
        }
        Type::UpdateFramework => {
            let Some(call) = call.update_framework else { return missing(kind) };
            return update_framework_call(state, cx, framework, *call);
        }
        // A known framework subscribes again with its own request.
        Type::Unknown | Type::Subscribe => return CallResponse::new(Status::NotImplemented, ""),
        // These calls have no message of their own, or have no effect without it.
        Type::Teardown => {
            remove_framework(state, cx, framework);
            Some(())
        }
        Type::Revive => {
            revive(
                &mut state.allocator,
                &mut state.frameworks,
                &state.metrics,
                cx,
                framework,
                &call.revive.unwrap_or_default().roles,
            );
            Some(())
        }
        Type::Suppress => {
            suppress(
                &mut state.allocator,
                &mut state.frameworks,
                &state.metrics,
                cx,
                framework,
                &call.suppress.unwrap_or_default().roles,
            );
            Some(())
        }
        // The built-in allocator of Mesos ignores requests as well.
        Type::Request => {
            state.metrics.messages_resource_request.increment();
            Some(())
        }
        Type::AcceptInverseOffers => {
            accept_inverse_offers(state, cx, framework, &call.accept_inverse_offers.unwrap_or_default());
            Some(())
        }
        Type::DeclineInverseOffers => {
            decline_inverse_offers(state, cx, framework, &call.decline_inverse_offers.unwrap_or_default());
            Some(())
        }
    }
    .map_or_else(|| missing(kind), |()| CallResponse::accepted())
}

fn missing(kind: Type) -> CallResponse {
    let name = kind.as_str_name().to_lowercase();
    CallResponse::bad_request(format!("Failed to validate scheduler::Call: Expecting '{name}' to be present"))
}

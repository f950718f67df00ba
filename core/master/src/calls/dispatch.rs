//! From a call to what it does, for HTTP schedulers and drivers alike.

use machine::{CallResponse, Status};
use messages::v1::scheduler::{Call, call::Type};
use model::FrameworkId;

use crate::effects::Context;
use crate::master::Master;

impl Master {
    /// Carries out a call of a framework that may make it.
    pub(crate) fn dispatch(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, call: Call) -> CallResponse {
        let kind = call.r#type();
        if let Some(framework_metrics) = self.framework_metrics(framework) {
            framework_metrics.increment_call(kind);
        }
        // Validation has seen to it that the part named by the type is there.
        match kind {
            Type::Accept => call.accept.map(|call| self.accept(cx, framework, *call)),
            Type::Decline => call.decline.map(|call| self.decline(cx, framework, &call)),
            Type::Kill => call.kill.map(|call| self.kill(cx, framework, *call)),
            Type::Shutdown => call.shutdown.map(|call| self.shutdown_executor(cx, framework, *call)),
            Type::Acknowledge => call.acknowledge.map(|call| self.acknowledge(cx, framework, *call)),
            Type::Reconcile => call.reconcile.map(|call| self.reconcile(cx, framework, *call)),
            Type::ReconcileOperations => {
                call.reconcile_operations.map(|call| self.reconcile_operations(cx, framework, *call))
            }
            Type::AcknowledgeOperationStatus => {
                call.acknowledge_operation_status.map(|call| self.acknowledge_operation_status(cx, framework, *call))
            }
            Type::Message => call.message.map(|call| self.framework_message(cx, framework, *call)),
            Type::UpdateFramework => {
                let Some(call) = call.update_framework else { return missing(kind) };
                return self.update_framework_call(cx, framework, *call);
            }
            // A known framework subscribes again with its own request.
            Type::Unknown | Type::Subscribe => return CallResponse::new(Status::NotImplemented, ""),
            _ => {
                self.dispatch_bare(cx, framework, call);
                Some(())
            }
        }
        .map_or_else(|| missing(kind), |()| CallResponse::accepted())
    }

    /// Calls that say something by their type alone, or have nothing to say without their part.
    fn dispatch_bare(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, call: Call) {
        match call.r#type() {
            Type::Teardown => self.remove_framework(cx, framework),
            Type::Revive => self.revive(cx, framework, &call.revive.unwrap_or_default().roles),
            Type::Suppress => self.suppress(cx, framework, &call.suppress.unwrap_or_default().roles),
            // The built-in allocator of Mesos ignores requests as well.
            Type::Request => self.metrics.messages_resource_request.increment(),
            Type::AcceptInverseOffers => {
                self.accept_inverse_offers(cx, framework, &call.accept_inverse_offers.unwrap_or_default());
            }
            Type::DeclineInverseOffers => {
                self.decline_inverse_offers(cx, framework, &call.decline_inverse_offers.unwrap_or_default());
            }
            _ => {}
        }
    }
}

fn missing(kind: Type) -> CallResponse {
    let name = kind.as_str_name().to_lowercase();
    CallResponse::bad_request(format!("Failed to validate scheduler::Call: Expecting '{name}' to be present"))
}

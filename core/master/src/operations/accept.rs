//! The operations of an ACCEPT that turn offered resources into others.

use messages::v1;
use model::{AgentId, FrameworkId, OfferId};
use resources::{Conversion, Resources, conversions};
use v1::offer::Operation;
use v1::offer::operation::Type;

use super::index::{consumed, for_each_resource_list, provider_of};
use crate::calls::{AcceptedOffers, complete};
use crate::effects::Context;
use crate::framework::Connection;
use crate::master::Master;

impl Master {
    /// Before anything is done: whether an operation is well formed, and can be reported on if that is asked for.
    pub(crate) fn validate_form_and_feedback(
        &self,
        cx: &mut Context<'_>,
        accepted: &AcceptedOffers,
        operation: &Operation,
    ) -> bool {
        let form = validation::operation::validate_syntax(operation).map_err(|reason| reason.to_string());
        let form = form.and_then(|()| match &operation.reserve {
            Some(reserve) if operation.r#type() == Type::Reserve && !reserve.source.is_empty() => {
                Err("Reservation updates are not yet implemented for the scheduler API.".to_owned())
            }
            _ => Ok(()),
        });
        if let Err(reason) = form {
            let message = format!("Operation attempted with invalid resources: {reason}");
            self.drop_operation(cx, &accepted.framework, operation, &message);
            return false;
        }
        operation.id.is_none() || self.supports_feedback(cx, accepted, operation)
    }

    fn supports_feedback(&self, cx: &mut Context<'_>, accepted: &AcceptedOffers, operation: &Operation) -> bool {
        let (Some(framework), Some(agent)) =
            (self.frameworks.get(accepted.framework.as_str()), self.agents.get(accepted.agent.as_str()))
        else {
            return false;
        };
        if matches!(framework.connection, Connection::Driver(_)) {
            framework.listener().error(
                cx,
                "The 'id' field was set in an offer operation, but operation feedback is not supported for the \
                 SchedulerDriver API; please use the HTTP scheduler API for this feature",
            );
            return false;
        }
        let message = if !agent.capabilities.resource_provider {
            format!(
                "Operation requested feedback, but agent {} does not have the required RESOURCE_PROVIDER capability",
                accepted.agent
            )
        } else if provider_of(operation).is_none() && !agent.capabilities.operation_feedback {
            format!(
                "Operation on agent default resources requested feedback, but agent {} does not have the required \
                 AGENT_OPERATION_FEEDBACK and RESOURCE_PROVIDER capabilities",
                accepted.agent
            )
        } else {
            return true;
        };
        self.drop_operation(cx, &accepted.framework, operation, &message);
        false
    }

    /// Does it, if it may be done and what it needs is left of the offers; later operations see the result.
    pub(crate) fn apply_offer_operation(
        &mut self,
        cx: &mut Context<'_>,
        accepted: &mut AcceptedOffers,
        mut operation: Operation,
    ) {
        for_each_resource_list(&mut operation, |resources| complete(resources, &accepted.role));
        if let Err(message) = self.try_operation(cx, accepted, &operation) {
            self.drop_operation(cx, &accepted.framework, &operation, &message);
        }
    }

    fn try_operation(
        &mut self,
        cx: &mut Context<'_>,
        accepted: &mut AcceptedOffers,
        operation: &Operation,
    ) -> Result<(), String> {
        self.check_offered_operation(accepted, operation)?;
        if operation.r#type() == Type::Destroy {
            self.rescind_offers_of_volumes(cx, &accepted.agent, operation);
        }
        let after = accepted.after(operation)?;
        let total = self.total_after(&accepted.agent, operation).map_err(|error| error.to_string())?;
        *accepted = after;
        if let Some(framework_metrics) = self.framework_metrics(&accepted.framework) {
            framework_metrics.increment_operation(operation.r#type());
        }
        self.apply_operation(cx, &accepted.agent, Some(&accepted.framework), operation.clone(), total);
        Ok(())
    }

    fn check_offered_operation(&self, accepted: &AcceptedOffers, operation: &Operation) -> Result<(), String> {
        let (Some(framework), Some(agent)) =
            (self.frameworks.get(accepted.framework.as_str()), self.agents.get(accepted.agent.as_str()))
        else {
            return Err("The framework or the agent is gone".to_owned());
        };
        let of_provider = matches!(operation.r#type(), Type::CreateDisk | Type::DestroyDisk);
        if of_provider && !agent.capabilities.resource_provider {
            return Err(format!(
                "Not supported on agent {} because it does not have RESOURCE_PROVIDER capability",
                self.agent_text(&accepted.agent)
            ));
        }
        let principal = framework.info().principal.as_deref();
        self.validate_operation(agent, Some(framework), principal, operation)
            .map_err(|reason| format!("{reason}; on agent {}", self.agent_text(&accepted.agent)))
    }

    /// Others may have been offered a shared volume that now ends.
    pub(super) fn rescind_offers_of_volumes(&mut self, cx: &mut Context<'_>, agent: &AgentId, operation: &Operation) {
        let Some(agent) = self.agents.get(agent.as_str()) else { return };
        let volumes = consumed(operation).unallocated();
        let has_volume = |offer: &&OfferId| {
            let offer = self.offers.get(offer.as_str()).map(|offer| offer.resources.shared().unallocated());
            offer.is_some_and(|offered| volumes.iter().any(|volume| offered.contains_resource(volume)))
        };
        let offers: Vec<OfferId> = agent.offers.iter().filter(has_volume).cloned().collect();
        for offer in offers {
            self.rescind_offer(cx, offer.as_str());
        }
    }

    /// A dropped operation is reported if its framework asked for feedback.
    pub(crate) fn drop_operation(
        &self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        operation: &Operation,
        message: &str,
    ) {
        tracing::warn!(%framework, operation = operation.r#type().as_str_name(), message, "dropping an operation");
        self.metrics.operations.add(operation.r#type(), v1::OperationState::OperationError, 1);
        if let Some(framework) = self.frameworks.get(framework.as_str())
            && operation.id.is_some()
        {
            let status = v1::OperationStatus {
                operation_id: operation.id.clone(),
                state: v1::OperationState::OperationError as i32,
                message: Some(message.to_owned()),
                ..Default::default()
            };
            framework.listener().operation_status(cx, status);
        }
    }
}

impl AcceptedOffers {
    /// What is left once an operation has been applied. What a resized volume becomes is not for the operations after
    /// it (Mesos wants to be free to do these later), nor what a resource provider still has to make.
    fn after(&self, operation: &Operation) -> Result<AcceptedOffers, String> {
        let mut after = self.clone();
        match operation.r#type() {
            Type::GrowVolume | Type::ShrinkVolume => {
                let steps = conversions(operation).map_err(|error| error.to_string())?;
                for Conversion { consumed, converted } in steps {
                    after.take(&consumed, operation, "operation")?;
                    after.resized += converted;
                }
            }
            Type::CreateDisk | Type::DestroyDisk => {
                let consumed = consumed(operation);
                after.take(&consumed, operation, "Operation")?;
                after.pending += consumed;
            }
            kind => {
                let steps = conversions(operation).map_err(|error| error.to_string())?;
                after.remaining = after.remaining.apply_all(&steps).map_err(|error| error.to_string())?;
                if matches!(kind, Type::Create | Type::Destroy) {
                    after.shared = after.remaining.shared();
                }
            }
        }
        Ok(after)
    }

    fn take(&mut self, consumed: &Resources, operation: &Operation, noun: &str) -> Result<(), String> {
        if !self.remaining.contains(consumed) {
            let name = operation.r#type().as_str_name();
            return Err(format!("Invalid {name} {noun}: {} does not contain {consumed}", self.remaining));
        }
        self.remaining -= consumed;
        Ok(())
    }
}

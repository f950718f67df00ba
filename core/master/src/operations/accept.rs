//! The operations of an ACCEPT that convert offered resources.

use messages::v1;
use model::{AgentId, FrameworkId, OfferId};
use v1::offer::Operation;
use v1::offer::operation::Type;

use super::apply::{apply_operation, total_after};
use super::spec::{consumed, for_each_resource_list, is_speculative, provider_of};
use super::validate::{agent_text, validate_operation};
use crate::agents::Agents;
use crate::calls::{AcceptedOffers, complete};
use crate::frameworks::{Connection, Frameworks, framework_metrics};
use crate::interface::Context;
use crate::offers::rescind_offer;
use crate::state::State;
use crate::tasks::Tasks;
use model::master::Metrics;

/// Checks the syntax of an operation, and whether feedback is possible if the operation asks for it. An operation that
/// fails is dropped.
pub(crate) fn validate_syntax_and_feedback(
    agents: &Agents,
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    accepted: &AcceptedOffers,
    operation: &Operation,
) -> bool {
    let syntax = validation::operation::validate_syntax(operation).map_err(|reason| reason.to_string());
    let syntax = syntax.and_then(|()| match &operation.reserve {
        Some(reserve) if operation.r#type() == Type::Reserve && !reserve.source.is_empty() => {
            Err("Reservation updates are not yet implemented for the scheduler API.".to_owned())
        }
        _ => Ok(()),
    });
    if let Err(reason) = syntax {
        let message = format!("Operation attempted with invalid resources: {reason}");
        drop_operation(frameworks, metrics, cx, accepted.framework(), operation, &message);
        return false;
    }
    operation.id.is_none() || supports_feedback(agents, frameworks, metrics, cx, accepted, operation)
}

fn supports_feedback(
    agents: &Agents,
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    accepted: &AcceptedOffers,
    operation: &Operation,
) -> bool {
    let Some((framework, agent)) = accepted.parties(agents, frameworks) else {
        return false;
    };
    if matches!(framework.connection(), Connection::Driver(_)) {
        framework.listener().error(
            cx,
            "The 'id' field was set in an offer operation, but operation feedback is not supported for the \
             SchedulerDriver API; please use the HTTP scheduler API for this feature",
        );
        return false;
    }
    let message = if !agent.capabilities().resource_provider {
        format!(
            "Operation requested feedback, but agent {} does not have the required RESOURCE_PROVIDER capability",
            accepted.agent()
        )
    } else if provider_of(operation).is_none() && !agent.capabilities().operation_feedback {
        format!(
            "Operation on agent default resources requested feedback, but agent {} does not have the required \
             AGENT_OPERATION_FEEDBACK and RESOURCE_PROVIDER capabilities",
            accepted.agent()
        )
    } else {
        return true;
    };
    drop_operation(frameworks, metrics, cx, accepted.framework(), operation, &message);
    false
}

/// Applies an operation if it is allowed and the offers have the resources left; later operations see the result.
pub(crate) fn apply_offer_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    accepted: &mut AcceptedOffers,
    mut operation: Operation,
) {
    for_each_resource_list(&mut operation, |resources| complete(resources, accepted.role()));
    if let Err(message) = try_operation(state, cx, accepted, &operation) {
        drop_operation(&state.frameworks, &state.metrics, cx, accepted.framework(), &operation, &message);
    }
}

fn try_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    accepted: &mut AcceptedOffers,
    operation: &Operation,
) -> Result<(), String> {
    check_offered_operation(&state.agents, &state.frameworks, &state.tasks, accepted, operation)?;
    if operation.r#type() == Type::Destroy {
        rescind_offers_of_volumes(state, cx, accepted.agent(), operation);
    }
    let after = accepted.after(operation)?;
    let total = total_after(&state.agents, accepted.agent(), operation).map_err(|error| error.to_string())?;
    *accepted = after;
    if let Some(framework_metrics) = framework_metrics(&state.frameworks, accepted.framework()) {
        framework_metrics.increment_operation(operation.r#type());
    }
    apply_operation(state, cx, accepted.agent(), Some(accepted.framework()), operation.clone(), total);
    Ok(())
}

fn check_offered_operation(
    agents: &Agents,
    frameworks: &Frameworks,
    tasks: &Tasks,
    accepted: &AcceptedOffers,
    operation: &Operation,
) -> Result<(), String> {
    let Some((framework, agent)) = accepted.parties(agents, frameworks) else {
        return Err("The framework or the agent is gone".to_owned());
    };
    if !is_speculative(operation) && !agent.capabilities().resource_provider {
        return Err(format!(
            "Not supported on agent {} because it does not have RESOURCE_PROVIDER capability",
            agent_text(agents, accepted.agent())
        ));
    }
    let principal = framework.info().principal.as_deref();
    validate_operation(tasks, agent, Some(framework), principal, operation)
        .map_err(|reason| format!("{reason}; on agent {}", agent_text(agents, accepted.agent())))
}

/// Rescinds the offers of a shared volume that is destroyed; other frameworks may have been offered it.
pub(super) fn rescind_offers_of_volumes(
    state: &mut State,
    cx: &mut Context<'_>,
    agent: &AgentId,
    operation: &Operation,
) {
    let volumes = consumed(operation).unallocated();
    let has_volume = |offer: &OfferId| {
        let offer = state.offers.get(offer.as_str()).map(|offer| offer.resources.shared().unallocated());
        offer.is_some_and(|offered| volumes.iter().any(|volume| offered.contains_resource(volume)))
    };
    for offer in state.offers.of_agent(agent.as_str()).into_iter().filter(has_volume).collect::<Vec<_>>() {
        rescind_offer(state, cx, offer.as_str());
    }
}

/// Drops an operation, and reports it if its framework asked for feedback.
pub(crate) fn drop_operation(
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    operation: &Operation,
    message: &str,
) {
    tracing::warn!(%framework, operation = operation.r#type().as_str_name(), message, "dropping an operation");
    metrics.operations.add(operation.r#type(), v1::OperationState::OperationError, 1);
    if let Some(framework) = frameworks.get(framework.as_str())
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

//! The operators' RESERVE_RESOURCES, UNRESERVE_RESOURCES, CREATE_VOLUMES, DESTROY_VOLUMES, GROW_VOLUME, SHRINK_VOLUME.

use std::time::Duration;

use machine::{CallResponse, Status};
use messages::v1;
use model::AgentId;
use resources::{Conversion, Resources, conversions};
use v1::master::call::Type as CallType;
use v1::offer::Operation;
use v1::offer::operation::{self, Type};

use super::accept::rescind_offers_of_volumes;
use super::apply::{apply_operation, total_after};
use super::spec::for_each_resource_list;
use super::validate::{agent_text, validate_operation};
use crate::agents::{Agents, upgrade};
use crate::interface::Context;
use crate::offers::rescind_offer_and_refuse;
use crate::state::State;
use crate::tasks::Tasks;
use model::Caller;

/// The time for which the frameworks whose offers are rescinded are not offered the same again, so that the operation
/// comes first.
const REFUSE_DURATION: Duration = Duration::from_secs(5);

pub(crate) fn apply_operator_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    caller: &Caller,
    call: v1::master::Call,
) -> CallResponse {
    let Some((agent, mut operation)) = operation_of(call) else {
        return CallResponse::bad_request("Expecting the call's own field to be present");
    };
    let Some(agent) = state.agents.get(agent.as_str()).map(|agent| agent.id().clone()) else {
        return CallResponse::bad_request("No agent found with specified ID");
    };
    if let Err(reason) = validation::operation::validate_syntax(&operation) {
        return CallResponse::bad_request(reason.reason().to_owned());
    }
    for_each_resource_list(&mut operation, upgrade);
    if let Err(message) = check_operators_operation(&state.agents, &state.tasks, caller, &agent, &operation) {
        return CallResponse::bad_request(message);
    }
    match rescind_offers_and_convert(state, cx, &agent, &operation) {
        Ok(total) => {
            apply_operation(state, cx, &agent, None, operation, Some(total));
            CallResponse::accepted()
        }
        Err(error) => CallResponse::new(Status::Conflict, error.to_string()),
    }
}

fn check_operators_operation(
    agents: &Agents,
    tasks: &Tasks,
    caller: &Caller,
    id: &AgentId,
    operation: &Operation,
) -> Result<(), String> {
    let Some(agent) = agents.get(id.as_str()) else {
        return Err("No agent found with specified ID".to_owned());
    };
    let principal = caller.principal.as_ref().map(|principal| principal.as_str());
    validate_operation(tasks, agent, None, principal, operation).map_err(|reason| {
        let name = operation.r#type().as_str_name();
        // Mesos leaves the agent out of these two.
        match operation.r#type() {
            Type::Unreserve | Type::Destroy => format!("Invalid {name} operation: {reason}"),
            Type::Reserve
            | Type::Create
            | Type::GrowVolume
            | Type::ShrinkVolume
            | Type::CreateDisk
            | Type::DestroyDisk
            | Type::Launch
            | Type::LaunchGroup
            | Type::Unknown => {
                format!("Invalid {name} operation on agent {}: {reason}", agent_text(agents, id))
            }
        }
    })
}

/// Rescinds offers, one at a time and only those that help, until their resources cover the operation, even if enough
/// is free, as Mesos does. Then converts the free resources and returns the new total.
fn rescind_offers_and_convert(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    operation: &Operation,
) -> Result<Resources, resources::Error> {
    let steps: Vec<Conversion> = conversions(operation)?.iter().map(Conversion::unallocated).collect();
    let mut required = steps.iter().fold(Resources::new(), |sum, step| sum + step.consumed.clone());
    let offers = state.offers.of_agent(id.as_str());
    let mut recovered = Resources::new();
    for offer in offers {
        let Some(offered) = state.offers.get(offer.as_str()).map(|offer| offer.resources.unallocated()) else {
            continue;
        };
        let rest = &required - &offered;
        if rest == required {
            continue;
        }
        required = rest;
        recovered += offered;
        rescind_offer_and_refuse(state, cx, offer.as_str(), Some(REFUSE_DURATION));
        if recovered.apply_all(&steps).is_ok() {
            break;
        }
    }
    if operation.r#type() == Type::Destroy {
        rescind_offers_of_volumes(state, cx, id, operation);
    }
    let total = total_after(&state.agents, id, operation)?.unwrap_or_default();
    state.allocator.update_available(id, &steps)?;
    Ok(total)
}

fn operation_of(call: v1::master::Call) -> Option<(AgentId, Operation)> {
    let of = |kind: Type| Operation { r#type: Some(kind as i32), ..Default::default() };
    match call.r#type() {
        CallType::ReserveResources => call.reserve_resources.map(|call| {
            let reserve = operation::Reserve { source: call.source, resources: call.resources };
            let operation = Operation { reserve: Some(Box::new(reserve)), ..of(Type::Reserve) };
            (AgentId::from(&call.agent_id), operation)
        }),
        CallType::UnreserveResources => call.unreserve_resources.map(|call| {
            let unreserve = operation::Unreserve { resources: call.resources };
            let operation = Operation { unreserve: Some(Box::new(unreserve)), ..of(Type::Unreserve) };
            (AgentId::from(&call.agent_id), operation)
        }),
        CallType::CreateVolumes => call.create_volumes.map(|call| {
            let create = operation::Create { volumes: call.volumes };
            (AgentId::from(&call.agent_id), Operation { create: Some(Box::new(create)), ..of(Type::Create) })
        }),
        CallType::DestroyVolumes => call.destroy_volumes.map(|call| {
            let destroy = operation::Destroy { volumes: call.volumes };
            (AgentId::from(&call.agent_id), Operation { destroy: Some(Box::new(destroy)), ..of(Type::Destroy) })
        }),
        CallType::GrowVolume => call.grow_volume.and_then(|call| {
            let grow = operation::GrowVolume { volume: call.volume, addition: call.addition };
            let operation = Operation { grow_volume: Some(Box::new(grow)), ..of(Type::GrowVolume) };
            Some((AgentId::from(call.agent_id.as_ref()?), operation))
        }),
        CallType::ShrinkVolume => call.shrink_volume.and_then(|call| {
            let shrink = operation::ShrinkVolume { volume: call.volume, subtract: call.subtract };
            let operation = Operation { shrink_volume: Some(Box::new(shrink)), ..of(Type::ShrinkVolume) };
            Some((AgentId::from(call.agent_id.as_ref()?), operation))
        }),
        _ => None,
    }
}

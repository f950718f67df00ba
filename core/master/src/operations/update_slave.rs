//! UpdateSlaveMessage: the operations and resource providers that an agent reports.

use std::collections::{BTreeMap, BTreeSet};

use messages::{internal, v1};
use model::AgentId;
use model::master::OperationUuid;
use resources::Resources;

use super::apply::{add_operation, remove_operation, set_total, total_after};
use super::index::{Operation, Operations, Provider};
use super::spec::is_terminal;
use super::status::update_operation;
use super::total_in_doubt::{mark_total_in_doubt, resolve_total_in_doubt};
use crate::allocation::allocator_update_agent;
use crate::interface::Context;
use crate::offers::rescind_offer;
use crate::state::State;

type Asked = internal::reconcile_operations_message::Operation;

/// Compares the agent's operations with the master's. Operations that are new to the master (after a failover) are
/// entered; operations that the agent does not know are reconciled, which the agent answers with OPERATION_DROPPED. One
/// that has ended is not reconciled: an agent forgets it only when its end is acknowledged. (Mesos reconciles it, and a
/// framework is sent that a finished operation was dropped.) A report may have crossed an acknowledgement, and enters
/// such an operation again: so an operation that is new to the master and has ended is reconciled as well. An agent
/// that does not know it any more answers with OPERATION_DROPPED, and an agent that knows it repeats its final status.
pub(crate) fn reconcile_operations_with(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    message: &internal::UpdateSlaveMessage,
) {
    let own = message.operations.iter().flat_map(|operations| &operations.operations);
    let providers = message.resource_providers.iter().flat_map(|providers| &providers.providers);
    let provided = providers.clone().flat_map(|provider| &provider.operations.operations);
    let reported: BTreeMap<OperationUuid, &v1::Operation> = own
        .chain(provided)
        .filter_map(|operation| Some((OperationUuid::from_proto(&operation.uuid)?, operation)))
        .collect();
    let named: BTreeSet<&str> =
        providers.clone().filter_map(|p| p.info.as_ref()?.id.as_ref()).map(|id| id.value.as_str()).collect();
    let (ended, mut asked): (Vec<Asked>, Vec<Asked>) = operations_missing(&state.operations, id, &reported, &named)
        .into_iter()
        .partition(|asked| has_ended(&state.operations, asked));

    terminate_reported(state, cx, &reported);
    if message.resource_providers.is_some() {
        replace_providers(state, cx, id, providers.cloned().collect());
    }
    let mut missed = false;
    for (uuid, operation) in reported {
        if state.operations.get(uuid).is_none() {
            missed |= may_predate_registration(state, id, operation);
            add_reported_operation(state, cx, id, uuid, operation);
            asked.extend(is_own_and_ended(&state.operations, uuid).then(|| question(uuid, None)));
        }
    }
    for uuid in ended.iter().filter_map(uuid_of) {
        remove_operation(state, cx, uuid);
    }
    if let Some(agent) = state.agents.get(id.as_str()).filter(|_| !asked.is_empty()) {
        let message = internal::ReconcileOperationsMessage { operations: asked, framework_id: None };
        cx.send(&agent.snapshot().pid, message);
    }
    if missed {
        mark_total_in_doubt(&mut state.agents, id);
        resolve_total_in_doubt(&state.agents, &state.operations, cx, id);
    }
}

/// Returns whether the total in the agent's registration may be without the result of an operation that has ended by
/// now, so that it could be done again. The registration was sent before the operation, and the update was read in
/// between.
fn may_predate_registration(state: &State, id: &AgentId, operation: &v1::Operation) -> bool {
    let finished = operation.latest_status.state() == v1::OperationState::OperationFinished;
    finished && total_after(&state.agents, id, &operation.info).is_ok_and(|total| total.is_some())
}

fn has_ended(operations: &Operations, asked: &Asked) -> bool {
    let operation = uuid_of(asked).and_then(|uuid| operations.get(uuid));
    operation.is_some_and(|operation| is_terminal(operation.state()))
}

fn is_own_and_ended(operations: &Operations, uuid: OperationUuid) -> bool {
    let operation = operations.get(uuid);
    operation.is_some_and(|operation| operation.provider.is_none() && is_terminal(operation.state()))
}

fn operations_missing(
    operations: &Operations,
    id: &AgentId,
    reported: &BTreeMap<OperationUuid, &v1::Operation>,
    providers: &BTreeSet<&str>,
) -> Vec<Asked> {
    let missing = |uuid: OperationUuid| {
        let operation = operations.get(uuid).filter(|_| !reported.contains_key(&uuid))?;
        let provider = operation.provider.clone();
        // Operations of a resource provider that is absent wait until it reports again.
        let there = provider.as_ref().is_none_or(|id| providers.contains(id.value.as_str()));
        there.then(|| question(uuid, provider))
    };
    operations.on_agent(id.as_str()).into_iter().filter_map(missing).collect()
}

/// Ends an operation that ended before the report was made: the total in the report has its result already.
fn terminate_reported(state: &mut State, cx: &mut Context<'_>, reported: &BTreeMap<OperationUuid, &v1::Operation>) {
    for (uuid, operation) in reported {
        let known = state.operations.get(*uuid).filter(|known| known.provider.is_some());
        if known.is_some_and(|known| !is_terminal(known.state())) && is_terminal(operation.latest_status.state()) {
            update_operation(state, cx, *uuid, &operation.latest_status, false);
        }
    }
}

fn add_reported_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    uuid: OperationUuid,
    operation: &v1::Operation,
) {
    let mut operation = Operation::new(uuid, operation.clone(), id.clone());
    if operation.provider.is_none() && !is_terminal(operation.state()) {
        // The result of the operation is not in the master's total.
        mark_total_in_doubt(&mut state.agents, id);
    }
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    let known = operation.framework.as_ref().filter(|id| state.frameworks.get(id.as_str()).is_some()).cloned();
    if known.is_none() {
        operation.make_orphan();
    }
    if !operation.held().is_empty() {
        let total = &agent.snapshot().total - &operation.held().unallocated();
        // The resources are removed from the total first; then they are accounted to the framework, or to nobody.
        let whole = agent.snapshot().total.clone();
        set_total(&mut state.agents, &state.metrics, cx, id, total);
        allocator_update_agent(&mut state.allocator, &state.agents, id);
        if let Some(framework) = known {
            state.allocator.update_allocation(&framework, id, &Resources::new(), operation.held());
            set_total(&mut state.agents, &state.metrics, cx, id, whole);
        }
    }
    add_operation(&state.metrics, &mut state.operations, cx, operation);
}

/// Replaces the resource providers. The list is complete: one that is not in it has left, with its resources and
/// operations.
fn replace_providers(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &AgentId,
    reported: Vec<internal::update_slave_message::ResourceProvider>,
) {
    let provider_of = |provider: internal::update_slave_message::ResourceProvider| {
        let id = provider.info?.id?.value;
        let total = Resources::from_proto(&provider.total_resources).ok()?.unallocated();
        // This provider does not report the resources of another one, or of the agent itself.
        let total = total.by_provider(Some(&id));
        Some((id, Provider { total, version: provider.resource_version_uuid }))
    };
    let reported: BTreeMap<String, Provider> = reported.into_iter().filter_map(provider_of).collect();
    let Some(agent) = state.agents.get(id.as_str()) else { return };
    let gone: Vec<String> = agent.providers().keys().filter(|id| !reported.contains_key(*id)).cloned().collect();
    for uuid in state.operations.on_agent(id.as_str()) {
        let of_gone = |operation: &&Operation| operation.provider.as_ref().is_some_and(|p| gone.contains(&p.value));
        if state.operations.get(uuid).filter(of_gone).is_some() {
            remove_operation(state, cx, uuid);
        }
    }
    let Some(agent) = state.agents.get_mut(id.as_str()) else { return };
    if *agent.providers() == reported {
        return;
    }
    let own = agent.snapshot().total.by_provider(None);
    let total = reported.values().fold(own, |sum, provider| sum + provider.total.clone());
    let offers = state.offers.of_agent(id.as_str());
    agent.set_providers(reported);
    set_total(&mut state.agents, &state.metrics, cx, id, total);
    allocator_update_agent(&mut state.allocator, &state.agents, id);
    for offer in offers {
        let provided = |offer: &model::master::Offer| offer.resources.iter().any(|r| r.provider_id().is_some());
        if state.offers.get(offer.as_str()).is_some_and(|offer| provided(offer)) {
            rescind_offer(state, cx, offer.as_str());
        }
    }
}

fn question(uuid: OperationUuid, provider: Option<v1::ResourceProviderId>) -> Asked {
    Asked { operation_uuid: Some(uuid.to_proto()), operation_id: None, resource_provider_id: provider }
}

fn uuid_of(asked: &Asked) -> Option<OperationUuid> {
    OperationUuid::from_proto(asked.operation_uuid.as_ref()?)
}

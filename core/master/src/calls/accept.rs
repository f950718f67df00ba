//! ACCEPT: the accepted offers, and the resources that are not used.

use allocator::Allocator;
use messages::v1;
use model::{AgentId, FrameworkId, Role};
use resources::Resources;
use resources::operation::tasks as tasks_of;
use v1::offer::Operation;
use v1::offer::operation::Type;
use v1::scheduler::call::Accept;
use v1::task_status::Reason;
use validation::offer::OfferSummary;

use super::accepted_offers::AcceptedOffers;
use super::launch::{launch, launch_group};
use crate::agents::upgrade;
use crate::allocation::{recover_resources, refuse_duration};
use crate::frameworks::{Frameworks, framework_metrics};
use crate::interface::{Config, Context};
use crate::offers::{Offers, discard_offer, take_offer};
use crate::operations::{apply_offer_operation, drop_operation, validate_syntax_and_feedback};
use crate::state::State;
use crate::tasks::{MasterGenerated, refuse_task};
use model::master::Metrics;

pub(crate) fn accept(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, call: Accept) {
    count_accept(&state.metrics, &call);
    if let Err(reason) = check_offers(&state.offers, framework, &call.offer_ids) {
        return accept_invalid_offers(state, cx, framework, &call, &reason.to_string());
    }
    let refuse = refuse_duration(call.filters.as_ref());
    let Some(mut accepted) =
        take_offers(&mut state.offers, &state.metrics, &state.config, cx, framework, &call.offer_ids)
    else {
        return;
    };
    if let Some(framework_metrics) = framework_metrics(&state.frameworks, framework) {
        framework_metrics.add_accepted_offers(call.offer_ids.len());
    }
    if !state.agents.get(accepted.agent().as_str()).is_some_and(|agent| agent.snapshot().connected) {
        // Offers of lost agents are rescinded at once, so only a defect can lead here.
        drop_tasks(
            &state.frameworks,
            &state.metrics,
            cx,
            framework,
            &call.operations,
            Reason::AgentDisconnected,
            "Agent disconnected",
        );
    } else {
        let tried = |operation: &Operation| {
            tasks_of(operation).is_some()
                || validate_syntax_and_feedback(
                    &state.agents,
                    &state.frameworks,
                    &state.metrics,
                    cx,
                    &accepted,
                    operation,
                )
        };
        let operations: Vec<Operation> = call.operations.into_iter().filter(tried).collect();
        for operation in operations {
            apply_accepted_operation(state, cx, &mut accepted, operation);
        }
    }
    recover_unused_resources(&mut state.allocator, cx, &accepted, refuse);
}

/// Recovers the rest: results of operations are available to all frameworks at once, unused resources are declined.
fn recover_unused_resources(
    allocator: &mut Allocator,
    cx: &mut Context<'_>,
    accepted: &AcceptedOffers,
    refuse: std::time::Duration,
) {
    let (framework, agent, offered) = (accepted.framework(), accepted.agent(), accepted.offered());
    let (free, converted) = (accepted.free(), accepted.converted());
    if converted != *offered {
        allocator.update_allocation(framework, agent, offered, &converted);
    }
    let made = &free - offered;
    let declined = &free - &made;
    recover_resources(allocator, cx, framework, agent, &made, None);
    recover_resources(allocator, cx, framework, agent, &declined, Some(refuse));
}

fn count_accept(metrics: &Metrics, call: &Accept) {
    for launch in call.operations.iter().filter_map(|operation| operation.launch.as_ref()) {
        let counter = if launch.task_infos.is_empty() {
            &metrics.messages_decline_offers
        } else {
            &metrics.messages_launch_tasks
        };
        counter.increment();
    }
}

fn check_offers(
    offers: &Offers,
    framework: &FrameworkId,
    ids: &[v1::OfferId],
) -> Result<(), validation::ValidationError> {
    if ids.is_empty() {
        return Err(validation::ValidationError::new("No offers specified"));
    }
    let lookup = |id: &str| {
        let offer = offers.get(id)?;
        Some(OfferSummary {
            framework: offer.framework.clone(),
            role: offer.role.clone(),
            agent: offer.agent_id().clone(),
        })
    };
    validation::offer::validate(ids, lookup, framework)
}

/// Recovers the listed offers that are the framework's own, and drops the operations.
fn accept_invalid_offers(
    state: &mut State,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    call: &Accept,
    reason: &str,
) {
    for id in &call.offer_ids {
        if state.offers.get(&id.value).is_some_and(|offer| offer.framework == *framework) {
            discard_offer(state, cx, &id.value, None);
        }
    }
    for operation in call.operations.iter().filter(|operation| tasks_of(operation).is_none()) {
        drop_operation(
            &state.frameworks,
            &state.metrics,
            cx,
            framework,
            operation,
            &format!("Operation attempted with invalid offers: {reason}"),
        );
    }
    let message = format!("Task launched with invalid offers: {reason}");
    drop_tasks(&state.frameworks, &state.metrics, cx, framework, &call.operations, Reason::InvalidOffers, &message);
}

fn drop_tasks(
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    operations: &[Operation],
    reason: Reason,
    message: &str,
) {
    let aware = frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities().partition_aware);
    let task_state = if aware { v1::TaskState::TaskDropped } else { v1::TaskState::TaskLost };
    let reason = MasterGenerated::new(task_state, reason, message);
    for task in operations.iter().filter_map(tasks_of).flatten() {
        refuse_task(frameworks, metrics, cx, framework, task, &reason);
    }
}

fn take_offers(
    offers: &mut Offers,
    metrics: &Metrics,
    config: &Config,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    ids: &[v1::OfferId],
) -> Option<AcceptedOffers> {
    let mut of: Option<(AgentId, Role)> = None;
    let mut offered = Resources::new();
    for id in ids {
        let Some(offer) = take_offer(offers, metrics, config, cx, &id.value) else { continue };
        of.get_or_insert_with(|| (offer.agent_id().clone(), offer.role.clone()));
        offered += &offer.resources;
    }
    let (agent, role) = of?;
    Some(AcceptedOffers::new(framework.clone(), agent, role, offered))
}

fn apply_accepted_operation(
    state: &mut State,
    cx: &mut Context<'_>,
    accepted: &mut AcceptedOffers,
    mut operation: Operation,
) {
    let has_id = operation.id.is_some();
    match operation.r#type() {
        // Launches without their message have been dropped before.
        Type::Launch => {
            if let Some(tasks) = operation.launch.take() {
                launch(state, cx, accepted, *tasks, has_id);
            }
        }
        Type::LaunchGroup => {
            if let Some(group) = operation.launch_group.take() {
                launch_group(state, cx, accepted, *group, has_id);
            }
        }
        Type::Reserve
        | Type::Unreserve
        | Type::Create
        | Type::Destroy
        | Type::GrowVolume
        | Type::ShrinkVolume
        | Type::CreateDisk
        | Type::DestroyDisk => apply_offer_operation(state, cx, accepted, operation),
        Type::Unknown => {}
    }
}

/// Completes resources of a framework without MULTI_ROLE, or in an older format.
pub(crate) fn complete(resources: &mut Vec<v1::Resource>, role: &Role) {
    upgrade(resources);
    for resource in resources.iter_mut().filter(|resource| resource.allocation_info.is_none()) {
        resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some(role.as_str().to_owned()) });
    }
}

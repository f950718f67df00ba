//! ACCEPT: which offers, and what becomes of what is not used.

use messages::v1;
use model::{AgentId, FrameworkId, Role};
use resources::Resources;
use v1::offer::Operation;
use v1::offer::operation::Type;
use v1::scheduler::call::Accept;
use v1::task_status::Reason;
use validation::offer::OfferSummary;

use crate::allocation::refusal;
use crate::effects::Context;
use crate::master::Master;
use crate::registration::upgrade;
use crate::updates::MasterGenerated;

/// The accepted offers, taken together while the operations use them up.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedOffers {
    pub framework: FrameworkId,
    pub agent: AgentId,
    pub role: Role,
    pub offered: Resources,
    pub remaining: Resources,
    /// One more task can always share what is here, however many do already.
    pub shared: Resources,
    /// Held by tasks and executors that were launched.
    pub launched: Resources,
    /// Volumes that grew or shrank, and what was freed of them.
    pub resized: Resources,
    /// Held by operations whose result is not known yet.
    pub pending: Resources,
}

impl AcceptedOffers {
    /// What a task may use.
    pub fn available(&self) -> Resources {
        if self.shared.is_empty() { self.remaining.clone() } else { self.remaining.non_shared() + self.shared.clone() }
    }

    pub fn launch(&mut self, resources: &Resources) {
        self.remaining -= resources;
        self.launched += resources;
    }
}

impl Master {
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, call: Accept) {
        self.count_accept(&call);
        if let Err(reason) = self.check_offers(framework, &call.offer_ids) {
            return self.accept_invalid_offers(cx, framework, &call, &reason.to_string());
        }
        let refuse = refusal(call.filters.as_ref());
        let Some(mut accepted) = self.take_offers(cx, framework, &call.offer_ids) else { return };
        if let Some(framework_metrics) = self.framework_metrics(framework) {
            framework_metrics.add_accepted_offers(call.offer_ids.len());
        }
        if !self.agents.get(accepted.agent.as_str()).is_some_and(|agent| agent.state.connected) {
            // Offers of lost agents are rescinded at once, so this needs a defect to happen.
            self.drop_tasks(cx, framework, &call.operations, Reason::AgentDisconnected, "Agent disconnected");
        } else {
            let tried = |operation: &Operation| {
                tasks_of(operation).is_some() || self.validate_form_and_feedback(cx, &accepted, operation)
            };
            let operations: Vec<Operation> = call.operations.into_iter().filter(tried).collect();
            for operation in operations {
                self.apply_accepted_operation(cx, &mut accepted, operation);
            }
        }
        self.recover_unused_resources(cx, &accepted, refuse);
    }

    /// What operations made is free for all at once; what was not used is declined.
    fn recover_unused_resources(
        &mut self,
        cx: &mut Context<'_>,
        accepted: &AcceptedOffers,
        refuse: std::time::Duration,
    ) {
        let AcceptedOffers { framework, agent, offered, remaining, launched, resized, pending, .. } = accepted;
        let free = remaining + resized;
        let converted = &(&free + launched) + pending;
        if converted != *offered {
            self.allocator.update_allocation(framework, agent, offered, &converted);
        }
        let made = &free - offered;
        let declined = &free - &made;
        self.recover_resources(cx, framework, agent, &made, None);
        self.recover_resources(cx, framework, agent, &declined, Some(refuse));
    }

    fn count_accept(&self, call: &Accept) {
        for launch in call.operations.iter().filter_map(|operation| operation.launch.as_ref()) {
            let counter = if launch.task_infos.is_empty() {
                &self.metrics.messages_decline_offers
            } else {
                &self.metrics.messages_launch_tasks
            };
            counter.increment();
        }
    }

    fn check_offers(&self, framework: &FrameworkId, ids: &[v1::OfferId]) -> Result<(), validation::Invalid> {
        if ids.is_empty() {
            return Err(validation::Invalid::new("No offers specified"));
        }
        let lookup = |id: &str| {
            let offer = self.offers.get(id)?;
            Some(OfferSummary {
                framework: offer.framework.clone(),
                role: offer.role.clone(),
                agent: offer.agent.clone(),
            })
        };
        validation::offer::validate(ids, lookup, framework)
    }

    /// The listed offers that are the framework's own go back; what was to be done is dropped.
    fn accept_invalid_offers(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, call: &Accept, reason: &str) {
        for id in &call.offer_ids {
            if self.offers.get(&id.value).is_some_and(|offer| offer.framework == *framework) {
                self.discard_offer(cx, &id.value, None);
            }
        }
        for operation in call.operations.iter().filter(|operation| tasks_of(operation).is_none()) {
            self.drop_operation(
                cx,
                framework,
                operation,
                &format!("Operation attempted with invalid offers: {reason}"),
            );
        }
        let message = format!("Task launched with invalid offers: {reason}");
        self.drop_tasks(cx, framework, &call.operations, Reason::InvalidOffers, &message);
    }

    fn drop_tasks(
        &self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        operations: &[Operation],
        reason: Reason,
        message: &str,
    ) {
        let aware = self.frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities.partition_aware);
        let state = if aware { v1::TaskState::TaskDropped } else { v1::TaskState::TaskLost };
        let reason = MasterGenerated::new(state, reason, message);
        for task in operations.iter().filter_map(tasks_of).flatten() {
            self.refuse_task(cx, framework, task, &reason);
        }
    }

    fn take_offers(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        ids: &[v1::OfferId],
    ) -> Option<AcceptedOffers> {
        let mut accepted: Option<AcceptedOffers> = None;
        for id in ids {
            let Some(offer) = self.take_offer(cx, &id.value) else { continue };
            let all = accepted.get_or_insert_with(|| AcceptedOffers {
                framework: framework.clone(),
                agent: offer.agent.clone(),
                role: offer.role.clone(),
                offered: Resources::new(),
                remaining: Resources::new(),
                shared: Resources::new(),
                launched: Resources::new(),
                resized: Resources::new(),
                pending: Resources::new(),
            });
            all.offered += &offer.resources;
        }
        if let Some(all) = &mut accepted {
            all.remaining = all.offered.clone();
            all.shared = all.offered.shared();
        }
        accepted
    }

    fn apply_accepted_operation(
        &mut self,
        cx: &mut Context<'_>,
        accepted: &mut AcceptedOffers,
        mut operation: Operation,
    ) {
        let kind = operation.r#type();
        let (launch, group) = (operation.launch.take(), operation.launch_group.take());
        match (kind, launch, group) {
            (Type::Launch, Some(launch), _) => self.launch(cx, accepted, *launch, operation.id.is_some()),
            (Type::LaunchGroup, _, Some(group)) => self.launch_group(cx, accepted, *group, operation.id.is_some()),
            (Type::Unknown, ..) => {}
            _ => self.apply_offer_operation(cx, accepted, operation),
        }
    }
}

pub(super) fn tasks_of(operation: &Operation) -> Option<&[v1::TaskInfo]> {
    match operation.r#type() {
        Type::Launch => operation.launch.as_ref().map(|launch| launch.task_infos.as_slice()),
        Type::LaunchGroup => operation.launch_group.as_ref().map(|group| group.task_group.tasks.as_slice()),
        _ => None,
    }
}

/// What a framework without MULTI_ROLE, or of an older format, leaves out.
pub(crate) fn complete(resources: &mut Vec<v1::Resource>, role: &Role) {
    upgrade(resources);
    for resource in resources.iter_mut().filter(|resource| resource.allocation_info.is_none()) {
        resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some(role.as_str().to_owned()) });
    }
}

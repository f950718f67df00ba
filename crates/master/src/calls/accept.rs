//! ACCEPT: which offers, and what becomes of what is not used.

use messages::v1;
use resources::Resources;
use v1::offer::Operation;
use v1::offer::operation::Type;
use v1::scheduler::call::Accept;
use v1::task_status::Reason;
use validation::offer::OfferFacts;
use vocabulary::{AgentId, FrameworkId, Role};

use crate::allocation::refusal;
use crate::cx::Cx;
use crate::framework::Connection;
use crate::master::Master;
use crate::registration::upgrade;
use crate::updates::MadeUp;

/// The accepted offers, taken together while the operations use them up.
pub(crate) struct Accepted {
    pub framework: FrameworkId,
    pub agent: AgentId,
    pub role: Role,
    pub remaining: Resources,
}

impl Master {
    pub(crate) fn accept(&mut self, cx: &mut Cx<'_>, framework: &FrameworkId, call: Accept) {
        self.count_accept(&call);
        if let Err(reason) = self.check_offers(framework, &call.offer_ids) {
            return self.accept_invalid_offers(cx, framework, &call, &reason.to_string());
        }
        let refuse = refusal(call.filters.as_ref());
        let Some(mut accepted) = self.take_offers(cx, framework, &call.offer_ids) else { return };
        if !self.agents.get(accepted.agent.as_str()).is_some_and(|agent| agent.state.connected) {
            // Offers of lost agents are rescinded at once, so this needs a defect to happen.
            self.drop_tasks(cx, framework, &call.operations, Reason::AgentDisconnected, "Agent disconnected");
        } else {
            for operation in call.operations {
                self.carry_out(cx, &mut accepted, operation);
            }
        }
        self.recover(cx, framework, &accepted.agent, &accepted.remaining, Some(refuse));
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
            Some(OfferFacts {
                framework: offer.framework.clone(),
                role: offer.role.clone(),
                agent: offer.agent.clone(),
            })
        };
        validation::offer::validate(ids, lookup, framework)
    }

    /// The listed offers that are the framework's own go back; what was to be done is dropped.
    fn accept_invalid_offers(&mut self, cx: &mut Cx<'_>, framework: &FrameworkId, call: &Accept, reason: &str) {
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
        cx: &mut Cx<'_>,
        framework: &FrameworkId,
        operations: &[Operation],
        reason: Reason,
        message: &str,
    ) {
        let aware = self.frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities.partition_aware);
        let state = if aware { v1::TaskState::TaskDropped } else { v1::TaskState::TaskLost };
        let reason = MadeUp::new(state, reason, message);
        for task in operations.iter().filter_map(tasks_of).flatten() {
            self.refuse_task(cx, framework, task, &reason);
        }
    }

    fn take_offers(&mut self, cx: &mut Cx<'_>, framework: &FrameworkId, ids: &[v1::OfferId]) -> Option<Accepted> {
        let mut accepted: Option<Accepted> = None;
        for id in ids {
            let Some(offer) = self.take_offer(cx, &id.value) else { continue };
            let all = accepted.get_or_insert_with(|| Accepted {
                framework: framework.clone(),
                agent: offer.agent.clone(),
                role: offer.role.clone(),
                remaining: Resources::new(),
            });
            all.remaining += &offer.resources;
        }
        accepted
    }

    fn carry_out(&mut self, cx: &mut Cx<'_>, accepted: &mut Accepted, mut operation: Operation) {
        let kind = operation.r#type();
        let (launch, group) = (operation.launch.take(), operation.launch_group.take());
        match (kind, launch, group) {
            (Type::Launch, Some(launch), _) => self.launch(cx, accepted, *launch, operation.id.is_some()),
            (Type::LaunchGroup, _, Some(group)) => self.launch_group(cx, accepted, *group, operation.id.is_some()),
            (Type::Unknown, ..) => {}
            _ => self.refuse_operation(cx, accepted, &operation),
        }
    }

    /// Operations on resources follow; until then they are errors their framework hears of.
    fn refuse_operation(&self, cx: &mut Cx<'_>, accepted: &Accepted, operation: &Operation) {
        let Some(framework) = self.frameworks.get(accepted.framework.as_str()) else { return };
        if operation.id.is_some() && matches!(framework.connection, Connection::Driver(_)) {
            return framework.listener().error(
                cx,
                "The 'id' field was set in an offer operation, but operation feedback is not supported for the \
                 SchedulerDriver API; please use the HTTP scheduler API for this feature",
            );
        }
        let name = operation.r#type().as_str_name();
        let message = format!("Operation {name} is not supported by this master");
        self.drop_operation(cx, &accepted.framework, operation, &message);
    }

    /// A dropped operation is reported if its framework asked for feedback.
    fn drop_operation(&self, cx: &mut Cx<'_>, framework: &FrameworkId, operation: &Operation, message: &str) {
        tracing::warn!(%framework, operation = operation.r#type().as_str_name(), message, "dropping an operation");
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

pub(super) fn tasks_of(operation: &Operation) -> Option<&[v1::TaskInfo]> {
    match operation.r#type() {
        Type::Launch => operation.launch.as_ref().map(|launch| launch.task_infos.as_slice()),
        Type::LaunchGroup => operation.launch_group.as_ref().map(|group| group.task_group.tasks.as_slice()),
        _ => None,
    }
}

/// What a framework without MULTI_ROLE, or of an older format, leaves out.
pub(super) fn complete(resources: &mut Vec<v1::Resource>, role: &Role) {
    upgrade(resources);
    for resource in resources.iter_mut().filter(|resource| resource.allocation_info.is_none()) {
        resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some(role.as_str().to_owned()) });
    }
}

//! The reservations and volumes of a scheduler, and the feedback for its operations.
//!
//! Each reservation has its own label and each volume its own name, so that a lost one is noticed.

use std::collections::BTreeMap;
use std::time::Duration;

use messages::v1;
use model::{AgentId, FrameworkId};
use resources::Resources;
use v1::resource::disk_info::Persistence;
use v1::resource::{DiskInfo, ReservationInfo, reservation_info};
use v1::scheduler::{Call, call};
use v1::{OperationState, offer};

use crate::checks::ResourceChange;
use crate::context::Context;

/// The amounts of one reservation. A volume takes the disk.
pub const RESERVED: [(&str, f64); 2] = [("disk", 500.0), ("mem", 64.0)];
/// The most reservations at a time; more would leave nothing for others.
const MOST: usize = 3;

/// The operations of a scheduler. They are durable, like its tasks.
#[derive(Debug)]
pub struct SchedulerOperations {
    /// Whether feedback can be asked for. Drivers cannot.
    feedback: bool,
    operations: BTreeMap<String, Operation>,
    made: u64,
}

#[derive(Debug)]
struct Operation {
    agent: v1::AgentId,
    state: OperationState,
    last_heard: Duration,
}

/// The operations that an offer is used for, besides launching simple tasks.
#[derive(Debug, Default)]
pub struct OfferPlan {
    pub operations: Vec<offer::Operation>,
    /// The rest of the offer's resources.
    pub left: Resources,
    /// A volume for a task that uses it.
    pub volume: Option<v1::Resource>,
}

impl SchedulerOperations {
    pub fn new(feedback: bool) -> Self {
        SchedulerOperations { feedback, operations: BTreeMap::new(), made: 0 }
    }

    /// Returns the operations of the next framework. Its names differ, because what the previous framework made still
    /// exists.
    pub fn successor(&self) -> Self {
        SchedulerOperations { made: self.made, ..SchedulerOperations::new(self.feedback) }
    }

    /// Returns the operations that are not final, with their state and agent.
    pub fn unfinished(&self) -> impl Iterator<Item = (&str, OperationState, &str)> {
        let operations = self.operations.iter().filter(|(_, operation)| !is_over(operation.state));
        operations.map(|(id, operation)| (id.as_str(), operation.state, operation.agent.value.as_str()))
    }

    pub fn plan(&mut self, cx: &mut Context, scheduler: usize, offer: &v1::Offer) -> OfferPlan {
        let mut plan =
            OfferPlan { left: Resources::from_proto(&offer.resources).unwrap_or_default(), ..OfferPlan::default() };
        if cx.faults_ended || cx.one_in(2) {
            return plan;
        }
        let volume = offer.resources.iter().find(|resource| persistence(resource).is_some());
        let reserved: Vec<v1::Resource> =
            offer.resources.iter().filter(|r| label(r).is_some() && persistence(r).is_none()).cloned().collect();
        let disk = reserved.iter().find(|resource| resource.name == "disk");
        match (volume, disk) {
            (Some(volume), _) => self.use_volume(cx, scheduler, offer, volume, &mut plan),
            (None, Some(disk)) if cx.one_in(2) => self.create(cx, scheduler, offer, disk, &mut plan),
            (None, Some(disk)) => {
                let same = reserved.iter().filter(|resource| label(resource) == label(disk)).cloned().collect();
                self.unreserve(cx, scheduler, offer, same, &mut plan);
            }
            (None, None) if self.operations.len() < MOST * 20 => self.reserve(cx, scheduler, offer, &mut plan),
            (None, None) => {}
        }
        plan
    }

    fn use_volume(
        &mut self,
        cx: &mut Context,
        scheduler: usize,
        offer: &v1::Offer,
        volume: &v1::Resource,
        plan: &mut OfferPlan,
    ) {
        match cx.random.below(4) {
            0 | 1 => plan.volume = Some(volume.clone()),
            2 => {
                self.destroy(cx, scheduler, offer, volume, plan);
                let disk = v1::Resource { disk: None, ..volume.clone() };
                self.unreserve(cx, scheduler, offer, vec![disk], plan);
            }
            _ => self.destroy(cx, scheduler, offer, volume, plan),
        }
    }

    fn reserve(&mut self, cx: &mut Context, scheduler: usize, offer: &v1::Offer, plan: &mut OfferPlan) {
        let role = offer.allocation_info.as_ref().and_then(|info| info.role.clone()).unwrap_or_default();
        let label = format!("s{scheduler}-r{}", self.made + 1);
        let resources = reservation(&role, &label, true);
        let unreserved: Vec<v1::Resource> =
            resources.iter().map(|r| v1::Resource { reservations: Vec::new(), ..r.clone() }).collect();
        if !plan.left.contains(&Resources::from_proto(&unreserved).unwrap_or_default()) {
            return;
        }
        let reserve = offer::operation::Reserve { source: Vec::new(), resources: resources.clone() };
        let operation = offer::Operation { reserve: Some(Box::new(reserve)), ..of(offer::operation::Type::Reserve) };
        self.add(cx, scheduler, offer, operation, ResourceChange::Reserve(label), plan);
        if let Some(disk) = resources.first().filter(|_| cx.one_in(2)) {
            self.create(cx, scheduler, offer, disk, plan);
        }
    }

    fn unreserve(
        &mut self,
        cx: &mut Context,
        scheduler: usize,
        offer: &v1::Offer,
        resources: Vec<v1::Resource>,
        plan: &mut OfferPlan,
    ) {
        let Some(label) = resources.first().and_then(label) else { return };
        let unreserve = offer::operation::Unreserve { resources };
        let operation =
            offer::Operation { unreserve: Some(Box::new(unreserve)), ..of(offer::operation::Type::Unreserve) };
        self.add(cx, scheduler, offer, operation, ResourceChange::Unreserve(label), plan);
    }

    fn create(
        &mut self,
        cx: &mut Context,
        scheduler: usize,
        offer: &v1::Offer,
        disk: &v1::Resource,
        plan: &mut OfferPlan,
    ) {
        let volume = volume(disk, &format!("s{scheduler}-v{}", self.made + 1));
        let name = persistence(&volume).unwrap_or_default();
        let create = offer::operation::Create { volumes: vec![volume.clone()] };
        let operation = offer::Operation { create: Some(Box::new(create)), ..of(offer::operation::Type::Create) };
        self.add(cx, scheduler, offer, operation, ResourceChange::Create(name), plan);
        plan.volume = Some(volume).filter(|_| cx.one_in(2));
    }

    fn destroy(
        &mut self,
        cx: &mut Context,
        scheduler: usize,
        offer: &v1::Offer,
        volume: &v1::Resource,
        plan: &mut OfferPlan,
    ) {
        let destroy = offer::operation::Destroy { volumes: vec![volume.clone()] };
        let operation = offer::Operation { destroy: Some(Box::new(destroy)), ..of(offer::operation::Type::Destroy) };
        self.add(
            cx,
            scheduler,
            offer,
            operation,
            ResourceChange::Destroy(persistence(volume).unwrap_or_default()),
            plan,
        );
    }

    /// Adds an operation. Two of three operations ask for feedback.
    fn add(
        &mut self,
        cx: &mut Context,
        scheduler: usize,
        offer: &v1::Offer,
        mut operation: offer::Operation,
        change: ResourceChange,
        plan: &mut OfferPlan,
    ) {
        self.made += 1;
        cx.counts.operations += 1;
        let id = format!("s{scheduler}-o{}", self.made);
        let named = self.feedback && !cx.one_in(3);
        cx.trace(|| format!("scheduler-{scheduler}: {id} is to {change:?}{}", if named { "" } else { ", unnamed" }));
        let framework = FrameworkId::from(&offer.framework_id);
        cx.checks.operations.begin(&framework, named.then_some(id.as_str()), &AgentId::from(&offer.agent_id), change);
        if named {
            operation.id = Some(v1::OperationId { value: id.clone() });
            let state = OperationState::OperationPending;
            self.operations.insert(id, Operation { agent: offer.agent_id.clone(), state, last_heard: cx.time });
        }
        if let Ok(steps) = resources::conversions(&operation)
            && let Ok(left) = plan.left.apply_all(&steps)
        {
            plan.left = left;
        }
        plan.operations.push(operation);
    }

    /// Records an operation status. Returns the acknowledgement that is due, if any.
    pub fn status(&mut self, cx: &mut Context, framework: &FrameworkId, status: &v1::OperationStatus) -> Option<Call> {
        let id = status.operation_id.clone()?;
        let (name, state) = (id.value.as_str(), status.state());
        cx.trace(|| format!("{framework}: {name} is {} ({})", state.as_str_name(), status.message()));
        match self.operations.get_mut(name) {
            Some(operation) => {
                cx.checks.operations.delivered(framework, name, state);
                // A final state is kept, because the sender of another state has forgotten the operation.
                if !is_final(operation.state) {
                    operation.state = state;
                }
                operation.last_heard = cx.time;
            }
            None => cx.checks.violation(format!("{framework} hears of {name}, which it never asked for")),
        }
        let acknowledge = call::AcknowledgeOperationStatus {
            agent_id: status.agent_id.clone(),
            resource_provider_id: None,
            uuid: status.uuid.as_ref()?.value.clone(),
            operation_id: id,
        };
        let kind = call::Type::AcknowledgeOperationStatus as i32;
        Some(Call { r#type: Some(kind), acknowledge_operation_status: Some(Box::new(acknowledge)), ..Call::default() })
    }

    /// Asks for all operations that are not final and of which nothing was heard since `since`.
    pub fn reconcile(&mut self, cx: &Context, since: Duration) -> Option<Call> {
        let quiet = self.operations.iter_mut().filter(|(_, o)| !is_over(o.state) && o.last_heard <= since);
        let operations: Vec<_> = quiet
            .map(|(id, operation)| {
                operation.last_heard = cx.time;
                call::reconcile_operations::Operation {
                    operation_id: v1::OperationId { value: id.clone() },
                    agent_id: Some(operation.agent.clone()),
                    resource_provider_id: None,
                }
            })
            .collect();
        let call = call::ReconcileOperations { operations };
        (!call.operations.is_empty()).then(|| Call {
            r#type: Some(call::Type::ReconcileOperations as i32),
            reconcile_operations: Some(Box::new(call)),
            ..Call::default()
        })
    }
}

/// Returns true if no further status is expected.
fn is_over(state: OperationState) -> bool {
    is_final(state) || state == OperationState::OperationUnknown
}

/// Returns true for a terminal state of an operation.
pub fn is_final(state: OperationState) -> bool {
    use OperationState::*;
    matches!(state, OperationFinished | OperationFailed | OperationError | OperationDropped | OperationGoneByOperator)
}

/// Returns the label of a reservation that was made here.
pub fn label(resource: &v1::Resource) -> Option<String> {
    let labels = resource.reservations.last()?.labels.as_ref()?;
    labels.labels.first().and_then(|label| label.value.clone())
}

/// Returns the persistence id of a volume.
pub fn persistence(resource: &v1::Resource) -> Option<String> {
    Some(resource.disk.as_ref()?.persistence.as_ref()?.id.clone())
}

/// Returns the resources that a role reserves at once, under a label.
pub fn reservation(role: &str, label: &str, allocated: bool) -> Vec<v1::Resource> {
    let label = v1::Label { key: "reservation".to_owned(), value: Some(label.to_owned()) };
    let reservation = ReservationInfo {
        r#type: Some(reservation_info::Type::Dynamic as i32),
        role: Some(role.to_owned()),
        principal: None,
        labels: Some(Box::new(v1::Labels { labels: vec![label] })),
    };
    let resource = |(name, amount): (&str, f64)| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value: amount }),
        allocation_info: allocated.then(|| v1::resource::AllocationInfo { role: Some(role.to_owned()) }),
        reservations: vec![reservation.clone()],
        ..Default::default()
    };
    RESERVED.into_iter().map(resource).collect()
}

/// Returns a volume that takes all of a reserved disk.
pub fn volume(disk: &v1::Resource, name: &str) -> v1::Resource {
    let info = DiskInfo {
        persistence: Some(Persistence { id: name.to_owned(), principal: None }),
        volume: Some(Box::new(v1::Volume {
            mode: v1::volume::Mode::Rw as i32,
            container_path: name.to_owned(),
            ..Default::default()
        })),
        source: None,
    };
    v1::Resource { disk: Some(Box::new(info)), ..disk.clone() }
}

fn of(kind: offer::operation::Type) -> offer::Operation {
    offer::Operation { r#type: Some(kind as i32), ..Default::default() }
}

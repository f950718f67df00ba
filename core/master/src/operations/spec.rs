//! What each kind of offer operation is: its resources, and whether its result is applied at once.

use messages::v1;
use resources::Resources;
use v1::offer::operation::Type;

/// Whether the result of an operation is applied at once (speculatively, in Mesos' words), since the agent itself can
/// hardly refuse it.
pub(crate) fn is_speculative(operation: &v1::offer::Operation) -> bool {
    match operation.r#type() {
        Type::Reserve
        | Type::Unreserve
        | Type::Create
        | Type::Destroy
        | Type::GrowVolume
        | Type::ShrinkVolume
        | Type::Launch
        | Type::LaunchGroup
        | Type::Unknown => true,
        Type::CreateDisk | Type::DestroyDisk => false,
    }
}

pub(crate) fn is_terminal(state: v1::OperationState) -> bool {
    use v1::OperationState::{
        OperationDropped, OperationError, OperationFailed, OperationFinished, OperationGoneByOperator,
    };
    matches!(state, OperationFinished | OperationFailed | OperationError | OperationDropped | OperationGoneByOperator)
}

/// The resources that an operation consumes; none if they cannot be told.
pub(crate) fn consumed(operation: &v1::offer::Operation) -> Resources {
    let source = match operation.r#type() {
        Type::CreateDisk => operation.create_disk.as_ref().map(|create| &create.source),
        Type::DestroyDisk => operation.destroy_disk.as_ref().map(|destroy| &destroy.source),
        Type::Reserve
        | Type::Unreserve
        | Type::Create
        | Type::Destroy
        | Type::GrowVolume
        | Type::ShrinkVolume
        | Type::Launch
        | Type::LaunchGroup
        | Type::Unknown => None,
    };
    if let Some(source) = source {
        return Resources::from_proto(std::slice::from_ref(source)).unwrap_or_default();
    }
    let steps = resources::conversions(operation).unwrap_or_default();
    steps.iter().fold(Resources::new(), |sum, step| sum + step.consumed.clone())
}

/// The resource provider of an operation's resources; validation ensures that all are of one provider.
pub(crate) fn provider_of(operation: &v1::offer::Operation) -> Option<v1::ResourceProviderId> {
    resources_of(operation).first().and_then(|resource| resource.provider_id.clone())
}

fn resources_of(operation: &v1::offer::Operation) -> &[v1::Resource] {
    let one = std::slice::from_ref;
    match operation.r#type() {
        Type::Reserve => operation.reserve.as_ref().map(|reserve| reserve.resources.as_slice()),
        Type::Unreserve => operation.unreserve.as_ref().map(|unreserve| unreserve.resources.as_slice()),
        Type::Create => operation.create.as_ref().map(|create| create.volumes.as_slice()),
        Type::Destroy => operation.destroy.as_ref().map(|destroy| destroy.volumes.as_slice()),
        Type::GrowVolume => operation.grow_volume.as_ref().map(|grow| one(&grow.volume)),
        Type::ShrinkVolume => operation.shrink_volume.as_ref().map(|shrink| one(&shrink.volume)),
        Type::CreateDisk => operation.create_disk.as_ref().map(|create| one(&create.source)),
        Type::DestroyDisk => operation.destroy_disk.as_ref().map(|destroy| one(&destroy.source)),
        Type::Launch | Type::LaunchGroup | Type::Unknown => None,
    }
    .unwrap_or_default()
}

/// Changes every list of resources in an operation.
pub(crate) fn for_each_resource_list(operation: &mut v1::offer::Operation, change: impl Fn(&mut Vec<v1::Resource>)) {
    let one = |resource: &mut v1::Resource| {
        let mut list = vec![std::mem::take(resource)];
        change(&mut list);
        *resource = list.pop().unwrap_or_default();
    };
    if let Some(reserve) = &mut operation.reserve {
        change(&mut reserve.source);
        change(&mut reserve.resources);
    }
    if let Some(unreserve) = &mut operation.unreserve {
        change(&mut unreserve.resources);
    }
    if let Some(create) = &mut operation.create {
        change(&mut create.volumes);
    }
    if let Some(destroy) = &mut operation.destroy {
        change(&mut destroy.volumes);
    }
    if let Some(grow) = &mut operation.grow_volume {
        one(&mut grow.volume);
        one(&mut grow.addition);
    }
    if let Some(shrink) = &mut operation.shrink_volume {
        one(&mut shrink.volume);
    }
    if let Some(create) = &mut operation.create_disk {
        one(&mut create.source);
    }
    if let Some(destroy) = &mut operation.destroy_disk {
        one(&mut destroy.source);
    }
}

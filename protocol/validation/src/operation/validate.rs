//! Validation of an operation by its type.

use messages::v1::offer::{Operation, operation::Type};
use resources::{Resource, Resources};

use super::{Context, disks, reservations, volumes};
use crate::ValidationError;

/// Checks an operation whose syntax is valid and whose resources are in the current format and, if a framework asks,
/// allocated.
///
/// # Errors
///
/// The reason is that of `operation::validate` in Mesos' `src/master/validation.cpp`.
pub fn validate(operation: &Operation, context: &Context<'_>) -> Result<(), ValidationError> {
    let part =
        |missing: Option<Result<(), ValidationError>>| missing.unwrap_or_else(|| super::validate_syntax(operation));
    match operation.r#type() {
        Type::Reserve => part(operation.reserve.as_deref().map(|reserve| reservations::reserve(reserve, context))),
        Type::Unreserve => part(operation.unreserve.as_deref().map(reservations::unreserve)),
        Type::Create => part(operation.create.as_deref().map(|create| volumes::create(create, context))),
        Type::Destroy => part(operation.destroy.as_deref().map(|destroy| volumes::destroy(destroy, context))),
        Type::GrowVolume => part(operation.grow_volume.as_deref().map(|grow| volumes::grow(grow, context))),
        Type::ShrinkVolume => part(operation.shrink_volume.as_deref().map(|shrink| volumes::shrink(shrink, context))),
        Type::CreateDisk => part(operation.create_disk.as_deref().map(disks::create)),
        Type::DestroyDisk => part(operation.destroy_disk.as_deref().map(disks::destroy)),
        Type::Launch | Type::LaunchGroup | Type::Unknown => Err(ValidationError::new("Unknown offer operation")),
    }
}

/// Checks that all resources belong to one resource provider, or all to the agent itself (Mesos:
/// `resource::internal::validateSingleResourceProvider`). An empty list belongs to none, and has Mesos' reason for
/// that.
pub(super) fn single_provider(resources: &[messages::v1::Resource]) -> Result<(), ValidationError> {
    let mut providers: Vec<Option<&str>> =
        resources.iter().map(|resource| resource.provider_id.as_ref().map(|id| id.value.as_str())).collect();
    providers.sort_unstable();
    providers.dedup();
    match providers.as_slice() {
        [_] => Ok(()),
        [None, ..] => Err(ValidationError::new("Some resources have a resource provider and some do not")),
        several => {
            let several: Vec<&str> = several.iter().flatten().copied().collect();
            Err(ValidationError::new(format!("The resources have multiple resource providers: {}", several.join(", "))))
        }
    }
}

pub(super) fn parse(resources: &[messages::v1::Resource]) -> Result<Resources, ValidationError> {
    Resources::from_proto(resources).map_err(|error| ValidationError::new(error.to_string()))
}

pub(super) fn parse_one(resource: &messages::v1::Resource) -> Result<Resource, ValidationError> {
    Resource::from_proto(resource).map_err(|error| ValidationError::new(error.to_string()))
}

/// Checks whether the agent is new enough: `what` (a resource, a volume) cannot be `done` on an agent without the
/// capability.
pub(super) fn check_agent_capabilities(
    resource: &Resource,
    context: &Context<'_>,
    what: &str,
    done: &str,
) -> Result<(), ValidationError> {
    let role = resource.reservation_role().map_or("*", |role| role.as_str());
    if !context.agent.hierarchical_role && role.contains('/') {
        return Err(ValidationError::new(format!(
            "{what} {resource} with reservation for hierarchical role '{role}' cannot be {done} on an agent without \
             HIERARCHICAL_ROLE capability"
        )));
    }
    if !context.agent.reservation_refinement && resource.has_refined_reservations() {
        return Err(ValidationError::new(format!(
            "{what} {resource} with reservation refinement cannot be {done} on an agent without \
             RESERVATION_REFINEMENT capability"
        )));
    }
    Ok(())
}

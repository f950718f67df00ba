//! The syntax of an offer operation, before anything is known about the caller and the agent.

use messages::v1::Resource;
use messages::v1::offer::Operation;
use messages::v1::offer::operation::Type;
use resources::operation::{OperationSpec, ResourceList, resource_lists};

use crate::{ValidationError, resource};

/// Checks that the field named by the type of an operation is set and that every resource in it is well formed. Mesos
/// does so before it fills in the allocation role; so one malformed resource refuses the whole operation, with every
/// task of a LAUNCH, and the reason has no prefix.
///
/// # Errors
///
/// The reason is that of `validateAndUpgradeResources` in Mesos' `src/common/resources_utils.cpp`.
pub fn validate_syntax(operation: &Operation) -> Result<(), ValidationError> {
    let kind = operation.r#type();
    if kind == Type::Unknown {
        return Err(ValidationError::new("Unknown offer operation"));
    }
    let Some(lists) = resource_lists(operation) else { return Err(missing_field(kind)) };
    lists.into_iter().try_for_each(|list| match list {
        ResourceList::One(resource) => validate_one(resource),
        ResourceList::Many(resources) => resource::validate_each(resources),
    })
}

/// Returns the reason for an unset field. Mesos' sentences differ in their article, in "offer operation" and in the
/// full stop.
fn missing_field(kind: Type) -> ValidationError {
    let OperationSpec { name, field, .. } = OperationSpec::of(kind);
    let (article, noun, end) = match kind {
        Type::Unreserve => ("An", "offer operation", "."),
        Type::GrowVolume => ("A", "operation", ""),
        Type::ShrinkVolume => ("A", "offer operation", ""),
        Type::Unknown
        | Type::Launch
        | Type::LaunchGroup
        | Type::Reserve
        | Type::Create
        | Type::Destroy
        | Type::CreateDisk
        | Type::DestroyDisk => ("A", "offer operation", "."),
    };
    ValidationError::new(format!("{article} {name} {noun} must have the Offer.Operation.{field} field set{end}"))
}

/// The reason does not name the resource if there is only one.
fn validate_one(resource: &Resource) -> Result<(), ValidationError> {
    resources::validate_resource(resource).map_err(|error| ValidationError::new(error.to_string()))
}

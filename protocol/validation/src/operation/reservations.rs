//! RESERVE and UNRESERVE.

use messages::v1;
use messages::v1::offer::operation::{Reserve, Unreserve};
use resources::{Resource, Resources};

use super::validate::{check_agent_capabilities, parse, parse_one, single_provider};
use super::{Context, OperationFramework};
use crate::{ValidationError, Within, resource};

pub(super) fn reserve(reserve: &Reserve, context: &Context<'_>) -> Result<(), ValidationError> {
    resource::validate(&reserve.resources).within("Invalid resources")?;
    resource::validate(&reserve.source).within("Invalid source")?;
    if !reserve.source.is_empty() {
        exchange(&reserve.source, &reserve.resources)?;
    }
    single_provider(&reserve.resources).within("Invalid resources")?;
    for proto in &reserve.resources {
        let resource = parse_one(proto)?;
        dynamically_reserved(&resource)?;
        check_agent_capabilities(&resource, context, "Resource", "reserved")?;
        principal(&resource, context)?;
        match &context.framework {
            Some(framework) => own_role(&resource, framework)?,
            None if resource.allocation_role().is_some() => {
                return Err(ValidationError::new(
                    "A reserve operation was attempted with an allocated resource, but the operator API only allows \
                     reservations to be made to unallocated resources",
                ));
            }
            None => {}
        }
    }
    match context.framework {
        Some(_) => {
            resource::validate_allocated_to_single_role(&reserve.resources).within("Invalid reservation resources")
        }
        None => Ok(()),
    }
}

/// Checks that one reservation replaces another: both lists have the same resources, all of them reserved alike before
/// and all of them alike afterwards.
fn exchange(source: &[v1::Resource], target: &[v1::Resource]) -> Result<(), ValidationError> {
    reserved_alike(source).within("Invalid source")?;
    reserved_alike(target).within("Invalid resources")?;
    let (source, target) = (parse(source)?.to_unreserved(), parse(target)?.to_unreserved());
    if source == target {
        return Ok(());
    }
    Err(ValidationError::new(format!(
        "Source and target resources should refer to identical resource quantities: {source} vs. {target}"
    )))
}

fn reserved_alike(protos: &[v1::Resource]) -> Result<(), ValidationError> {
    let resources: Vec<Resource> = protos.iter().map(parse_one).collect::<Result<_, _>>()?;
    let Some(first) = resources.first() else { return Err(ValidationError::new("Resource cannot be empty")) };
    if resources.iter().all(|resource| resource.reservations() == first.reservations()) {
        return Ok(());
    }
    let all: Resources = resources.into_iter().collect();
    Err(ValidationError::new(format!("Mixed reservations are not supported{all}")))
}

fn dynamically_reserved(resource: &Resource) -> Result<(), ValidationError> {
    if resource.is_dynamically_reserved() {
        Ok(())
    } else {
        Err(ValidationError::new(format!("Resource {resource} is not dynamically reserved")))
    }
}

/// Checks that the reservation names the caller as its principal.
fn principal(resource: &Resource, context: &Context<'_>) -> Result<(), ValidationError> {
    let Some(principal) = context.principal else { return Ok(()) };
    match resource.reservations().last().and_then(|reservation| reservation.principal.as_deref()) {
        None => Err(ValidationError::new(format!(
            "A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the \
             request with no principal set"
        ))),
        Some(signed) if signed != principal => Err(ValidationError::new(format!(
            "A reserve operation was attempted by authenticated principal '{principal}', which does not match a \
             reserved resource in the request with principal '{signed}'"
        ))),
        Some(_) => Ok(()),
    }
}

/// Checks that a framework reserves for the role that it was offered the resources in.
fn own_role(resource: &Resource, framework: &OperationFramework<'_>) -> Result<(), ValidationError> {
    let reserved = resource.reservation_role().map_or("*", |role| role.as_str());
    let Some(allocated) = resource.allocation_role() else {
        return Err(ValidationError::new(format!(
            "A reserve operation was attempted on unallocated resource {resource}, but frameworks can only perform \
             reservations on allocated resources"
        )));
    };
    if allocated.as_str() != reserved {
        return Err(ValidationError::new(format!(
            "A reserve operation was attempted for a resource with role '{reserved}', but the resource was allocated \
             to role '{allocated}'"
        )));
    }
    if framework.roles.contains(allocated) {
        return Ok(());
    }
    let roles: Vec<&str> = framework.roles.iter().map(|role| role.as_str()).collect();
    let roles = if roles.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", roles.join(", ")) };
    Err(ValidationError::new(format!(
        "A reserve operation was attempted for a resource allocated to role '{allocated}', but the framework only has \
         roles '{roles}'"
    )))
}

/// Any principal may undo any reservation; only authorization can forbid it.
pub(super) fn unreserve(unreserve: &Unreserve) -> Result<(), ValidationError> {
    resource::validate(&unreserve.resources).within("Invalid resources")?;
    single_provider(&unreserve.resources).within("Invalid resources")?;
    for proto in &unreserve.resources {
        let resource = parse_one(proto)?;
        dynamically_reserved(&resource)?;
        if resource.is_persistent_volume() {
            return Err(ValidationError::new(format!(
                "A dynamically reserved persistent volume {resource} cannot be unreserved directly. Please destroy \
                 the persistent volume first then unreserve the resource"
            )));
        }
    }
    Ok(())
}

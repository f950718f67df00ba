//! The form of an offer operation, before anything is known about it.

use messages::v1::Resource;
use messages::v1::offer::Operation;
use messages::v1::offer::operation::Type;

use crate::{Invalid, resource};

/// The part of its type is there and every resource in it is well formed. Mesos checks
/// this before it fills in the allocation role, so one malformed resource refuses the
/// whole operation (every task of a LAUNCH), with the bare reason.
pub fn validate_syntax(operation: &Operation) -> Result<(), Invalid> {
    match operation.r#type() {
        Type::Launch => {
            for task in &part(&operation.launch, "A LAUNCH offer operation", "launch", ".")?.task_infos {
                resource::validate_each(&task.resources)?;
                validate_executor(task.executor.as_deref())?;
            }
            Ok(())
        }
        Type::LaunchGroup => {
            let launch = part(&operation.launch_group, "A LAUNCH_GROUP offer operation", "launch_group", ".")?;
            validate_executor(Some(&launch.executor))?;
            for task in &launch.task_group.tasks {
                resource::validate_each(&task.resources)?;
                validate_executor(task.executor.as_deref())?;
            }
            Ok(())
        }
        Type::Reserve => {
            let reserve = part(&operation.reserve, "A RESERVE offer operation", "reserve", ".")?;
            resource::validate_each(&reserve.resources)?;
            resource::validate_each(&reserve.source)
        }
        Type::Unreserve => {
            let unreserve = part(&operation.unreserve, "An UNRESERVE offer operation", "unreserve", ".")?;
            resource::validate_each(&unreserve.resources)
        }
        Type::Create => {
            resource::validate_each(&part(&operation.create, "A CREATE offer operation", "create", ".")?.volumes)
        }
        Type::Destroy => {
            resource::validate_each(&part(&operation.destroy, "A DESTROY offer operation", "destroy", ".")?.volumes)
        }
        Type::GrowVolume => {
            let grow = part(&operation.grow_volume, "A GROW_VOLUME operation", "grow_volume", "")?;
            validate_one(&grow.volume)?;
            validate_one(&grow.addition)
        }
        Type::ShrinkVolume => {
            let shrink = part(&operation.shrink_volume, "A SHRINK_VOLUME offer operation", "shrink_volume", "")?;
            validate_one(&shrink.volume)
        }
        Type::CreateDisk => {
            validate_one(&part(&operation.create_disk, "A CREATE_DISK offer operation", "create_disk", ".")?.source)
        }
        Type::DestroyDisk => {
            let destroy = part(&operation.destroy_disk, "A DESTROY_DISK offer operation", "destroy_disk", ".")?;
            validate_one(&destroy.source)
        }
        Type::Unknown => Err(Invalid::new("Unknown offer operation")),
    }
}

/// Mesos ends most of these sentences with a full stop, but not all.
fn part<'a, T>(part: &'a Option<T>, what: &str, field: &str, end: &str) -> Result<&'a T, Invalid> {
    let reason = || Invalid::new(format!("{what} must have the Offer.Operation.{field} field set{end}"));
    part.as_ref().ok_or_else(reason)
}

fn validate_executor(executor: Option<&messages::v1::ExecutorInfo>) -> Result<(), Invalid> {
    executor.map_or(Ok(()), |executor| resource::validate_each(&executor.resources))
}

/// A lone resource is not named in its reason.
fn validate_one(resource: &Resource) -> Result<(), Invalid> {
    resources::validate_resource(resource).map_err(|error| Invalid::new(error.to_string()))
}

//! Rules for resources inside tasks, executors and operations, beyond the syntax of one resource.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1::{Resource, resource::reservation_info, value, volume};
use prost::Message as _;
use resources::{Range, Ranges, Resources};

use crate::error::require;
use crate::{ValidationError, Within, ids};

/// Checks the syntax of each resource.
///
/// # Errors
///
/// The reason names the first invalid resource.
pub fn validate_each(resources: &[Resource]) -> Result<(), ValidationError> {
    resources::validate_resources(resources).map_err(|error| ValidationError::new(error.to_string()))
}

/// Checks the resources of a task, an executor or an operation.
///
/// # Errors
///
/// The reason is that of `resource::validate` in Mesos' `src/master/validation.cpp`.
pub fn validate(resources: &[Resource]) -> Result<(), ValidationError> {
    validate_each(resources).within("Invalid resources")?;
    validate_gpus(resources).within("Invalid 'gpus' resource")?;
    validate_disks(resources).within("Invalid DiskInfo")?;
    validate_reservations(resources).within("Invalid ReservationInfo")
}

/// Checks that the number of GPUs is whole.
///
/// # Errors
///
/// The reason is that of `validateGpus` in Mesos' `src/common/validation.cpp`.
pub fn validate_gpus(resources: &[Resource]) -> Result<(), ValidationError> {
    let thousandths = scalar_thousandths(resources, "gpus").unwrap_or(0);
    require(thousandths % 1000 == 0, "The 'gpus' resource must be an unsigned integer")
}

fn validate_disks(resources: &[Resource]) -> Result<(), ValidationError> {
    for resource in resources {
        let Some(disk) = &resource.disk else { continue };
        let Some(persistence) = &disk.persistence else {
            require(disk.volume.is_none(), "Non-persistent volume not supported")?;
            require(disk.source.is_some(), "DiskInfo is set but empty")?;
            continue;
        };
        require(resource.revocable.is_none(), "Persistent volumes cannot be created from revocable resources")?;
        require(is_reserved(resource), "Persistent volumes cannot be created from unreserved resources")?;
        let Some(volume) = &disk.volume else {
            return Err(ValidationError::new("Expecting 'volume' to be set for persistent volume"));
        };
        require(volume.host_path.is_none(), "Expecting 'host_path' to be unset for persistent volume")?;
        ids::validate(&persistence.id).within("Invalid persistence ID for persistent volume")?;
    }
    Ok(())
}

fn validate_reservations(resources: &[Resource]) -> Result<(), ValidationError> {
    for resource in resources {
        if is_dynamically_reserved(resource) && resource.revocable.is_some() {
            return Err(ValidationError::new(format!(
                "Dynamically reserved resource {} cannot be created from revocable resources",
                Resources::from_proto(std::slice::from_ref(resource)).unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// Checks that persistence ids are unique within a role.
///
/// # Errors
///
/// The reason is that of `resource::validateUniquePersistenceID` in Mesos' `src/master/validation.cpp`; it names the id
/// that is not unique.
pub fn validate_unique_persistence(resources: &[Resource]) -> Result<(), ValidationError> {
    let mut seen = BTreeSet::new();
    for resource in resources {
        let persistence = resource.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
        if let Some(persistence) = persistence
            && !seen.insert((reservation_role(resource), &persistence.id))
        {
            return Err(ValidationError::new(format!("Persistence ID '{}' is not unique", persistence.id)));
        }
    }
    Ok(())
}

/// Checks that all resources are allocated to one role. The master sets the role of the offers before.
///
/// # Errors
///
/// The reason is that of `resource::validateAllocatedToSingleRole` in Mesos' `src/master/validation.cpp`.
pub fn validate_allocated_to_single_role(resources: &[Resource]) -> Result<(), ValidationError> {
    let mut first: Option<&str> = None;
    for resource in resources {
        let Some(role) = resource.allocation_info.as_ref().and_then(|info| info.role.as_deref()) else {
            return Err(ValidationError::new("The resources are not allocated to a role"));
        };
        let first = *first.get_or_insert(role);
        if role != first {
            return Err(ValidationError::new(format!(
                "The resources have multiple allocation roles ('{role}' and '{first}') but only one allocation role \
                 is allowed"
            )));
        }
    }
    Ok(())
}

/// Checks that the resources of a name are either all revocable or all not.
///
/// # Errors
///
/// The reason is that of `resource::validateRevocableAndNonRevocableResources` in Mesos' `src/master/validation.cpp`;
/// it names the resource that is mixed.
pub fn validate_revocable_mix<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Result<(), ValidationError> {
    let mut kinds: BTreeMap<&str, bool> = BTreeMap::new();
    for resource in resources {
        let revocable = resource.revocable.is_some();
        if *kinds.entry(&resource.name).or_insert(revocable) != revocable {
            let name = &resource.name;
            return Err(ValidationError::new(format!(
                "Cannot use both revocable and non-revocable '{name}' at the same time"
            )));
        }
    }
    Ok(())
}

/// Checks that all resources are persistent volumes that can be written to.
///
/// # Errors
///
/// The reason is that of `resource::validatePersistentVolume` in Mesos' `src/master/validation.cpp`.
pub fn validate_persistent_volumes(volumes: &[Resource]) -> Result<(), ValidationError> {
    for resource in volumes {
        let Some(disk) = &resource.disk else {
            return Err(ValidationError::new(format!(
                "Resource {} does not have DiskInfo",
                Resources::from_proto(std::slice::from_ref(resource)).unwrap_or_default()
            )));
        };
        require(disk.persistence.is_some(), "'persistence' is not set in DiskInfo")?;
        let Some(volume) = &disk.volume else {
            return Err(ValidationError::new("Expecting 'volume' to be set for persistent volume"));
        };
        require(volume.mode() != volume::Mode::Ro, "Read-only persistent volume not supported")?;
    }
    Ok(())
}

/// Returns whether two of the parts claim the same port or the same item of a set (Mesos:
/// `resource::detectOverlappingSetAndRangeResources`). Repetitions within one part are merged first, as by the algebra
/// of resources.
pub(crate) fn overlap(parts: &[&[Resource]]) -> bool {
    let mut claims: BTreeMap<Vec<u8>, Claims<'_>> = BTreeMap::new();
    for (part, resources) in parts.iter().enumerate() {
        for resource in *resources {
            let claims = claims.entry(descriptor(resource)).or_default();
            match resource.r#type() {
                value::Type::Set => {
                    let items = resource.set.iter().flat_map(|set| &set.item);
                    claims.items.extend(items.map(|item| (item.as_str(), part)));
                }
                value::Type::Ranges => {
                    let ranges = resource.ranges.iter().flat_map(|ranges| &ranges.range);
                    let ranges = ranges.map(|range| Range { begin: range.begin, end: range.end });
                    claims.ranges.entry(part).or_default().extend(ranges);
                }
                value::Type::Scalar | value::Type::Text => {}
            }
        }
    }
    claims.into_values().any(|claims| claims.overlap())
}

/// The amounts of one kind of resource that the parts claim.
#[derive(Default)]
struct Claims<'a> {
    /// Items of sets, each with the number of the part that claims it.
    items: BTreeSet<(&'a str, usize)>,
    ranges: BTreeMap<usize, Vec<Range>>,
}

impl Claims<'_> {
    fn overlap(self) -> bool {
        let items: Vec<&str> = self.items.iter().map(|(item, _)| *item).collect();
        let merged = self.ranges.into_values().map(Ranges::new);
        let mut ranges: Vec<Range> = merged.flat_map(|ranges| ranges.as_slice().to_vec()).collect();
        ranges.sort_unstable();
        // The ranges of one part are disjoint, so neighbours that overlap belong to two parts.
        items.windows(2).any(|pair| matches!(pair, [left, right] if left == right))
            || ranges.windows(2).any(|pair| matches!(pair, [left, right] if right.begin <= left.end))
    }
}

/// Returns the part that is equal for two resources that merge: everything but their values.
fn descriptor(resource: &Resource) -> Vec<u8> {
    let mut plain = resource.clone();
    plain.ranges = None;
    plain.set = None;
    plain.encode_to_vec()
}

/// Returns the sum of the scalars of a name in thousandths; `None` if there is none.
pub(crate) fn scalar_thousandths(resources: &[Resource], name: &str) -> Option<i64> {
    let scalars = resources.iter().filter(|resource| resource.name == name).filter_map(|resource| resource.scalar);
    scalars.fold(None, |sum, scalar| Some(sum.unwrap_or(0i64).saturating_add((scalar.value * 1000.0).round() as i64)))
}

/// Returns whether a resource is reserved in either format, statically or dynamically.
pub(crate) fn is_reserved(resource: &Resource) -> bool {
    reservation_role(resource) != "*"
}

pub(crate) fn is_dynamically_reserved(resource: &Resource) -> bool {
    match resource.reservations.last() {
        Some(innermost) => innermost.r#type() == reservation_info::Type::Dynamic,
        None => resource.reservation.is_some(),
    }
}

pub(crate) fn is_persistent_volume(resource: &Resource) -> bool {
    resource.disk.as_ref().is_some_and(|disk| disk.persistence.is_some())
}

#[allow(deprecated, reason = "`role` is the format before reservation refinement")]
pub(crate) fn reservation_role(resource: &Resource) -> &str {
    match resource.reservations.last() {
        Some(innermost) => innermost.role(),
        None => resource.role(),
    }
}

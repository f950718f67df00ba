//! Checks whether a resource on the wire makes sense, with Mesos' order of checks and its reasons.

use messages::v1;
use messages::v1::resource::disk_info::Source;
use messages::v1::resource::disk_info::source::Type as SourceType;
use messages::v1::resource::reservation_info::Type as ReservationType;
use messages::v1::value::Type;

use crate::display::RawResource;
use crate::proto::labels;
use crate::{Error, Scalar, roles};

/// The most entries of one list: far more than an agent has disks, volumes and reservations. Adding up entries that do
/// not merge takes time in proportion to their square, and any peer that claims to be an agent may list them.
const MAX_ENTRIES: usize = 4096;

/// Checks each resource of a list.
///
/// # Errors
///
/// The reason is that of `Resources::validate` in Mesos' `src/common/resources.cpp`, and names the first invalid
/// resource. A list of more than 4,096 resources is refused, which Mesos does not do.
pub fn validate_resources(resources: &[v1::Resource]) -> Result<(), Error> {
    if resources.len() > MAX_ENTRIES {
        return Err(Error::TooMany { limit: MAX_ENTRIES });
    }
    resources.iter().try_for_each(|resource| {
        validate_resource(resource)
            .map_err(|reason| Error::Invalid { resource: RawResource(resource).to_string(), reason: Box::new(reason) })
    })
}

/// Checks one resource.
///
/// # Errors
///
/// The reason is Mesos', without the resource's name.
pub fn validate_resource(resource: &v1::Resource) -> Result<(), Error> {
    if resource.name.is_empty() {
        return Err(Error::EmptyName);
    }
    value(resource)?;
    disk(resource)?;
    if resource.reservations.is_empty() {
        old_format(resource)?;
    } else {
        stack(resource)?;
        both_formats(resource)?;
    }
    if let Some(role) = resource.allocation_info.as_ref().and_then(|info| info.role.as_deref()) {
        roles::validate(role)?;
    }
    shared(resource)
}

fn value(resource: &v1::Resource) -> Result<(), Error> {
    let present = (resource.scalar.as_ref(), resource.ranges.as_deref(), resource.set.as_deref());
    match Type::try_from(resource.r#type).map_err(|_| Error::InvalidType)? {
        Type::Scalar => match present {
            (Some(scalar), None, None) => check_scalar(scalar.value),
            _ => Err(Error::InvalidScalar),
        },
        Type::Ranges => match present {
            (None, Some(ranges), None) => check_ranges(&ranges.range),
            _ => Err(Error::InvalidRanges),
        },
        Type::Set => match present {
            (None, None, Some(set)) => check_set(&set.item),
            _ => Err(Error::InvalidSet),
        },
        Type::Text => Err(Error::UnsupportedType),
    }
}

fn check_scalar(value: f64) -> Result<(), Error> {
    if value == 0.0 {
        Ok(())
    } else if !value.is_finite() || Scalar::from_f64(value) <= Scalar::ZERO {
        Err(Error::NotPositive)
    } else if value > Scalar::MAX_INPUT {
        Err(Error::ScalarTooLarge)
    } else {
        Ok(())
    }
}

/// Mesos compares each pair of ranges. Sorting finds the same overlaps and cannot be made slow by a long list.
fn check_ranges(ranges: &[v1::value::Range]) -> Result<(), Error> {
    if ranges.iter().any(|range| range.begin > range.end) {
        return Err(Error::InvertedRange);
    }
    let mut sorted: Vec<(u64, u64)> = ranges.iter().map(|range| (range.begin, range.end)).collect();
    sorted.sort_unstable();
    let overlap = sorted.windows(2).any(|pair| matches!(pair, [left, right] if right.0 <= left.1));
    if overlap { Err(Error::OverlappingRanges) } else { Ok(()) }
}

fn check_set(items: &[String]) -> Result<(), Error> {
    let mut sorted: Vec<&str> = items.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let duplicated = sorted.windows(2).any(|pair| matches!(pair, [left, right] if left == right));
    if duplicated { Err(Error::DuplicatedElements) } else { Ok(()) }
}

fn disk(resource: &v1::Resource) -> Result<(), Error> {
    let Some(disk) = &resource.disk else { return Ok(()) };
    if resource.name != "disk" {
        return Err(Error::DiskInfoOnOther(resource.name.clone()));
    }
    disk.source.as_deref().map_or(Ok(()), check_source)
}

fn check_source(source: &Source) -> Result<(), Error> {
    let kind = match SourceType::try_from(source.r#type) {
        Ok(SourceType::Path | SourceType::Mount) => return Ok(()),
        Ok(SourceType::Block) => "BLOCK",
        Ok(SourceType::Raw) => "RAW",
        Ok(SourceType::Unknown) | Err(_) => return Err(Error::UnsupportedDiskSource("UNKNOWN".to_owned())),
    };
    if source.mount.is_some() {
        return Err(Error::DiskSourcePart { part: "Mount", kind });
    }
    if source.path.is_some() {
        return Err(Error::DiskSourcePart { part: "Path", kind });
    }
    Ok(())
}

#[allow(deprecated, reason = "old agents and frameworks still send the old format")]
fn old_format(resource: &v1::Resource) -> Result<(), Error> {
    let role = resource.role.as_deref().unwrap_or(roles::ANY);
    roles::validate(role)?;
    let Some(reservation) = &resource.reservation else { return Ok(()) };
    if reservation.r#type.is_some() {
        return Err(Error::UnexpectedInReservation("type"));
    }
    if reservation.role.is_some() {
        return Err(Error::UnexpectedInReservation("role"));
    }
    if role == roles::ANY {
        return Err(Error::AnyRoleDynamicallyReserved);
    }
    Ok(())
}

fn stack(resource: &v1::Resource) -> Result<(), Error> {
    for reservation in &resource.reservations {
        if reservation.r#type.is_none() {
            return Err(Error::MissingInReservation("type"));
        }
        let role = reservation.role.as_deref().ok_or(Error::MissingInReservation("role"))?;
        roles::validate(role)?;
        if role == roles::ANY {
            return Err(Error::AnyRoleReserved);
        }
    }
    for pair in resource.reservations.windows(2) {
        let [outer, inner] = pair else { continue };
        if inner.r#type() == ReservationType::Static {
            return Err(Error::StaticRefinement);
        }
        if !roles::is_strict_subrole(inner.role(), outer.role()) {
            return Err(Error::NotARefinement { role: inner.role().to_owned(), ancestor: outer.role().to_owned() });
        }
    }
    Ok(())
}

/// The old fields may accompany the stack of reservations if they say the same.
#[allow(deprecated, reason = "old agents and frameworks still send the old format")]
fn both_formats(resource: &v1::Resource) -> Result<(), Error> {
    let [reservation] = resource.reservations.as_slice() else {
        let more_than_one = |field: &str| {
            let text = format!(
                "'Resource.{field}' must not be set if there is more than one reservation in 'Resource.reservations'"
            );
            Err(Error::Format(text))
        };
        // Mesos accepts an unknown type here; it cannot be converted.
        return match (&resource.role, &resource.reservation) {
            (Some(_), _) => more_than_one("role"),
            (None, Some(_)) => more_than_one("reservation"),
            _ if resource.reservations.iter().any(|level| level.r#type() == ReservationType::Unknown) => {
                Err(Error::UnsupportedReservationType)
            }
            _ => Ok(()),
        };
    };
    if let Some(role) = resource.role.as_deref().filter(|role| *role != reservation.role()) {
        return Err(Error::Format(format!(
            "'Resource.role' field with '{role}' does not match the role '{}' in 'Resource.reservations'",
            reservation.role()
        )));
    }
    match reservation.r#type() {
        ReservationType::Static if resource.reservation.is_some() => Err(Error::Format(
            "'Resource.reservation' must not be set if the single reservation in 'Resource.reservations' is STATIC"
                .to_owned(),
        )),
        ReservationType::Static => Ok(()),
        ReservationType::Dynamic => same_dynamic(resource, reservation),
        ReservationType::Unknown => Err(Error::UnsupportedReservationType),
    }
}

#[allow(deprecated, reason = "old agents and frameworks still send the old format")]
fn same_dynamic(resource: &v1::Resource, level: &v1::resource::ReservationInfo) -> Result<(), Error> {
    if resource.role.is_some() != resource.reservation.is_some() {
        return Err(Error::Format(
            "'Resource.role' and 'Resource.reservation' must either be both set or both not set if the single \
             reservation in 'Resource.reservations' is DYNAMIC"
                .to_owned(),
        ));
    }
    let Some(old) = resource.reservation.as_deref() else { return Ok(()) };
    if old.principal() != level.principal() {
        return Err(Error::Format(format!(
            "'Resource.reservation.principal' field with '{}' does not match the principal '{}' in \
             'Resource.reservations'",
            old.principal(),
            level.principal()
        )));
    }
    let of = |info: &v1::resource::ReservationInfo| {
        info.labels.as_deref().map_or_else(|| labels(&v1::Labels::default()), labels)
    };
    let (old, new) = (of(old), of(level));
    if old != new {
        return Err(Error::Format(format!(
            "'Resource.reservation.labels' field with '{old}' does not match the labels '{new}' in \
             'Resource.reservations'"
        )));
    }
    Ok(())
}

fn shared(resource: &v1::Resource) -> Result<(), Error> {
    if resource.shared.is_none() {
        return Ok(());
    }
    if resource.name != "disk" {
        return Err(Error::CannotBeShared(resource.name.clone()));
    }
    if resource.disk.as_ref().is_none_or(|disk| disk.persistence.is_none()) {
        return Err(Error::SharedWithoutPersistence);
    }
    Ok(())
}

//! The effect of an operation on resources: some are consumed, and others replace them.

use messages::v1;
use messages::v1::offer::operation::Type;

use crate::{Error, Reservation, ReservationKind, Resource, Resources, Value};

/// One step of an operation. The consumed resources must be there as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The resources that disappear.
    pub consumed: Resources,
    /// The resources that appear in their place.
    pub converted: Resources,
}

impl Conversion {
    /// Returns the step that undoes this one.
    pub fn inverse(self) -> Conversion {
        Conversion { consumed: self.converted, converted: self.consumed }
    }

    /// Returns the same step without allocations, for agents, which know no allocation.
    pub fn unallocated(&self) -> Conversion {
        Conversion { consumed: self.consumed.unallocated(), converted: self.converted.unallocated() }
    }
}

/// Returns the resources that an operation consumes and produces, step by step. Operations that start something
/// (LAUNCH, LAUNCH_GROUP) have no conversion, and those of a resource provider (CREATE_DISK, DESTROY_DISK) have none
/// until the provider has reported the result.
///
/// # Errors
///
/// Returns the reason, in Mesos' words, if a resource in the operation is invalid or the operation cannot be applied to
/// it.
pub fn conversions(operation: &v1::offer::Operation) -> Result<Vec<Conversion>, Error> {
    match operation.r#type() {
        Type::Unknown => Err(Error::UnknownOperation),
        Type::Launch | Type::LaunchGroup | Type::CreateDisk | Type::DestroyDisk => Err(Error::UnsupportedOperation),
        Type::Reserve => reserve(operation.reserve.as_deref().ok_or(Error::UnknownOperation)?),
        Type::Unreserve => unreserve(operation.unreserve.as_deref().ok_or(Error::UnknownOperation)?),
        Type::Create => create(operation.create.as_deref().ok_or(Error::UnknownOperation)?),
        Type::Destroy => destroy(operation.destroy.as_deref().ok_or(Error::UnknownOperation)?),
        Type::GrowVolume => grow(operation.grow_volume.as_deref().ok_or(Error::UnknownOperation)?),
        Type::ShrinkVolume => shrink(operation.shrink_volume.as_deref().ok_or(Error::UnknownOperation)?),
    }
}

/// A reservation with `source` replaces any reservations; one without it adds one more level to those that are there.
fn reserve(reserve: &v1::offer::operation::Reserve) -> Result<Vec<Conversion>, Error> {
    let converted = Resources::from_proto(&reserve.resources)?;
    let consumed =
        if reserve.source.is_empty() { popped(&converted)? } else { Resources::from_proto(&reserve.source)? };
    Ok(vec![Conversion { consumed, converted }])
}

fn unreserve(unreserve: &v1::offer::operation::Unreserve) -> Result<Vec<Conversion>, Error> {
    each(&unreserve.resources, |reserved| {
        let consumed = Resources::from(reserved);
        Ok(Conversion { converted: popped(&consumed)?, consumed })
    })
}

fn create(create: &v1::offer::operation::Create) -> Result<Vec<Conversion>, Error> {
    each(&create.volumes, |volume| {
        Ok(Conversion { consumed: volume.without_persistence().into(), converted: volume.into() })
    })
}

fn destroy(destroy: &v1::offer::operation::Destroy) -> Result<Vec<Conversion>, Error> {
    each(&destroy.volumes, |volume| {
        Ok(Conversion { converted: volume.without_persistence().into(), consumed: volume.into() })
    })
}

fn grow(grow: &v1::offer::operation::GrowVolume) -> Result<Vec<Conversion>, Error> {
    let volume = own_volume(&grow.volume)?;
    let addition = Resource::from_proto(&grow.addition)?;
    let mut grown = volume.clone();
    grown.value.add(&addition.value);
    let consumed = [volume, addition].into_iter().collect();
    Ok(vec![Conversion { consumed, converted: grown.into() }])
}

fn shrink(shrink: &v1::offer::operation::ShrinkVolume) -> Result<Vec<Conversion>, Error> {
    let volume = own_volume(&shrink.volume)?;
    let freed = Value::Scalar(crate::Scalar::from_f64(shrink.subtract.value));
    let mut shrunk = volume.clone();
    shrunk.value.subtract(&freed);
    let freed = Resource { value: freed, ..volume.without_persistence() };
    Ok(vec![Conversion { consumed: volume.into(), converted: [shrunk, freed].into_iter().collect() }])
}

fn each(
    protos: &[v1::Resource],
    convert: impl Fn(Resource) -> Result<Conversion, Error>,
) -> Result<Vec<Conversion>, Error> {
    crate::validate_resources(protos)?;
    protos.iter().map(|proto| convert(Resource::from_proto(proto)?)).collect()
}

fn own_volume(volume: &v1::Resource) -> Result<Resource, Error> {
    let volume = Resource::from_proto(volume)?;
    if volume.provider_id().is_some() { Err(Error::UnsupportedForProvider) } else { Ok(volume) }
}

fn popped(reserved: &Resources) -> Result<Resources, Error> {
    match reserved.iter().find(|resource| resource.is_unreserved()) {
        Some(unreserved) => Err(Error::NotReserved(unreserved.to_string())),
        None => Ok(reserved.pop_reservation()),
    }
}

impl Resources {
    /// Returns the resources after one step.
    ///
    /// # Errors
    ///
    /// Returns an error if the consumed resources are not contained.
    pub fn apply(&self, conversion: &Conversion) -> Result<Resources, Error> {
        let Conversion { consumed, converted } = conversion;
        if !self.contains(consumed) {
            return Err(Error::NotContained { resources: self.to_string(), wanted: consumed.to_string() });
        }
        let mut result = self - consumed;
        // A shared volume ends only with its last copy.
        if let Some(copied) = consumed.iter().find(|own| own.is_shared() && !converted.contains_resource(own))
            && result.contains_resource(copied)
        {
            return Err(Error::StillShared(copied.to_string()));
        }
        result += converted;
        Ok(result)
    }

    /// Returns the resources after all steps, each applied to the result of the one before.
    ///
    /// # Errors
    ///
    /// Returns the error of the first step that cannot be applied; no step is applied then.
    pub fn apply_all(&self, conversions: &[Conversion]) -> Result<Resources, Error> {
        conversions.iter().try_fold(self.clone(), |resources, conversion| resources.apply(conversion))
    }

    /// Returns the resources that an agent has to persist beyond its flags: the results of operations on its own
    /// resources.
    pub fn checkpointed(&self) -> Resources {
        self.filter(Resource::needs_checkpoint)
    }

    /// Returns the resources of the agent's flags, with each checkpointed resource in the place of the resources it was
    /// made from.
    ///
    /// # Errors
    ///
    /// Returns an error if the flags no longer have the resources that a checkpointed one was made from.
    pub fn with_checkpointed(&self, checkpointed: &Resources) -> Result<Resources, Error> {
        checkpointed.iter().try_fold(self.clone(), |total, resource| {
            if !resource.needs_checkpoint() {
                return Err(Error::UnexpectedCheckpointed(resource.to_string()));
            }
            let plain = Resources::from(resource.before_operations());
            if !total.contains(&plain) {
                return Err(Error::Incompatible { resources: total.to_string(), wanted: plain.to_string() });
            }
            Ok(total - plain + resource.clone().into())
        })
    }
}

impl Resource {
    /// Returns whether an agent has to remember the resource beyond its flags: it belongs to the agent itself and is
    /// dynamically reserved or a persistent volume.
    pub fn needs_checkpoint(&self) -> bool {
        self.provider_id().is_none() && (self.is_dynamically_reserved() || self.is_persistent_volume())
    }

    /// Returns the disk that a persistent volume is made from, which is left when the volume is destroyed.
    pub fn without_persistence(&self) -> Resource {
        let mut disk = self.clone();
        disk.copies = 1;
        disk.change_details(|details| {
            details.shared = false;
            details.disk = details.disk.take().filter(|disk| disk.source.is_some()).map(|disk| crate::Disk {
                persistence: None,
                volume: None,
                ..disk
            });
        });
        disk
    }

    /// Returns the resource as the agent's flags can express it: unreserved or statically reserved, and no volume.
    fn before_operations(&self) -> Resource {
        let mut plain = self.without_persistence();
        let is_static = |reservation: &Reservation| reservation.kind == ReservationKind::Static;
        plain.change_details(|details| details.reservations.retain(is_static));
        plain
    }
}

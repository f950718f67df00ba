//! Conversion from either wire format into the algebra, and back into the format that a peer understands.
//!
//! Before reservation refinement a resource had `role` and `reservation`; since then it has the stack
//! `reservations`. Old agents and frameworks without RESERVATION_REFINEMENT know only the first.

use std::sync::Arc;

use ids::Role;
use messages::v1;
use messages::v1::resource::disk_info::source::{self as source_proto, Type as ProtoSource};
use messages::v1::resource::disk_info::{Persistence as ProtoPersistence, Source as SourceProto};
use messages::v1::resource::reservation_info::Type as ProtoReservation;
use messages::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo, RevocableInfo, SharedInfo};
use messages::v1::value;

use crate::disk::Root;
use crate::resource::DescriptorDetails;
use crate::{
    Disk, Error, Labels, Persistence, Range, Ranges, Reservation, ReservationKind, Resource, Resources, Scalar, Set,
    Source, SourceKind, Value, roles, validate_resource, validate_resources,
};

impl Resources {
    /// Validates each resource, normalises either format, and drops empty resources.
    ///
    /// # Errors
    ///
    /// The reason is Mesos', and names the first invalid resource.
    pub fn from_proto(resources: &[v1::Resource]) -> Result<Self, Error> {
        validate_resources(resources)?;
        // Consecutive resources of an agent tend to have the same reservation, and then share one descriptor.
        let mut last: Option<Arc<DescriptorDetails>> = None;
        let share = |resource: Result<Resource, Error>| {
            let mut resource = resource?;
            if resource.details.is_some() && resource.details == last {
                resource.details.clone_from(&last);
            }
            last.clone_from(&resource.details);
            Ok(resource)
        };
        resources.iter().map(convert).map(share).collect()
    }

    /// Returns the messages with the stack of reservations. A shared resource appears once, however many copies there
    /// are, as in Mesos.
    pub fn to_proto(&self) -> Vec<v1::Resource> {
        self.iter().map(Resource::to_proto).collect()
    }

    /// Returns the messages with `role` and `reservation` in place of the stack of reservations.
    ///
    /// # Errors
    ///
    /// [`Error::RefinedReservations`] if a resource has more than one reservation.
    pub fn to_proto_pre_refinement(&self) -> Result<Vec<v1::Resource>, Error> {
        self.iter().map(Resource::to_proto_pre_refinement).collect()
    }

    /// Returns the messages with both formats where both can express the reservation, as Mesos' endpoints show them.
    pub fn to_proto_endpoint(&self) -> Vec<v1::Resource> {
        self.iter().map(Resource::to_proto_endpoint).collect()
    }
}

impl Resource {
    /// Validates one resource and normalises either format.
    ///
    /// # Errors
    ///
    /// The reason is Mesos', without the resource's name.
    pub fn from_proto(resource: &v1::Resource) -> Result<Self, Error> {
        validate_resource(resource)?;
        convert(resource)
    }

    /// Returns the message with the stack of reservations.
    pub fn to_proto(&self) -> v1::Resource {
        let mut proto = v1::Resource {
            name: self.name.as_str().to_owned(),
            allocation_info: self.allocation.as_ref().map(|role| AllocationInfo { role: Some(text(role.as_str())) }),
            ..Default::default()
        };
        match &self.value {
            Value::Scalar(scalar) => {
                proto.r#type = value::Type::Scalar as i32;
                proto.scalar = Some(value::Scalar { value: scalar.as_f64() });
            }
            Value::Ranges(ranges) => {
                proto.r#type = value::Type::Ranges as i32;
                proto.ranges = Some(Box::new(ranges_to_proto(ranges)));
            }
            Value::Set(set) => {
                proto.r#type = value::Type::Set as i32;
                proto.set = Some(Box::new(value::Set { item: set.iter().map(str::to_owned).collect() }));
            }
        }
        if let Some(details) = &self.details {
            proto.reservations = details.reservations.iter().map(reservation_to_proto).collect();
            proto.disk = details.disk.as_ref().map(|disk| Box::new(disk_to_proto(disk)));
            proto.revocable = details.revocable.then_some(RevocableInfo {});
            proto.shared = details.shared.then_some(SharedInfo {});
            proto.provider_id = details.provider.as_deref().map(|id| v1::ResourceProviderId { value: id.to_owned() });
        }
        proto
    }

    /// Returns the message with `role` and `reservation` in place of the stack of reservations.
    ///
    /// # Errors
    ///
    /// [`Error::RefinedReservations`] for more than one reservation.
    pub fn to_proto_pre_refinement(&self) -> Result<v1::Resource, Error> {
        if self.has_refined_reservations() {
            return Err(Error::RefinedReservations);
        }
        let mut proto = self.to_proto_endpoint();
        proto.reservations.clear();
        Ok(proto)
    }

    /// Returns the message with both formats where both can express the reservation, as Mesos' endpoints show it.
    #[allow(deprecated, reason = "the old format is the point")]
    pub fn to_proto_endpoint(&self) -> v1::Resource {
        let mut proto = self.to_proto();
        match self.reservations() {
            [] => proto.role = Some(text(roles::ANY)),
            [only] => {
                proto.role = Some(text(only.role.as_str()));
                proto.reservation = (only.kind == ReservationKind::Dynamic)
                    .then(|| Box::new(ReservationInfo { role: None, r#type: None, ..reservation_to_proto(only) }));
            }
            _ => {}
        }
        proto
    }
}

/// Converts a valid resource.
fn convert(proto: &v1::Resource) -> Result<Resource, Error> {
    let details = DescriptorDetails {
        reservations: reservations(proto)?,
        disk: proto.disk.as_deref().map(disk).transpose()?,
        revocable: proto.revocable.is_some(),
        shared: proto.shared.is_some(),
        provider: proto.provider_id.as_ref().map(|id| Arc::from(id.value.as_str())),
    };
    let allocation = proto.allocation_info.as_ref().and_then(|info| info.role.as_deref()).map(Role::new);
    Ok(Resource {
        name: proto.name.as_str().into(),
        value: value(proto)?,
        allocation,
        details: (details != DescriptorDetails::default()).then(|| Arc::new(details)),
        copies: 1,
    })
}

fn value(proto: &v1::Resource) -> Result<Value, Error> {
    match (&proto.scalar, &proto.ranges, &proto.set) {
        (Some(scalar), _, _) => Ok(Value::Scalar(Scalar::from_f64(scalar.value))),
        (_, Some(ranges), _) => Ok(Value::Ranges(ranges_from_proto(ranges))),
        (_, _, Some(set)) => Ok(Value::Set(Set::new(&set.item))),
        _ => Err(Error::UnsupportedType),
    }
}

#[allow(deprecated, reason = "old agents and frameworks still send the old format")]
fn reservations(proto: &v1::Resource) -> Result<Vec<Reservation>, Error> {
    if !proto.reservations.is_empty() {
        return proto.reservations.iter().map(reservation).collect();
    }
    match (proto.role.as_deref(), proto.reservation.as_deref()) {
        (None | Some(roles::ANY), _) => Ok(Vec::new()),
        (Some(role), None) => Ok(vec![Reservation {
            kind: ReservationKind::Static,
            role: Role::new(role),
            principal: None,
            labels: None,
        }]),
        (Some(role), Some(info)) => Ok(vec![Reservation {
            kind: ReservationKind::Dynamic,
            role: Role::new(role),
            principal: info.principal.as_deref().map(Arc::from),
            labels: info.labels.as_deref().map(labels),
        }]),
    }
}

fn reservation(proto: &ReservationInfo) -> Result<Reservation, Error> {
    let kind = match proto.r#type() {
        ProtoReservation::Static => ReservationKind::Static,
        ProtoReservation::Dynamic => ReservationKind::Dynamic,
        ProtoReservation::Unknown => return Err(Error::UnsupportedReservationType),
    };
    Ok(Reservation {
        kind,
        role: Role::new(proto.role()),
        principal: proto.principal.as_deref().map(Arc::from),
        labels: proto.labels.as_deref().map(labels),
    })
}

impl Reservation {
    /// Reads one level of a reservation.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedReservationType`] for a type that this version does not know.
    pub fn from_proto(proto: &ReservationInfo) -> Result<Self, Error> {
        reservation(proto)
    }

    /// Returns the message of this level.
    pub fn to_proto(&self) -> ReservationInfo {
        reservation_to_proto(self)
    }
}

fn reservation_to_proto(reservation: &Reservation) -> ReservationInfo {
    let kind = match reservation.kind {
        ReservationKind::Static => ProtoReservation::Static,
        ReservationKind::Dynamic => ProtoReservation::Dynamic,
    };
    ReservationInfo {
        r#type: Some(kind as i32),
        role: Some(text(reservation.role.as_str())),
        principal: reservation.principal.as_deref().map(text),
        labels: reservation.labels.as_ref().map(|labels| Box::new(labels_to_proto(labels))),
    }
}

fn disk(proto: &DiskInfo) -> Result<Disk, Error> {
    Ok(Disk {
        source: proto.source.as_deref().map(source).transpose()?,
        persistence: proto.persistence.as_ref().map(|persistence| Persistence {
            id: Arc::from(persistence.id.as_str()),
            principal: persistence.principal.as_deref().map(Arc::from),
        }),
        volume: proto.volume.as_deref().map(|volume| Arc::new(volume.clone())),
    })
}

fn disk_to_proto(disk: &Disk) -> DiskInfo {
    DiskInfo {
        source: disk.source.as_ref().map(|source| Box::new(source_to_proto(source))),
        persistence: disk.persistence.as_ref().map(|persistence| ProtoPersistence {
            id: text(&persistence.id),
            principal: persistence.principal.as_deref().map(text),
        }),
        volume: disk.volume.as_deref().map(|volume| Box::new(volume.clone())),
    }
}

fn source(proto: &SourceProto) -> Result<Source, Error> {
    let kind = match proto.r#type() {
        ProtoSource::Path => SourceKind::Path,
        ProtoSource::Mount => SourceKind::Mount,
        ProtoSource::Block => SourceKind::Block,
        ProtoSource::Raw => SourceKind::Raw,
        ProtoSource::Unknown => return Err(Error::UnsupportedDiskSource("UNKNOWN".to_owned())),
    };
    let shared = |part: &Option<String>| part.as_deref().map(Arc::from);
    Ok(Source {
        kind,
        root: Root {
            path: proto.path.as_ref().map(|path| shared(&path.root)),
            mount: proto.mount.as_ref().map(|mount| shared(&mount.root)),
        },
        id: shared(&proto.id),
        profile: shared(&proto.profile),
        vendor: shared(&proto.vendor),
        metadata: proto.metadata.as_deref().map(labels),
    })
}

fn source_to_proto(source: &Source) -> SourceProto {
    let kind = match source.kind {
        SourceKind::Path => ProtoSource::Path,
        SourceKind::Mount => ProtoSource::Mount,
        SourceKind::Block => ProtoSource::Block,
        SourceKind::Raw => ProtoSource::Raw,
    };
    let owned = |part: &Option<Arc<str>>| part.as_deref().map(text);
    SourceProto {
        r#type: kind as i32,
        path: source.root.path.as_ref().map(|root| source_proto::Path { root: owned(root) }),
        mount: source.root.mount.as_ref().map(|root| source_proto::Mount { root: owned(root) }),
        id: owned(&source.id),
        metadata: source.metadata.as_ref().map(|labels| Box::new(labels_to_proto(labels))),
        profile: owned(&source.profile),
        vendor: owned(&source.vendor),
    }
}

pub(crate) fn labels(proto: &v1::Labels) -> Labels {
    Labels::new(proto.labels.iter().map(|label| (label.key.as_str().into(), label.value.as_deref().map(Into::into))))
}

fn labels_to_proto(labels: &Labels) -> v1::Labels {
    let labels = labels.iter().map(|(key, value)| v1::Label { key: text(key), value: value.map(text) }).collect();
    v1::Labels { labels }
}

pub(crate) fn ranges_from_proto(proto: &value::Ranges) -> Ranges {
    proto.range.iter().map(|range| Range { begin: range.begin, end: range.end }).collect()
}

pub(crate) fn ranges_to_proto(ranges: &Ranges) -> value::Ranges {
    value::Ranges { range: ranges.iter().map(|range| value::Range { begin: range.begin, end: range.end }).collect() }
}

fn text(text: &str) -> String {
    text.to_owned()
}

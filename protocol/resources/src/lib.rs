//! The algebra of resources: scalars, ranges, sets, roles, reservations, disks, shared, revocable.
//!
//! [`Resources`] is the value every core computes with: integers and shared descriptors, sorted, cheap to clone.
//! Protobuf appears only where it enters ([`Resources::from_proto`]) and leaves ([`Resources::to_proto`]).

mod algebra;
pub mod attributes;
mod conversion;
mod disk;
mod display;
mod error;
mod filters;
mod name;
pub mod operation;
mod parse;
mod proto;
mod quantities;
mod ranges;
mod reservation;
mod resource;
pub mod roles;
mod scalar;
mod set;
mod validate;
mod value;
mod value_parser;

pub use algebra::Resources;
pub use conversion::{Conversion, conversions};
pub use disk::{Disk, Persistence, Source, SourceKind};
pub use error::Error;
pub use name::Name;
pub use quantities::ResourceQuantities;
pub use ranges::{Range, Ranges};
pub use reservation::{Labels, Reservation, ReservationKind};
pub use resource::Resource;
pub use scalar::Scalar;
pub use set::Set;
pub use validate::{validate_resource, validate_resources};
pub use value::Value;

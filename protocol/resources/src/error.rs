//! The reasons for which resources are refused. The texts are Mesos': clients and scripts match on them.

use crate::roles::InvalidRole;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Error {
    /// Wraps the error of one resource in a list and names that resource.
    #[error("Resource '{resource}' is invalid: {reason}")]
    Invalid {
        resource: String,
        #[source]
        reason: Box<Error>,
    },
    /// A bound of Tepui on the cost of one message.
    #[error("More than {limit} resources")]
    TooMany { limit: usize },
    #[error("Empty resource name")]
    EmptyName,
    #[error("Invalid resource type")]
    InvalidType,
    #[error("Unsupported resource type")]
    UnsupportedType,
    #[error("Invalid scalar resource")]
    InvalidScalar,
    /// The amount is negative, not finite, or zero after rounding.
    #[error("Invalid scalar resource: value <= 0")]
    NotPositive,
    /// A bound of Tepui: sums of larger numbers could overflow.
    #[error("Invalid scalar resource: value > 1e12")]
    ScalarTooLarge,
    #[error("Invalid ranges resource")]
    InvalidRanges,
    #[error("Invalid ranges resource: begin > end")]
    InvertedRange,
    #[error("Invalid ranges resource: overlapping ranges")]
    OverlappingRanges,
    #[error("Invalid set resource")]
    InvalidSet,
    #[error("Invalid set resource: duplicated elements")]
    DuplicatedElements,
    #[error("DiskInfo should not be set for {0} resource")]
    DiskInfoOnOther(String),
    #[error("{part} should not be set for {kind} disk source")]
    DiskSourcePart { part: &'static str, kind: &'static str },
    #[error("Unsupported 'DiskInfo.Source.Type' in '{0}'")]
    UnsupportedDiskSource(String),
    #[error(transparent)]
    Role(#[from] InvalidRole),
    #[error("'Resource.ReservationInfo.{0}' must not be set for the 'Resource.reservation' field")]
    UnexpectedInReservation(&'static str),
    #[error("Invalid reservation: role \"*\" cannot be dynamically reserved")]
    AnyRoleDynamicallyReserved,
    #[error("Invalid reservation: 'Resource.ReservationInfo.{0}' field must be set.")]
    MissingInReservation(&'static str),
    #[error("Invalid reservation: role \"*\" cannot be reserved")]
    AnyRoleReserved,
    #[error("Invalid refined reservation: A refined reservation cannot be STATIC")]
    StaticRefinement,
    #[error("Invalid refined reservation: role '{role}' is not a refinement of '{ancestor}'")]
    NotARefinement { role: String, ancestor: String },
    #[error("Invalid resource format: {0}")]
    Format(String),
    #[error("Unsupported 'Resource.ReservationInfo.Type'")]
    UnsupportedReservationType,
    #[error("Resource {0} cannot be shared")]
    CannotBeShared(String),
    #[error("Only persistent volumes can be shared")]
    SharedWithoutPersistence,
    #[error("Cannot downgrade resources containing refined reservations")]
    RefinedReservations,
    #[error("Bad value for resources, missing or extra ':' in {0}")]
    Colon(String),
    #[error("Bad value for resources, mismatched parentheses in {0}")]
    Parentheses(String),
    #[error("Failed to parse resource {name} value {value} error {reason}")]
    Value { name: String, value: String, reason: String },
    #[error("Bad type for resource {name} value {value} type TEXT")]
    TextValue { name: String, value: String },
    #[error("Some JSON resources were not formatted properly: {0}")]
    Json(String),
    #[error("Persistent volumes cannot be specified at the command line")]
    PersistentVolumeAtCommandLine,
    #[error(
        "Revocable resources cannot be specified at the command line; do not include a 'revocable' key in the \
         resources JSON"
    )]
    RevocableAtCommandLine,
    #[error(
        "Dynamic reservations cannot be specified at the command line; do not include a reservation with DYNAMIC type \
         in the resources JSON"
    )]
    DynamicReservationAtCommandLine,
    #[error("Resources with the same name ('{0}') but different types are not allowed")]
    MixedTypes(String),
    #[error("Unknown operation")]
    UnknownOperation,
    #[error("Operation not supported")]
    UnsupportedOperation,
    #[error("Operation not supported for resource provider")]
    UnsupportedForProvider,
    /// Mesos ends the process in this case; its checks come before.
    #[error("Resource {0} is not reserved")]
    NotReserved(String),
    #[error("{resources} does not contain {wanted}")]
    NotContained { resources: String, wanted: String },
    #[error("Persistent volume {0} cannot be removed due to additional shared copies")]
    StillShared(String),
    #[error("Unexpected checkpointed resources {0}")]
    UnexpectedCheckpointed(String),
    #[error("Incompatible agent resources: {resources} does not contain {wanted}")]
    Incompatible { resources: String, wanted: String },
}

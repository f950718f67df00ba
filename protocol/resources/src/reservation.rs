//! One level of a reservation, and the labels that some parts of a resource carry.

use std::sync::Arc;

use ids::Role;

/// The origin of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReservationKind {
    /// Made by the agent's operator with `--resources`.
    Static,
    /// Made by a call of a framework or an operator, which another call can undo.
    Dynamic,
}

/// One level of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reservation {
    /// The origin of the reservation.
    pub kind: ReservationKind,
    /// The role that the resources are reserved for.
    pub role: Role,
    /// The principal who made it; `None` without authentication.
    pub principal: Option<Arc<str>>,
    /// Labels that its maker attached.
    pub labels: Option<Labels>,
}

/// Labels, sorted, since Mesos compares them without regard to their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

type Label = (Box<str>, Option<Box<str>>);

impl Labels {
    /// Creates labels from keys and values in any order.
    pub fn new(labels: impl IntoIterator<Item = (Box<str>, Option<Box<str>>)>) -> Self {
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.sort_unstable();
        Labels(labels.into())
    }

    /// Iterates over keys and values in sorted order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> + '_ {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_deref()))
    }
}

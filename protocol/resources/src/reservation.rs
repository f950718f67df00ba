//! One level of a reservation, and the labels that some parts of a resource carry.

use std::sync::Arc;

use ids::Role;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReservationKind {
    /// Made by the agent's operator with `--resources`.
    Static,
    /// Made by a framework or an operator's call; can be undone.
    Dynamic,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reservation {
    pub kind: ReservationKind,
    pub role: Role,
    pub principal: Option<Arc<str>>,
    pub labels: Option<Labels>,
}

/// Sorted, since Mesos compares labels without regard to order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

type Label = (Box<str>, Option<Box<str>>);

impl Labels {
    pub fn new(labels: impl IntoIterator<Item = (Box<str>, Option<Box<str>>)>) -> Self {
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.sort_unstable();
        Labels(labels.into())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> + '_ {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_deref()))
    }
}

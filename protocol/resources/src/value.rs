//! The amount of a resource: a scalar, ranges or a set.

use crate::{Ranges, Scalar, Set};

/// The amount of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A scalar.
    Scalar(Scalar),
    /// A set of integers.
    Ranges(Ranges),
    /// A set of texts.
    Set(Set),
}

impl Value {
    /// Returns whether the amount is empty.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::Scalar(scalar) => scalar.is_zero(),
            Value::Ranges(ranges) => ranges.is_empty(),
            Value::Set(set) => set.is_empty(),
        }
    }

    /// Returns the scalar; `None` for ranges and sets.
    pub fn as_scalar(&self) -> Option<Scalar> {
        match self {
            Value::Scalar(scalar) => Some(*scalar),
            _ => None,
        }
    }

    /// Returns the amount as a number: the count of integers in ranges, the count of items in a set.
    pub fn quantity(&self) -> Scalar {
        let whole = |n: u64| Scalar::from_thousandths(i64::try_from(n).unwrap_or(i64::MAX).saturating_mul(1000));
        match self {
            Value::Scalar(scalar) => *scalar,
            Value::Ranges(ranges) => whole(ranges.count()),
            Value::Set(set) => whole(set.len() as u64),
        }
    }

    pub(crate) fn kind(&self) -> u8 {
        match self {
            Value::Scalar(_) => 0,
            Value::Ranges(_) => 1,
            Value::Set(_) => 2,
        }
    }

    /// Returns whether `other` is contained; values of different kinds never are.
    pub fn contains(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Scalar(own), Value::Scalar(other)) => other <= own,
            (Value::Ranges(own), Value::Ranges(other)) => own.contains(other),
            (Value::Set(own), Value::Set(other)) => own.contains(other),
            _ => false,
        }
    }

    /// Adds a value of the same kind; another kind is ignored.
    pub(crate) fn add(&mut self, other: &Value) {
        match (self, other) {
            (Value::Scalar(own), Value::Scalar(other)) => *own = own.saturating_add(*other),
            (Value::Ranges(own), Value::Ranges(other)) => *own = own.union(other),
            (Value::Set(own), Value::Set(other)) => *own = own.union(other),
            _ => {}
        }
    }

    /// Adds all of the values. The time grows with what they contain and not with the square of it.
    pub(crate) fn add_all(&mut self, others: &[Value]) {
        match (&mut *self, others) {
            (_, []) => {}
            (_, [only]) => self.add(only),
            (Value::Scalar(_), _) => others.iter().for_each(|other| self.add(other)),
            (Value::Ranges(own), _) => {
                let added = others.iter().flat_map(|other| match other {
                    Value::Ranges(ranges) => ranges.as_slice(),
                    _ => &[],
                });
                *own = Ranges::new(own.as_slice().iter().chain(added).copied());
            }
            (Value::Set(own), _) => {
                let sets = others.iter().filter_map(|other| match other {
                    Value::Set(set) => Some(set),
                    _ => None,
                });
                *own = own.union_all(sets);
            }
        }
    }

    /// Subtracts as far as possible: a scalar does not become negative.
    pub(crate) fn subtract(&mut self, other: &Value) {
        match (self, other) {
            (Value::Scalar(own), Value::Scalar(other)) => *own = own.saturating_sub(*other).max(Scalar::ZERO),
            (Value::Ranges(own), Value::Ranges(other)) => *own = own.difference(other),
            (Value::Set(own), Value::Set(other)) => *own = own.difference(other),
            _ => {}
        }
    }
}

//! Which values of a type make sense for a flag.

use std::fmt;
use std::time::Duration;

use model::format_duration;

use crate::value::format_bytes;

/// The values that a flag accepts among those of its type. Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// Every value of the type.
    Any,
    /// A text or list that is not empty.
    NotEmpty,
    /// A whole number.
    Integer {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A size in bytes.
    Bytes {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A number.
    Float {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// A time.
    Duration {
        /// The least value.
        min: Duration,
        /// The greatest value.
        max: Duration,
    },
}

/// What bounds compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// The value has no order (a switch, an address, a name of several).
    Unordered,
    /// The length of a text or list.
    Length(usize),
    /// A whole number.
    Integer(u64),
    /// Bytes.
    Bytes(u64),
    /// A number.
    Float(f64),
    /// A time.
    Duration(Duration),
}

impl Bounds {
    /// The longest time that Mesos' notation can express: 63 bits of nanoseconds.
    pub const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

    /// Times of `min` and more.
    pub const fn lasts(min: Duration) -> Self {
        Bounds::Duration { min, max: Self::LONGEST }
    }

    /// Times of `min` to `max`.
    pub const fn lasts_between(min: Duration, max: Duration) -> Self {
        Bounds::Duration { min, max }
    }

    /// Whole numbers of `min` and more.
    pub const fn at_least(min: u64) -> Self {
        Bounds::Integer { min, max: u64::MAX }
    }

    /// Whole numbers of `min` to `max`.
    pub const fn between(min: u64, max: u64) -> Self {
        Bounds::Integer { min, max }
    }

    /// Whether a value of this size is accepted. Bounds of another type accept everything: the tests of the tables rule
    /// that out.
    pub fn contain(&self, size: Size) -> bool {
        match (*self, size) {
            (Bounds::NotEmpty, Size::Length(length)) => length > 0,
            (Bounds::Integer { min, max }, Size::Integer(value)) => (min..=max).contains(&value),
            (Bounds::Bytes { min, max }, Size::Bytes(value)) => (min..=max).contains(&value),
            (Bounds::Float { min, max }, Size::Float(value)) => (min..=max).contains(&value),
            (Bounds::Duration { min, max }, Size::Duration(value)) => (min..=max).contains(&value),
            _ => true,
        }
    }

    /// Whether they say more than the type of the value.
    pub fn is_narrow(&self) -> bool {
        match *self {
            Bounds::Any | Bounds::NotEmpty => false,
            Bounds::Integer { min, max } | Bounds::Bytes { min, max } => min > 0 || max < u64::MAX,
            Bounds::Float { min, max } => min > f64::MIN || max < f64::MAX,
            Bounds::Duration { min, max } => !min.is_zero() || max < Self::LONGEST,
        }
    }
}

impl fmt::Display for Bounds {
    /// As in "expected …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Bounds::Any => f.write_str("any value"),
            Bounds::NotEmpty => f.write_str("a value that is not empty"),
            Bounds::Integer { min, max: u64::MAX } => write!(f, "at least {min}"),
            Bounds::Integer { min, max } => write!(f, "{min} to {max}"),
            Bounds::Bytes { min, max: u64::MAX } => write!(f, "at least {}", format_bytes(min)),
            Bounds::Bytes { min, max } => write!(f, "{} to {}", format_bytes(min), format_bytes(max)),
            Bounds::Float { min, max } => write!(f, "{min} to {max}"),
            Bounds::Duration { min, max: Self::LONGEST } => write!(f, "at least {}", format_duration(min)),
            Bounds::Duration { min, max } => write!(f, "{} to {}", format_duration(min), format_duration(max)),
        }
    }
}

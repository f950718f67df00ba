//! The bounds of a flag's value within its type.

use std::fmt;
use std::time::Duration;

use model::{format_bytes, format_duration};

/// The values that a flag accepts among those of its type. Both ends are included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// Every value of the type.
    Any,
    /// A text or list with at least one element.
    NotEmpty,
    /// A whole number.
    Integer {
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// A size in bytes.
    Bytes {
        /// The minimum in bytes.
        min: u64,
        /// The maximum in bytes.
        max: u64,
    },
    /// A number.
    Float {
        /// The minimum.
        min: f64,
        /// The maximum.
        max: f64,
    },
    /// A time.
    Duration {
        /// The minimum.
        min: Duration,
        /// The maximum.
        max: Duration,
    },
}

/// The property of a value that bounds compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// The value has no order (a switch, an address, a choice).
    Unordered,
    /// The length of a text, or the number of elements of a list.
    Length(usize),
    /// A whole number.
    Integer(u64),
    /// A number of bytes.
    Bytes(u64),
    /// A number.
    Float(f64),
    /// A time.
    Duration(Duration),
}

impl Bounds {
    /// The longest time that Mesos' notation can express: 63 bits of nanoseconds.
    pub const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

    /// Returns bounds for times of at least `min`.
    pub const fn lasts(min: Duration) -> Self {
        Bounds::Duration { min, max: Self::LONGEST }
    }

    /// Returns bounds for times from `min` to `max`.
    pub const fn lasts_between(min: Duration, max: Duration) -> Self {
        Bounds::Duration { min, max }
    }

    /// Returns bounds for whole numbers of at least `min`.
    pub const fn at_least(min: u64) -> Self {
        Bounds::Integer { min, max: u64::MAX }
    }

    /// Returns bounds for whole numbers from `min` to `max`.
    pub const fn between(min: u64, max: u64) -> Self {
        Bounds::Integer { min, max }
    }

    /// Returns whether a value of this size is accepted. Bounds of another type accept everything; the tests of the
    /// tables exclude that case.
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

    /// Returns whether the bounds restrict the type of the value.
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
    /// Writes the text that follows "expected".
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

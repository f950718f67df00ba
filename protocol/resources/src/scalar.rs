//! Amounts in thousandths. Mesos keeps three decimals of every scalar and computes on
//! integers, so that frameworks see 0.1 + 0.2 = 0.3; here the integer is all there is.

use std::fmt;

/// An amount in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scalar(i64);

impl Scalar {
    /// Nothing.
    pub const ZERO: Scalar = Scalar(0);

    /// The largest amount accepted from outside: sums of thousands of them still fit.
    pub const MAX_INPUT: f64 = 1e12;

    /// An amount from its thousandths.
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Scalar(thousandths)
    }

    /// Rounds half away from zero, as Mesos (`llround`). Out of range saturates; not-a-number is zero: callers
    /// refuse both before.
    pub fn from_f64(value: f64) -> Self {
        Scalar((value * 1000.0).round() as i64)
    }

    /// Returns the thousandths.
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// Whole and fraction apart, so that only numbers below 1000 are divided and the result prints as it was given.
    pub fn as_f64(self) -> f64 {
        (self.0 / 1000) as f64 + (self.0 % 1000) as f64 / 1000.0
    }

    /// Returns whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Adds, and stays at the largest amount when the sum is larger.
    pub fn saturating_add(self, other: Scalar) -> Scalar {
        Scalar(self.0.saturating_add(other.0))
    }

    /// Subtracts; the result may be negative, and stays at the smallest amount when it is smaller.
    pub fn saturating_sub(self, other: Scalar) -> Scalar {
        Scalar(self.0.saturating_sub(other.0))
    }
}

/// Exact, without trailing zeros: `2`, `0.1`, `1024.125`.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        match fraction {
            0 => Ok(()),
            n if n % 100 == 0 => write!(f, ".{}", n / 100),
            n if n % 10 == 0 => write!(f, ".{:02}", n / 10),
            n => write!(f, ".{n:03}"),
        }
    }
}

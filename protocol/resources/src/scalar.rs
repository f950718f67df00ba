//! Amounts in thousandths. Mesos keeps three decimals of every scalar and computes with integers, so that frameworks
//! see 0.1 + 0.2 = 0.3. Here the amount is that integer.

use std::fmt;

/// An amount in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scalar(i64);

impl Scalar {
    /// The amount of zero.
    pub const ZERO: Scalar = Scalar(0);

    /// The largest amount that is accepted from outside. Sums of thousands of such amounts still fit.
    pub const MAX_INPUT: f64 = 1e12;

    /// Creates an amount from its thousandths.
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Scalar(thousandths)
    }

    /// Converts a number. It is rounded half away from zero, as in Mesos (`llround`). A number out of range becomes the
    /// nearest amount, and NaN becomes zero; callers refuse both before.
    pub fn from_f64(value: f64) -> Self {
        Scalar((value * 1000.0).round() as i64)
    }

    /// Returns the thousandths.
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// Returns the amount as a number. Whole and fraction are converted apart, so that only numbers below 1000 are
    /// divided and the result prints as it was given.
    pub fn as_f64(self) -> f64 {
        (self.0 / 1000) as f64 + (self.0 % 1000) as f64 / 1000.0
    }

    /// Returns whether the amount is zero.
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

/// Prints the exact amount without trailing zeros: `2`, `0.1`, `1024.125`.
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

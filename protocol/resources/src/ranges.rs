//! Sets of integers, such as ports, as sorted ranges that neither overlap nor touch.

use std::fmt;
use std::sync::Arc;

/// A range that includes both ends; the end is not below the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The first integer inside.
    pub begin: u64,
    /// The last integer inside.
    pub end: u64,
}

/// A set of integers. A clone shares its memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranges(Arc<[Range]>);

impl Ranges {
    /// Creates a set from ranges in any order. Ranges that overlap or touch are merged, and inverted ranges are
    /// dropped.
    pub fn new(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut given: Vec<Range> = ranges.into_iter().filter(|range| range.begin <= range.end).collect();
        given.sort_unstable();
        let mut merged: Vec<Range> = Vec::with_capacity(given.len());
        for range in given {
            match merged.last_mut() {
                Some(last) if range.begin <= last.end.saturating_add(1) => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Ranges(merged.into())
    }

    /// Returns the ranges in ascending order.
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }

    /// Iterates over the ranges in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Range> + '_ {
        self.0.iter().copied()
    }

    /// Returns whether no integer is inside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of integers, or `u64::MAX` if there are more.
    pub fn count(&self) -> u64 {
        self.iter().fold(0u64, |sum, range| sum.saturating_add((range.end - range.begin).saturating_add(1)))
    }

    /// Returns whether an integer is inside.
    pub fn contains_value(&self, value: u64) -> bool {
        let after = self.0.partition_point(|range| range.begin <= value);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|range| value <= range.end)
    }

    /// Returns whether all integers of `other` are inside.
    pub fn contains(&self, other: &Ranges) -> bool {
        let mut own = self.iter().peekable();
        other.iter().all(|wanted| {
            while own.next_if(|range| range.end < wanted.begin).is_some() {}
            own.peek().is_some_and(|range| range.begin <= wanted.begin && wanted.end <= range.end)
        })
    }

    /// Returns the integers that are in either.
    pub fn union(&self, other: &Ranges) -> Ranges {
        // Agents tend to have the same ports.
        if self.contains(other) {
            return self.clone();
        }
        Ranges::new(self.iter().chain(other.iter()))
    }

    /// Returns the integers that are not in `other`.
    pub fn difference(&self, other: &Ranges) -> Ranges {
        let mut left = Vec::with_capacity(self.0.len() + other.0.len());
        let mut cuts = other.iter().peekable();
        for range in self.iter() {
            let mut rest = Some(range);
            while let Some(current) = rest {
                while cuts.next_if(|cut| cut.end < current.begin).is_some() {}
                rest = match cuts.peek().filter(|cut| cut.begin <= current.end) {
                    None => {
                        left.push(current);
                        None
                    }
                    Some(cut) => {
                        if cut.begin > current.begin {
                            left.push(Range { begin: current.begin, end: cut.begin - 1 });
                        }
                        (cut.end < current.end).then(|| Range { begin: cut.end + 1, end: current.end })
                    }
                };
            }
        }
        Ranges(left.into())
    }
}

impl Default for Ranges {
    fn default() -> Self {
        Ranges(Arc::from([]))
    }
}

impl FromIterator<Range> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        Ranges::new(ranges)
    }
}

/// Prints the ranges as Mesos does: `[31000-32000, 33000-33000]`.
impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, range) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{}-{}", range.begin, range.end)?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

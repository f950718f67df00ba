//! Amounts by name and nothing else: shares, quotas and minimums are computed with them.

use std::fmt;

use crate::{Name, Scalar};

/// Amounts by name, sorted by name, without zeros.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct ResourceQuantities(Vec<(Name, Scalar)>);

impl ResourceQuantities {
    /// Creates an empty collection.
    pub fn new() -> Self {
        ResourceQuantities::default()
    }

    /// Returns whether all amounts are zero.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of names with an amount.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Iterates over the amounts in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Scalar)> + '_ {
        self.0.iter().map(|(name, amount)| (name, *amount))
    }

    /// Returns the amount of a name; zero if it is absent.
    pub fn get(&self, name: &Name) -> Scalar {
        self.position(name).map_or(Scalar::ZERO, |i| self.0[i].1)
    }

    fn position(&self, name: &Name) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.cmp(name))
    }

    /// Adds to the amount of a name.
    pub fn add(&mut self, name: &Name, amount: Scalar) {
        self.update(name, |own| own.saturating_add(amount));
    }

    /// Subtracts from the amount of a name, which does not become negative.
    pub fn subtract(&mut self, name: &Name, amount: Scalar) {
        self.update(name, |own| own.saturating_sub(amount).max(Scalar::ZERO));
    }

    fn update(&mut self, name: &Name, change: impl FnOnce(Scalar) -> Scalar) {
        match self.position(name) {
            Ok(i) => {
                self.0[i].1 = change(self.0[i].1);
                if self.0[i].1.is_zero() {
                    self.0.remove(i);
                }
            }
            Err(i) => {
                let amount = change(Scalar::ZERO);
                if !amount.is_zero() {
                    self.0.insert(i, (name.clone(), amount));
                }
            }
        }
    }

    /// Returns whether there is at least as much of every name as in `other`.
    pub fn contains(&self, other: &ResourceQuantities) -> bool {
        other.iter().all(|(name, amount)| self.get(name) >= amount)
    }

    /// Returns the largest fraction of `total` among the names that `counted` accepts. A name that `total` does not
    /// have is not counted.
    pub fn max_share(&self, total: &ResourceQuantities, counted: impl Fn(&Name) -> bool) -> f64 {
        total
            .iter()
            .filter(|(name, amount)| counted(name) && *amount > Scalar::ZERO)
            .map(|(name, amount)| self.get(name).thousandths() as f64 / amount.thousandths() as f64)
            .fold(0.0, f64::max)
    }
}

impl std::ops::AddAssign<&ResourceQuantities> for ResourceQuantities {
    fn add_assign(&mut self, other: &ResourceQuantities) {
        other.iter().for_each(|(name, amount)| self.add(name, amount));
    }
}

impl std::ops::SubAssign<&ResourceQuantities> for ResourceQuantities {
    fn sub_assign(&mut self, other: &ResourceQuantities) {
        other.iter().for_each(|(name, amount)| self.subtract(name, amount));
    }
}

impl FromIterator<(Name, Scalar)> for ResourceQuantities {
    fn from_iter<I: IntoIterator<Item = (Name, Scalar)>>(amounts: I) -> Self {
        let mut quantities = ResourceQuantities::new();
        amounts.into_iter().for_each(|(name, amount)| quantities.add(&name, amount));
        quantities
    }
}

/// Prints the amounts as Mesos does, in alphabetical order: `cpus:1; disk:64; mem:32`.
impl fmt::Display for ResourceQuantities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("{}");
        }
        let mut sorted: Vec<(&Name, Scalar)> = self.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| name.as_str());
        for (i, (name, amount)) in sorted.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{name}:{amount}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ResourceQuantities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

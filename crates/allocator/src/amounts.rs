//! Scalar amounts by position: names are numbered once, so that a share is a walk over two short arrays.

use std::collections::BTreeSet;

use resources::{Name, Quantities, Resources, Scalar};
use smallvec::SmallVec;

/// The amounts of the names of one [`Cluster`], by their number; missing at the end means zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Amounts(SmallVec<[i64; 4]>);

impl Amounts {
    pub fn add(&mut self, other: &Amounts) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = own.saturating_add(*other));
    }

    pub fn subtract(&mut self, other: &Amounts) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = own.saturating_sub(*other).max(0));
    }
}

/// Everything there is, against which shares are measured.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    names: Vec<Name>,
    /// Whether the name at the same position counts for fairness.
    counted: Vec<bool>,
    excluded: BTreeSet<Name>,
    total: Amounts,
    /// Changes whenever `total` does; shares computed at another version are stale.
    version: u64,
}

impl Cluster {
    pub fn new(excluded: BTreeSet<Name>) -> Self {
        Cluster { excluded, version: 1, ..Cluster::default() }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn grow(&mut self, amounts: &Amounts) {
        self.total.add(amounts);
        self.version += 1;
    }

    pub fn shrink(&mut self, amounts: &Amounts) {
        self.total.subtract(amounts);
        self.version += 1;
    }

    /// The scalar amounts of `resources`; a shared resource counts once.
    pub fn amounts(&mut self, resources: &Resources) -> Amounts {
        let mut amounts = Amounts::default();
        for resource in resources {
            let Some(scalar) = resource.value().as_scalar() else { continue };
            let position = self.position(resource.name());
            if amounts.0.len() <= position {
                amounts.0.resize(position + 1, 0);
            }
            if let Some(amount) = amounts.0.get_mut(position) {
                *amount = amount.saturating_add(scalar.thousandths());
            }
        }
        amounts
    }

    fn position(&mut self, name: &Name) -> usize {
        // A handful of names: a walk beats a map.
        self.names.iter().position(|own| own == name).unwrap_or_else(|| {
            self.names.push(name.clone());
            self.counted.push(!self.excluded.contains(name));
            self.names.len() - 1
        })
    }

    pub fn quantities(&self, amounts: &Amounts) -> Quantities {
        self.names.iter().cloned().zip(amounts.0.iter().map(|amount| Scalar::from_thousandths(*amount))).collect()
    }

    /// The largest fraction of the cluster that `amounts` holds of any counted resource.
    pub fn dominant_share(&self, amounts: &Amounts) -> f64 {
        amounts
            .0
            .iter()
            .zip(&self.total.0)
            .zip(&self.counted)
            .filter(|((_, total), counted)| **counted && **total > 0)
            .map(|((amount, total), _)| *amount as f64 / *total as f64)
            .fold(0.0, f64::max)
    }
}

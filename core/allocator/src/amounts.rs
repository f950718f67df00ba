//! Scalar amounts in compact form: every resource name has a number, and amounts are arrays over these numbers.

use std::collections::BTreeSet;

use model::Role;
use resources::{Name, Resource, ResourceQuantities, Resources, Scalar};
use smallvec::SmallVec;

use crate::ResourceLimits;

/// Amounts in thousandths by the number of the name in one [`Cluster`]. Missing entries at the end are zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Amounts(SmallVec<[i64; 4]>);

impl Amounts {
    pub fn add(&mut self, other: &Amounts) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = own.saturating_add(*other));
    }

    fn add_at(&mut self, position: usize, more: i64) {
        if self.0.len() <= position {
            self.0.resize(position + 1, 0);
        }
        if let Some(amount) = self.0.get_mut(position) {
            *amount = amount.saturating_add(more);
        }
    }

    pub fn subtract(&mut self, other: &Amounts) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = own.saturating_sub(*other).max(0));
    }

    pub fn get(&self, position: usize) -> i64 {
        self.0.get(position).copied().unwrap_or(0)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|amount| *amount == 0)
    }

    /// Returns by how much these amounts exceed `other`, name by name.
    pub fn lacking(&self, other: &Amounts) -> Amounts {
        let lack = |(position, amount): (usize, &i64)| amount.saturating_sub(other.get(position)).max(0);
        Amounts(self.0.iter().enumerate().map(lack).collect())
    }

    /// Lowers each amount to that of `other`.
    pub fn lower_to(&mut self, other: &Amounts) {
        self.0.iter_mut().enumerate().for_each(|(position, own)| *own = (*own).min(other.get(position)));
    }

    /// Returns the sum over all names of the fraction of `whole`.
    pub fn part_of(&self, whole: &Amounts) -> f64 {
        let parts = self.0.iter().zip(&whole.0).filter(|(_, whole)| **whole > 0);
        parts.map(|(own, whole)| *own as f64 / *whole as f64).sum()
    }

    pub fn sum(&self) -> i64 {
        self.0.iter().fold(0, |sum, amount| sum.saturating_add(*amount))
    }

    /// Raises each amount to that of `other`.
    pub fn raise_to(&mut self, other: &Amounts) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = (*own).max(*other));
    }
}

impl FromIterator<i64> for Amounts {
    fn from_iter<I: IntoIterator<Item = i64>>(amounts: I) -> Self {
        Amounts(amounts.into_iter().collect())
    }
}

/// Upper bounds in thousandths by the number of the name. Missing entries at the end, and `i64::MAX`, mean no bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AmountLimits(SmallVec<[i64; 4]>);

impl AmountLimits {
    pub const UNLIMITED: i64 = i64::MAX;

    pub fn is_unlimited(&self) -> bool {
        self.0.iter().all(|cap| *cap == AmountLimits::UNLIMITED)
    }

    pub fn get(&self, position: usize) -> i64 {
        self.0.get(position).copied().unwrap_or(AmountLimits::UNLIMITED)
    }

    pub fn set(&mut self, position: usize, cap: i64) {
        if self.0.len() <= position {
            self.0.resize(position + 1, AmountLimits::UNLIMITED);
        }
        if let Some(own) = self.0.get_mut(position) {
            *own = cap;
        }
    }

    /// Returns what the limits allow beyond `used`.
    pub fn less(&self, used: &Amounts) -> AmountLimits {
        let rest = |(position, cap): (usize, &i64)| match *cap {
            AmountLimits::UNLIMITED => AmountLimits::UNLIMITED,
            cap => cap.saturating_sub(used.get(position)).max(0),
        };
        AmountLimits(self.0.iter().enumerate().map(rest).collect())
    }

    pub fn cut(&self, amounts: &mut Amounts) {
        amounts.0.iter_mut().zip(&self.0).for_each(|(amount, cap)| *amount = (*amount).min(*cap));
    }

    /// Subtracts an amount from a limit as far as the limit allows, and returns how much that is. An indivisible
    /// amount is taken as a whole or not at all.
    pub fn take(&mut self, position: usize, amount: i64, indivisible: bool) -> i64 {
        let Some(cap) = self.0.get_mut(position).filter(|cap| **cap != AmountLimits::UNLIMITED) else { return amount };
        let taken = if indivisible && amount > *cap { 0 } else { amount.min(*cap) };
        *cap -= taken;
        taken
    }

    /// Lowers each limit to that of `other`.
    pub fn tighten(&mut self, other: &AmountLimits) {
        for (position, cap) in other.0.iter().enumerate().filter(|(_, cap)| **cap != AmountLimits::UNLIMITED) {
            self.set(position, self.get(position).min(*cap));
        }
    }

    /// Raises each limit to `amounts`.
    pub fn raise_to(&mut self, amounts: &Amounts) {
        self.0.iter_mut().zip(&amounts.0).for_each(|(cap, amount)| *cap = (*cap).max(*amount));
    }
}

/// The total resources of the cluster, against which shares are computed, and the numbers of resource names.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    names: Vec<Name>,
    /// Whether the name at the same position counts for fair sharing.
    counted: Vec<bool>,
    excluded: BTreeSet<Name>,
    total: Amounts,
    /// A number that changes with `total`; shares that were computed at another version are stale.
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

    /// Returns the scalar amounts of `resources`; a shared resource counts once.
    pub fn amounts(&mut self, resources: &Resources) -> Amounts {
        let mut amounts = Amounts::default();
        for resource in resources {
            let Some(scalar) = resource.value().as_scalar() else { continue };
            amounts.add_at(self.position(resource.name()), scalar.thousandths());
        }
        amounts
    }

    /// Returns the amounts that count for quota: scalars that are neither reserved nor revocable, of known names.
    pub fn quota_amounts(&self, resources: &Resources) -> Amounts {
        let mut amounts = Amounts::default();
        for resource in resources.iter().filter(|resource| counts_for_quota(resource)) {
            if let Some(position) = self.find(resource.name()) {
                amounts.add_at(position, scalar(resource));
            }
        }
        amounts
    }

    /// Returns the amounts of scalars by the role that they are reserved for, including revocable ones, as in Mesos.
    pub fn reserved(&mut self, resources: &Resources) -> Vec<(Role, Amounts)> {
        let mut reserved: Vec<(Role, Amounts)> = Vec::new();
        for resource in resources.iter().filter(|resource| resource.value().as_scalar().is_some()) {
            let Some(role) = resource.reservation_role() else { continue };
            let position = self.position(resource.name());
            if reserved.iter().all(|(own, _)| own != role) {
                reserved.push((role.clone(), Amounts::default()));
            }
            if let Some((_, amounts)) = reserved.iter_mut().find(|(own, _)| own == role) {
                amounts.add_at(position, scalar(resource));
            }
        }
        reserved
    }

    pub fn of_quantities(&mut self, quantities: &ResourceQuantities) -> Amounts {
        let mut amounts = Amounts::default();
        for (name, amount) in quantities.iter() {
            amounts.add_at(self.position(name), amount.thousandths());
        }
        amounts
    }

    pub fn amount_limits(&mut self, limits: &ResourceLimits) -> AmountLimits {
        let mut caps = AmountLimits::default();
        for (name, limit) in limits.iter() {
            caps.set(self.position(name), limit.thousandths());
        }
        caps
    }

    /// Returns the part of `resources` that reaches `amounts`, or all of a name if there is less. Indivisible
    /// resources are taken as a whole.
    pub fn at_most(&self, resources: &Resources, amounts: &Amounts) -> Resources {
        let mut rest = amounts.clone();
        let mut part = |resource: &Resource| {
            let position = self.find(resource.name()).filter(|position| rest.get(*position) > 0)?;
            let amount = scalar(resource).min(rest.get(position));
            rest.add_at(position, -amount);
            if resource.is_exclusive() {
                Some(resource.clone())
            } else {
                Some(resource.with_scalar(Scalar::from_thousandths(amount)))
            }
        };
        resources.iter().filter_map(&mut part).collect()
    }

    /// Returns the number of a name; `None` for an unknown name.
    pub fn find(&self, name: &Name) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }

    fn position(&mut self, name: &Name) -> usize {
        // There are few names: a linear search is faster than a map.
        self.names.iter().position(|own| own == name).unwrap_or_else(|| {
            self.names.push(name.clone());
            self.counted.push(!self.excluded.contains(name));
            self.names.len() - 1
        })
    }

    pub fn quantities(&self, amounts: &Amounts) -> ResourceQuantities {
        self.names.iter().cloned().zip(amounts.0.iter().map(|amount| Scalar::from_thousandths(*amount))).collect()
    }

    /// Returns the dominant share: the largest fraction that `amounts` are of the cluster, over all names that count.
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

/// Returns whether a resource counts for quota when it is allocated. Reserved resources count when they are reserved;
/// revocable resources and those that are no scalars do not count.
pub(crate) fn counts_for_quota(resource: &Resource) -> bool {
    resource.value().as_scalar().is_some() && resource.is_unreserved() && !resource.is_revocable()
}

fn scalar(resource: &Resource) -> i64 {
    resource.value().as_scalar().unwrap_or_default().thousandths()
}

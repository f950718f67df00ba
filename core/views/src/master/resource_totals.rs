//! Sums of resources over all agents, kept as agents, tasks and offers change.

use std::collections::BTreeMap;

use model::Role;
use resources::{Name, Resource, ResourceQuantities, Resources, Scalar};

/// Scalar amounts of all agents together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResourceTotals {
    /// The total resources of all agents.
    pub total: Amounts,
    /// The resources that are in use or offered.
    pub held: Amounts,
    /// The quantities that are reserved for exactly each role, without the roles below it.
    pub reserved: BTreeMap<Role, Reserved>,
}

/// Quantities of one role by name: thousandths of scalars, and the numbers of items of other resources. None is zero.
pub(crate) type Reserved = BTreeMap<Name, i128>;

impl ResourceTotals {
    /// Adds the total of an agent.
    pub fn add_total(&mut self, total: &Resources) {
        self.total.add(total);
        self.change_reserved(total, 1);
    }

    /// Subtracts the total of an agent.
    pub fn subtract_total(&mut self, total: &Resources) {
        self.total.subtract(total);
        self.change_reserved(total, -1);
    }

    fn change_reserved(&mut self, total: &Resources, sign: i128) {
        for resource in total.iter() {
            let Some(role) = resource.reservation_role() else { continue };
            let reserved = match self.reserved.get_mut(role) {
                Some(reserved) => reserved,
                None => self.reserved.entry(role.clone()).or_default(),
            };
            let sum = reserved.entry(resource.name().clone()).or_default();
            *sum += sign * i128::from(resource.value().quantity().thousandths());
            if *sum == 0 {
                reserved.remove(resource.name());
            }
            if reserved.is_empty() {
                self.reserved.remove(role);
            }
        }
    }
}

/// Amounts in thousandths by name. None is zero. The type is wide enough for every sum, so that each amount that was
/// added can be subtracted again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Amounts(BTreeMap<Name, i128>);

impl Amounts {
    pub fn add<'a>(&mut self, resources: impl IntoIterator<Item = &'a Resource>) {
        self.change(resources, 1);
    }

    pub fn subtract<'a>(&mut self, resources: impl IntoIterator<Item = &'a Resource>) {
        self.change(resources, -1);
    }

    fn change<'a>(&mut self, resources: impl IntoIterator<Item = &'a Resource>, sign: i128) {
        for resource in resources {
            let Some(amount) = resource.value().as_scalar().map(|amount| sign * i128::from(amount.thousandths()))
            else {
                continue;
            };
            match self.0.get_mut(resource.name()) {
                Some(sum) if *sum + amount == 0 => drop(self.0.remove(resource.name())),
                Some(sum) => *sum += amount,
                None if amount == 0 => {}
                None => drop(self.0.insert(resource.name().clone(), amount)),
            }
        }
    }

    /// Returns the names whose amount is not zero.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    pub fn get(&self, name: &Name) -> Scalar {
        self.0.get(name).copied().map_or(Scalar::ZERO, scalar)
    }

    pub fn quantities(&self) -> ResourceQuantities {
        self.0.iter().map(|(name, amount)| (name.clone(), scalar(*amount))).collect()
    }
}

/// Converts thousandths to an amount; those that are too large become the largest.
pub(crate) fn scalar(thousandths: i128) -> Scalar {
    Scalar::from_thousandths(i64::try_from(thousandths).unwrap_or(i64::MAX))
}

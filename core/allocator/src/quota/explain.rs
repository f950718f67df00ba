//! The reasons for which quota withholds resources from a role.

use model::Role;
use resources::{Name, ResourceQuantities, Resources, Scalar};

use super::{Account, Ledger};
use crate::agent_visit::shrink_to;
use crate::allocator::Allocator;
use crate::amounts::{Amounts, counts_for_quota};
use crate::explain::IneligibilityReason;
use crate::slab::Ix;

/// The most roles with unsatisfied guarantees that a reason names.
const MAX_NAMED: usize = 5;

impl Allocator {
    /// Returns the part of `resources` that the role may be allocated now, and the reasons for the rest.
    pub(crate) fn within_quota(&self, role: &Role, resources: &Resources) -> (Resources, Vec<IneligibilityReason>) {
        let allowance = self.ledger.nearest(role).and_then(|ix| Some((ix, self.ledger.allowance(ix)?)));
        let Some((ix, allowance)) = allowance else { return (resources.clone(), Vec::new()) };
        let Some(cut) = shrink_to(&self.cluster, resources, allowance.total) else {
            return (resources.clone(), Vec::new());
        };
        let kept_back = resources.filter(counts_for_quota).quantities();
        let given = cut.filter(counts_for_quota).quantities();
        let mut reasons: Vec<IneligibilityReason> = Vec::new();
        for (name, amount) in kept_back.iter().filter(|(name, amount)| given.get(name) < *amount) {
            let position = self.cluster.find(name).unwrap_or(usize::MAX);
            let limited_by = self.ledger.limited_by(ix, position, amount.thousandths());
            let reason = match limited_by {
                Some(role) => IneligibilityReason::QuotaLimit {
                    role: role.clone(),
                    names: Vec::new(),
                    left: ResourceQuantities::new(),
                },
                None => {
                    IneligibilityReason::Headroom { roles: self.ledger.roles_in_need(ix, position), names: Vec::new() }
                }
            };
            add_name(&mut reasons, reason, name, given.get(name));
        }
        (cut, reasons)
    }
}

fn add_name(reasons: &mut Vec<IneligibilityReason>, reason: IneligibilityReason, name: &Name, given: Scalar) {
    if !reasons.iter().any(|known| known.is_same_cause(&reason)) {
        reasons.push(reason.clone());
    }
    match reasons.iter_mut().find(|known| known.is_same_cause(&reason)) {
        Some(IneligibilityReason::QuotaLimit { names, left, .. }) => {
            names.push(name.clone());
            left.add(name, given);
        }
        Some(IneligibilityReason::Headroom { names, .. }) => names.push(name.clone()),
        _ => {}
    }
}

impl IneligibilityReason {
    fn is_same_cause(&self, other: &IneligibilityReason) -> bool {
        match (self, other) {
            (
                IneligibilityReason::QuotaLimit { role: own, .. },
                IneligibilityReason::QuotaLimit { role: other, .. },
            ) => own == other,
            (IneligibilityReason::Headroom { roles: own, .. }, IneligibilityReason::Headroom { roles: other, .. }) => {
                own == other
            }
            _ => false,
        }
    }
}

impl Ledger {
    /// Returns the account of the role or of the nearest role above it that has one.
    fn nearest(&self, role: &Role) -> Option<Ix<Account>> {
        let above = resources::roles::ancestors(role.as_str()).map(Role::new);
        std::iter::once(role.clone()).chain(above).find_map(|role| self.find(&role))
    }

    /// Returns the first role, upwards, whose limit does not allow `amount` more.
    fn limited_by(&self, ix: Ix<Account>, position: usize, amount: i64) -> Option<&Role> {
        let (mut others, mut need) = (Amounts::default(), Amounts::default());
        let mut current = self.accounts.get(ix);
        while let Some(account) = current {
            others.add(&account.children_need.lacking(&need));
            need.clone_from(&account.need);
            let mut claimed = account.used();
            claimed.add(&others);
            if account.limits.less(&claimed).get(position) < amount {
                return account.role.as_ref();
            }
            current = account.parent.and_then(|parent| self.accounts.get(parent));
        }
        None
    }

    /// Returns some of the roles with an unsatisfied guarantee of a name, without the role itself and those above it.
    fn roles_in_need(&self, ix: Ix<Account>, position: usize) -> Vec<Role> {
        let own = self.role(ix);
        let is_above = |role: &Role| own.is_some_and(|own| resources::roles::is_within(own.as_str(), role.as_str()));
        let short = self.accounts.iter().filter(|(_, account)| account.shortfall.get(position) > 0);
        let roles = short.filter_map(|(_, account)| account.role.as_ref()).filter(|role| !is_above(role));
        let mut roles: Vec<Role> = roles.cloned().collect();
        roles.sort_unstable();
        roles.truncate(MAX_NAMED);
        roles
    }
}

//! The allowance of a role: how much it may be allocated now within the limits of itself and of the roles above it,
//! without the headroom for unsatisfied guarantees of other roles.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Account, Ledger};
use crate::amounts::{AmountLimits, Amounts};
use crate::slab::Ix;

#[derive(Debug)]
pub(crate) struct RoleAllowance {
    /// The part that satisfies a guarantee; the needs of other roles do not count against it.
    pub guaranteed: Amounts,
    /// The whole allowance.
    pub total: AmountLimits,
}

impl Ledger {
    /// Returns the priorities of unsatisfied guarantees, highest first.
    pub fn shortfall_priorities(&self) -> Vec<i32> {
        self.shortfalls.keys().rev().copied().collect()
    }

    /// Returns whether the guarantee of the role itself is unsatisfied and has this priority.
    pub fn is_short(&self, ix: Ix<Account>, priority: i32) -> bool {
        self.accounts.get(ix).is_some_and(|account| account.priority == priority && !account.shortfall.is_zero())
    }

    /// Returns whether roles below need resources for their guarantees.
    pub fn has_children_in_need(&self, ix: Ix<Account>) -> bool {
        self.accounts.get(ix).is_some_and(|account| !account.children_need.is_zero())
    }

    /// Returns whether the role or a role above it is short, and is reached from the root through roles with children
    /// in need.
    pub fn is_within_short(&self, ix: Ix<Account>, priority: i32) -> bool {
        let is_reached = |ix: &Ix<Account>| self.upwards(*ix).skip(1).all(|above| self.has_children_in_need(above));
        self.upwards(ix).any(|ix| self.is_short(ix, priority) && is_reached(&ix))
    }

    /// Iterates over the account of the role and those above it.
    pub fn upwards(&self, ix: Ix<Account>) -> impl Iterator<Item = Ix<Account>> + '_ {
        std::iter::successors(Some(ix), |ix| self.accounts.get(*ix)?.parent)
    }

    /// Returns what is free beyond the needs of all guarantees.
    pub fn surplus(&self) -> Amounts {
        let Some(root) = self.accounts.get(self.root) else { return Amounts::default() };
        let mut claimed = root.unreserved.clone();
        claimed.add(&root.children_need);
        self.capacity.lacking(&claimed)
    }

    /// Returns the allowance of a role; `None` if quota does not limit it.
    pub fn allowance(&self, ix: Ix<Account>) -> Option<RoleAllowance> {
        if self.has_no_quota() {
            return None;
        }
        let own = self.accounts.get(ix)?;
        // Needs of other roles below the current account, and the need of the previous account.
        let mut others = Amounts::default();
        let mut need = Amounts::default();
        let mut guaranteed = Amounts::default();
        let mut limits = AmountLimits::default();
        let mut current = Some(own);
        while let Some(account) = current {
            others.add(&account.children_need.lacking(&need));
            need.clone_from(&account.need);
            if account.role.is_none() {
                break;
            }
            let mut claimed = account.used();
            claimed.add(&others);
            if !account.shortfall.is_zero() {
                let mut lacking = account.guarantees.lacking(&claimed);
                self.headroom(&self.needs_before(ix, account.priority)).cut(&mut lacking);
                guaranteed.raise_to(&lacking);
            }
            limits.tighten(&account.limits.less(&claimed));
            current = account.parent.and_then(|parent| self.accounts.get(parent));
        }
        if others.is_zero() && limits.is_unlimited() && guaranteed.is_zero() {
            return None;
        }
        limits.cut(&mut guaranteed);
        let mut total = self.headroom(&others);
        total.tighten(&limits);
        total.raise_to(&guaranteed);
        Some(RoleAllowance { guaranteed, total })
    }

    /// Returns whether the role has reached its limits, so that neither it nor a role below it can be allocated
    /// anything that counts for quota.
    pub fn is_at_limit(&self, ix: Ix<Account>) -> bool {
        self.accounts.get(ix).is_some_and(|account| account.full)
    }

    /// Returns whether guarantees need all that is free of each of these names.
    pub fn needs_all(&self, mut names: impl Iterator<Item = usize>) -> bool {
        let Some(root) = self.accounts.get(self.root).filter(|root| !root.children_need.is_zero()) else {
            return false;
        };
        names.all(|name| {
            let need = root.children_need.get(name);
            need > 0 && self.capacity.get(name) - root.unreserved.get(name) <= need
        })
    }

    /// Returns what is free beyond the needs of other roles, for the names that they need.
    fn headroom(&self, others: &Amounts) -> AmountLimits {
        let held = self.accounts.get(self.root).map(|root| &root.unreserved);
        let mut caps = AmountLimits::default();
        for position in (0..others.len()).filter(|position| others.get(*position) > 0) {
            let held = held.map_or(0, |held| held.get(position));
            caps.set(position, (self.capacity.get(position) - held - others.get(position)).max(0));
        }
        caps
    }

    /// Returns the headroom for guarantees of a higher priority of roles that are not above the role. Guarantees of
    /// roles above it are guarantees to the role as well.
    fn needs_before(&self, ix: Ix<Account>, priority: i32) -> Amounts {
        let mut sum = Amounts::default();
        let Some(higher) = priority.checked_add(1) else { return sum };
        let mut short = self.shortfalls.range(higher..).flat_map(|(_, accounts)| accounts).peekable();
        if short.peek().is_none() {
            return sum;
        }
        let path: Vec<Ix<Account>> = self.upwards(ix).collect();
        let depth = |ix: Ix<Account>| Reverse(self.upwards(ix).count());
        let mut needs: BTreeMap<(Reverse<usize>, Ix<Account>), Amounts> =
            short.filter(|ix| !path.contains(ix)).map(|ix| ((depth(*ix), *ix), Amounts::default())).collect();
        // The innermost roles come first: the shortfall of a role includes that of the roles below it, unless theirs
        // is more.
        while let Some(((_, ix), mut need)) = needs.pop_first() {
            let Some(account) = self.accounts.get(ix) else { continue };
            if account.priority > priority {
                need.raise_to(&account.shortfall);
            }
            account.limits.less(&account.used()).cut(&mut need);
            match account.parent.filter(|parent| !path.contains(parent)) {
                Some(parent) => needs.entry((depth(parent), parent)).or_default().add(&need),
                None => sum.add(&need),
            }
        }
        sum
    }
}

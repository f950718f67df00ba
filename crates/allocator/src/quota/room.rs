//! How much a role may be given now: within the limits of it and all above it, and without touching what others were
//! promised and still need.

use super::{Account, Ledger};
use crate::amounts::{Amounts, Caps};
use crate::slab::Ix;

#[derive(Debug)]
pub(crate) struct Room {
    /// So much brings a guarantee closer to being kept; others' needs do not count against it.
    pub guaranteed: Amounts,
    /// So much in all.
    pub total: Caps,
}

impl Ledger {
    /// The priorities of guarantees that are not kept, highest first.
    pub fn lacking_priorities(&self) -> Vec<i32> {
        self.shortfalls.keys().rev().copied().collect()
    }

    /// Something is lacking of the guarantee of the role itself.
    pub fn is_short(&self, ix: Ix<Account>, priority: i32) -> bool {
        self.accounts.get(ix).is_some_and(|account| account.priority == priority && !account.shortfall.is_zero())
    }

    /// Something is needed for roles below.
    pub fn has_needy_children(&self, ix: Ix<Account>) -> bool {
        self.accounts.get(ix).is_some_and(|account| !account.children_need.is_zero())
    }

    /// The role and those above it.
    pub fn upwards(&self, ix: Ix<Account>) -> impl Iterator<Item = Ix<Account>> + '_ {
        std::iter::successors(Some(ix), |ix| self.accounts.get(*ix)?.parent)
    }

    /// What nobody was promised, by name: what is free without what is needed.
    pub fn surplus(&self) -> Amounts {
        let Some(root) = self.accounts.get(self.root) else { return Amounts::default() };
        let mut claimed = root.unreserved.clone();
        claimed.add(&root.children_need);
        self.capacity.lacking(&claimed)
    }

    /// `None`: as much as there is.
    pub fn room(&self, ix: Ix<Account>) -> Option<Room> {
        if self.is_idle() {
            return None;
        }
        let own = self.accounts.get(ix)?;
        // Needs of others below the account looked at, and the need of the account looked at last.
        let mut others = Amounts::default();
        let mut need = Amounts::default();
        let mut guaranteed = Amounts::default();
        let mut limits = Caps::default();
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
                guaranteed.raise_to(&account.guarantees.lacking(&claimed));
            }
            limits.tighten(&account.limits.less(&claimed));
            current = account.parent.and_then(|parent| self.accounts.get(parent));
        }
        if others.is_zero() && limits.is_unlimited() && guaranteed.is_zero() {
            return None;
        }
        limits.cut(&mut guaranteed);
        self.spare_for_higher(own.priority, &others).cut(&mut guaranteed);
        let mut total = self.headroom(&others);
        total.tighten(&limits);
        total.loosen_to(&guaranteed);
        Some(Room { guaranteed, total })
    }

    /// The role has reached all its limits: nobody in it or below it can be given anything that counts.
    pub fn is_closed(&self, ix: Ix<Account>) -> bool {
        self.accounts.get(ix).is_some_and(|account| account.full)
    }

    /// Of each of these names, as much as is free is needed by somebody.
    pub fn claims_all(&self, mut names: impl Iterator<Item = usize>) -> bool {
        let Some(root) = self.accounts.get(self.root).filter(|root| !root.children_need.is_zero()) else {
            return false;
        };
        names.all(|name| {
            let need = root.children_need.get(name);
            need > 0 && self.capacity.get(name) - root.unreserved.get(name) <= need
        })
    }

    /// What is free beyond the needs of others; what nobody needs is not looked at.
    fn headroom(&self, others: &Amounts) -> Caps {
        let held = self.accounts.get(self.root).map(|root| &root.unreserved);
        let mut caps = Caps::default();
        for position in (0..others.len()).filter(|position| others.get(*position) > 0) {
            let held = held.map_or(0, |held| held.get(position));
            caps.set(position, (self.capacity.get(position) - held - others.get(position)).max(0));
        }
        caps
    }

    /// The guarantees of higher priorities come before a guarantee; those of the same or lower ones do not.
    fn spare_for_higher(&self, priority: i32, others: &Amounts) -> Caps {
        let mut higher = Amounts::default();
        for (_, (_, lacking)) in self.shortfalls.range(priority.saturating_add(1)..) {
            higher.add(lacking);
        }
        // A child's shortfall may be part of its parent's.
        let mut all = Caps::default();
        (0..higher.len()).for_each(|position| all.set(position, others.get(position)));
        all.cut(&mut higher);
        self.headroom(&higher)
    }
}

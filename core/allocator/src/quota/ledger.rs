//! The ledger of quota: guarantees, limits and consumption of every role.
//!
//! A role consumes the resources that are reserved for it, and the unreserved resources that are offered or allocated
//! to it and are not revocable. Both include the roles below it. The *need* of a role is its unsatisfied guarantee, or
//! the need of the roles below it if that is more; the needs of other roles are kept free as headroom. The root account
//! stands for the whole cluster.

use std::collections::{BTreeMap, BTreeSet};

use model::Role;
use resources::roles;
use rustc_hash::FxHashMap;

use crate::amounts::{AmountLimits, Amounts};
use crate::slab::{Ix, Slab};

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub role: Option<Role>,
    pub(super) parent: Option<Ix<Account>>,
    children: u32,
    /// The number of tree nodes that refer to the account.
    pins: u32,
    reserved: Amounts,
    pub(super) unreserved: Amounts,
    pub(super) guarantees: Amounts,
    pub(super) limits: AmountLimits,
    pub(super) priority: i32,
    /// Whether other roles may use its guarantee for now.
    pub(super) lends: bool,
    /// The unsatisfied part of its own guarantee, within its limit.
    pub(super) shortfall: Amounts,
    /// The headroom for it and the roles below it.
    pub(super) need: Amounts,
    /// Whether the limit of every name is reached.
    pub(super) full: bool,
    /// The sum of `need` of its children.
    pub(super) children_need: Amounts,
}

/// The quota or the partition of a role in the form of the ledger.
#[derive(Debug, Default)]
pub(crate) struct EffectiveQuota {
    pub guarantees: Amounts,
    pub limits: AmountLimits,
    pub priority: i32,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(super) accounts: Slab<Account>,
    pub(super) root: Ix<Account>,
    /// The accounts by role, used for lookup only.
    by_role: FxHashMap<Role, Ix<Account>>,
    /// The resources of all agents that are neither reserved nor revocable, and the allocations beyond the total of
    /// overcommitted agents, so that the difference to all allocations is what the other agents have left. Mesos
    /// subtracts over the whole cluster.
    pub(super) capacity: Amounts,
    /// The number of roles with quota.
    pub(super) roles_with_quota: usize,
    /// The accounts with an unsatisfied guarantee, by priority; priorities without such accounts are absent.
    pub(super) shortfalls: BTreeMap<i32, BTreeSet<Ix<Account>>>,
    /// The roles whose allowance may have grown since the last query.
    pub(super) relaxed_roles: BTreeSet<Ix<Account>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

impl Ledger {
    pub fn new() -> Self {
        let mut accounts = Slab::default();
        let root = accounts.insert(Account::default());
        Ledger {
            accounts,
            root,
            by_role: FxHashMap::default(),
            capacity: Amounts::default(),
            roles_with_quota: 0,
            shortfalls: BTreeMap::new(),
            relaxed_roles: BTreeSet::new(),
        }
    }

    /// Returns whether no role has quota.
    pub fn has_no_quota(&self) -> bool {
        self.roles_with_quota == 0
    }

    pub fn find(&self, role: &Role) -> Option<Ix<Account>> {
        self.by_role.get(role).copied()
    }

    pub fn role(&self, ix: Ix<Account>) -> Option<&Role> {
        self.accounts.get(ix)?.role.as_ref()
    }

    /// Returns whether a guarantee is unsatisfied.
    pub fn has_shortfall(&self) -> bool {
        !self.shortfalls.is_empty()
    }

    /// Returns what the role consumes of its quota.
    pub fn used(&self, role: &Role) -> Amounts {
        self.find(role).and_then(|ix| self.accounts.get(ix)).map(Account::used).unwrap_or_default()
    }

    /// Returns the unsatisfied part of the guarantee of a role, whether it is lent or not.
    pub fn lacking(&self, role: &Role) -> Amounts {
        let account = self.find(role).and_then(|ix| self.accounts.get(ix));
        account.map(|account| account.guarantees.lacking(&account.used())).unwrap_or_default()
    }

    /// Returns what a role consumes beyond its guarantee.
    pub fn borrowed(&self, role: &Role) -> Amounts {
        let account = self.find(role).and_then(|ix| self.accounts.get(ix));
        account.map(|account| account.used().lacking(&account.guarantees)).unwrap_or_default()
    }

    /// Returns what the limits of the role and of the roles above it still allow; roles without limits are left out.
    pub fn remaining_limits(&self, role: &Role) -> Vec<(Role, AmountLimits)> {
        let path = self.find(role).into_iter().flat_map(|ix| self.upwards(ix));
        let limited = path.filter_map(|ix| self.accounts.get(ix)).filter(|account| !account.limits.is_unlimited());
        limited.filter_map(|account| Some((account.role.clone()?, account.limits.less(&account.used())))).collect()
    }

    /// Iterates over the roles that have an account.
    pub fn roles(&self) -> impl Iterator<Item = &Role> + '_ {
        self.accounts.iter().filter_map(|(_, account)| account.role.as_ref())
    }
}

/// The creation and the removal of accounts.
impl Ledger {
    /// Returns the account of a role, which stays with those above it until it is unpinned as often as it was pinned.
    pub fn pin(&mut self, role: &Role) -> Ix<Account> {
        let ix = self.find_or_create(role);
        if let Some(account) = self.accounts.get_mut(ix) {
            account.pins += 1;
        }
        ix
    }

    pub fn unpin(&mut self, ix: Ix<Account>) {
        if let Some(account) = self.accounts.get_mut(ix) {
            account.pins = account.pins.saturating_sub(1);
        }
        self.drop_if_unused(ix);
    }

    fn find_or_create(&mut self, role: &Role) -> Ix<Account> {
        if let Some(ix) = self.find(role) {
            return ix;
        }
        let parent = match roles::ancestors(role.as_str()).next() {
            Some(parent) => self.find_or_create(&Role::new(parent)),
            None => self.root,
        };
        if let Some(parent) = self.accounts.get_mut(parent) {
            parent.children += 1;
        }
        let account = Account { role: Some(role.clone()), parent: Some(parent), ..Account::default() };
        let ix = self.accounts.insert(account);
        self.by_role.insert(role.clone(), ix);
        ix
    }

    fn drop_if_unused(&mut self, ix: Ix<Account>) {
        let mut current = Some(ix);
        while let Some(ix) = current {
            let Some(account) = self.accounts.get(ix).filter(|account| account.is_unused()) else { return };
            let Some(role) = &account.role else { return };
            self.by_role.remove(role);
            current = account.parent;
            self.accounts.remove(ix);
            if let Some(parent) = current.and_then(|parent| self.accounts.get_mut(parent)) {
                parent.children = parent.children.saturating_sub(1);
            }
        }
    }
}

/// The updates of accounts.
impl Ledger {
    /// Adds to `capacity`.
    pub fn grow(&mut self, capacity: &Amounts) {
        let names = self.capacity.len();
        self.capacity.add(capacity);
        if names != self.capacity.len() {
            // An account whose limits are all reached may have no limit for the new name.
            self.accounts.iter_mut().for_each(|(_, account)| account.full = account.is_full(self.capacity.len()));
        }
    }

    pub fn shrink(&mut self, capacity: &Amounts) {
        self.capacity.subtract(capacity);
    }

    pub fn reserve(&mut self, role: &Role, amounts: &Amounts) {
        let ix = self.find_or_create(role);
        self.update(ix, false, |account| account.reserved.add(amounts));
    }

    pub fn unreserve(&mut self, role: &Role, amounts: &Amounts) {
        let Some(ix) = self.find(role) else { return };
        self.update(ix, true, |account| account.reserved.subtract(amounts));
        self.drop_if_unused(ix);
    }

    /// Tracks unreserved resources that are allocated to a role.
    pub fn track(&mut self, ix: Ix<Account>, amounts: &Amounts) {
        self.update(ix, false, |account| account.unreserved.add(amounts));
    }

    pub fn untrack(&mut self, ix: Ix<Account>, amounts: &Amounts) {
        self.update(ix, true, |account| account.unreserved.subtract(amounts));
    }

    /// Tracks unreserved resources of frameworks that have not been added yet.
    pub fn track_role(&mut self, role: &Role, amounts: &Amounts) {
        let ix = self.find_or_create(role);
        self.track(ix, amounts);
    }

    pub fn untrack_role(&mut self, role: &Role, amounts: &Amounts) {
        let Some(ix) = self.find(role) else { return };
        self.untrack(ix, amounts);
        self.drop_if_unused(ix);
    }

    /// Replaces the quota of a role; `None` removes it.
    pub fn set_quota(&mut self, role: &Role, quota: Option<EffectiveQuota>) {
        let had = self.find(role).and_then(|ix| self.accounts.get(ix)).is_some_and(Account::has_quota);
        if !had && quota.is_none() {
            return;
        }
        let ix = self.find_or_create(role);
        let EffectiveQuota { guarantees, limits, priority } = quota.unwrap_or_default();
        // The shortfall is indexed by the old priority and has to be removed from there first.
        self.update(ix, true, |account| {
            if account.role.as_ref() == Some(role) {
                account.guarantees = Amounts::default();
            }
        });
        if let Some(account) = self.accounts.get_mut(ix) {
            account.priority = priority;
            account.limits = limits;
            account.lends = false;
        }
        self.update(ix, true, |account| {
            if account.role.as_ref() == Some(role) {
                account.guarantees.clone_from(&guarantees);
            }
        });
        self.relaxed_roles.insert(ix);
        let has = self.accounts.get(ix).is_some_and(Account::has_quota);
        self.roles_with_quota = (self.roles_with_quota + usize::from(has)).saturating_sub(usize::from(had));
        self.drop_if_unused(ix);
    }

    pub fn lend(&mut self, role: &Role, lends: bool) {
        let Some(ix) = self.find(role) else { return };
        if self.accounts.get(ix).is_some_and(|account| account.lends != lends) {
            self.update(ix, lends, |account| {
                if account.role.as_ref() == Some(role) {
                    account.lends = lends;
                }
            });
        }
    }

    /// Changes an account and the accounts above it, and updates what depends on them.
    fn update(&mut self, ix: Ix<Account>, relaxes: bool, change: impl Fn(&mut Account)) {
        let mut current = Some(ix);
        let mut below: Option<(Amounts, Amounts)> = None;
        while let Some(ix) = current {
            let Some(account) = self.accounts.get_mut(ix) else { return };
            change(account);
            if let Some((before, after)) = &below {
                account.children_need.subtract(before);
                account.children_need.add(after);
            }
            current = account.parent;
            if account.role.is_none() {
                return;
            }
            if relaxes && account.has_quota() {
                self.relaxed_roles.insert(ix);
            }
            account.full = account.is_full(self.capacity.len());
            below = account.remeasure(ix, &mut self.shortfalls);
        }
    }
}

impl Account {
    pub(super) fn used(&self) -> Amounts {
        let mut used = self.reserved.clone();
        used.add(&self.unreserved);
        used
    }

    /// Returns whether the limit of each of the first `names` names is reached.
    fn is_full(&self, names: usize) -> bool {
        let has_limits = !self.limits.is_unlimited();
        has_limits
            && (0..names).all(|name| {
                let limit = self.limits.get(name);
                limit != AmountLimits::UNLIMITED
                    && self.reserved.get(name).saturating_add(self.unreserved.get(name)) >= limit
            })
    }

    fn has_quota(&self) -> bool {
        !self.guarantees.is_zero() || !self.limits.is_unlimited()
    }

    fn is_unused(&self) -> bool {
        self.role.is_some()
            && self.pins == 0
            && self.children == 0
            && !self.has_quota()
            && self.reserved.is_zero()
            && self.unreserved.is_zero()
    }

    /// Recomputes shortfall and need. Returns the need before and after, if it may have changed.
    fn remeasure(
        &mut self,
        ix: Ix<Account>,
        shortfalls: &mut BTreeMap<i32, BTreeSet<Ix<Account>>>,
    ) -> Option<(Amounts, Amounts)> {
        if !self.has_quota() && self.children_need.is_zero() && self.need.is_zero() && self.shortfall.is_zero() {
            return None;
        }
        let used = self.used();
        let mut shortfall = if self.lends { Amounts::default() } else { self.guarantees.lacking(&used) };
        self.limits.less(&used).cut(&mut shortfall);
        if shortfall.is_zero() != self.shortfall.is_zero() {
            let of_priority = shortfalls.entry(self.priority).or_default();
            if shortfall.is_zero() {
                of_priority.remove(&ix);
            } else {
                of_priority.insert(ix);
            }
            if of_priority.is_empty() {
                shortfalls.remove(&self.priority);
            }
        }
        self.shortfall = shortfall;
        let mut need = self.shortfall.clone();
        need.raise_to(&self.children_need);
        self.limits.less(&used).cut(&mut need);
        Some((std::mem::replace(&mut self.need, need.clone()), need))
    }
}

//! Quota by its definition: the use, the need and the allowance of a role.

use std::collections::{BTreeMap, BTreeSet};

use resources::{Resource, ResourceQuantities, Resources, Scalar};

use crate::naive_model::Model;

#[derive(Debug, Clone)]
pub struct RoleQuota {
    pub min: ResourceQuantities,
    pub max: BTreeMap<String, i64>,
    pub weight: f64,
    pub lends: bool,
    pub priority: i32,
    pub preemptible: bool,
}

/// The allowance by name, and the part of it that brings a guarantee closer.
pub struct RoleAllowance {
    total: BTreeMap<String, i64>,
    guaranteed: BTreeMap<String, i64>,
}

pub const NAMES: [&str; 4] = ["cpus", "mem", "disk", "gpus"];

impl RoleAllowance {
    pub fn helps(&self, resources: &Resources) -> bool {
        resources.iter().any(|resource| {
            counts(resource) && self.guaranteed.get(resource.name().as_str()).is_some_and(|amount| *amount > 0)
        })
    }
}

/// Returns whether a resource counts for quota: scalars that are not reserved (the model has no revocable ones).
pub fn counts(resource: &Resource) -> bool {
    resource.value().as_scalar().is_some() && resource.is_unreserved()
}

pub fn cut(resources: &Resources, allowance: &RoleAllowance) -> Resources {
    let part = |resource: &Resource| match allowance.total.get(resource.name().as_str()) {
        Some(most) if counts(resource) => {
            let amount = resource.value().as_scalar().unwrap().thousandths();
            resource.with_scalar(Scalar::from_thousandths(amount.min(*most)))
        }
        _ => resource.clone(),
    };
    resources.iter().map(part).collect()
}

pub fn sum<'a>(resources: impl Iterator<Item = &'a Resource>, name: &str) -> i64 {
    resources
        .filter(|resource| resource.name().as_str() == name)
        .filter_map(|resource| resource.value().as_scalar())
        .map(Scalar::thousandths)
        .sum()
}

pub fn is_within(role: &str, above: &str) -> bool {
    role == above || role.starts_with(&format!("{above}/"))
}

impl Model {
    fn quota_of(&self, role: &str) -> Option<&RoleQuota> {
        self.partitions.get(role).or_else(|| self.quotas.get(role))
    }

    /// Returns what is reserved for the role or below it, allocated or not, and the unreserved resources allocated
    /// there.
    pub fn used(&self, role: &str, name: &str) -> i64 {
        let reserved = self
            .agents
            .values()
            .flat_map(|(total, _)| total.iter())
            .filter(|resource| resource.reservation_role().is_some_and(|own| is_within(own.as_str(), role)));
        let held = self.held.iter().filter(|((_, own, _), _)| is_within(own, role));
        let unreserved = held.flat_map(|(_, resources)| resources.iter()).filter(|resource| counts(resource));
        sum(reserved, name) + sum(unreserved, name)
    }

    pub fn limit(&self, role: &str, name: &str) -> Option<i64> {
        self.quota_of(role)?.max.get(name).copied()
    }

    fn guarantee(&self, role: &str, name: &str) -> i64 {
        let Some(quota) = self.quota_of(role) else { return 0 };
        let is_wanted = || self.leaves().iter().any(|leaf| is_within(&leaf.0, role) && self.is_willing(leaf));
        if quota.lends && !is_wanted() { 0 } else { quota.min.get(&name.into()).thousandths() }
    }

    pub fn quota_table(&self) -> QuotaTable {
        let with_quota = self.quotas.keys().chain(self.partitions.keys());
        let roles: BTreeSet<String> = with_quota.flat_map(|role| upwards(role)).collect();
        let line = |(role, name): (&String, &str)| {
            let line = QuotaRow {
                used: self.used(role, name),
                limit: self.limit(role, name),
                guarantee: self.guarantee(role, name),
                priority: self.quota_of(role).map_or(0, |quota| quota.priority),
            };
            ((role.clone(), name.to_owned()), line)
        };
        let lines = roles.iter().flat_map(|role| NAMES.map(|name| (role, name))).map(line).collect();
        let free = NAMES.map(|name| (name.to_owned(), self.free_of_all(name)));
        QuotaTable { roles, lines, free: free.into() }
    }

    pub fn free_of_all(&self, name: &str) -> i64 {
        let free: Vec<Resources> = self.agents.keys().map(|agent| self.free(agent)).collect();
        sum(free.iter().flat_map(Resources::iter).filter(|resource| counts(resource)), name)
    }
}

/// The state of each role with quota and of each role above one, by name of resource.
pub struct QuotaTable {
    roles: BTreeSet<String>,
    lines: BTreeMap<(String, String), QuotaRow>,
    free: BTreeMap<String, i64>,
}

struct QuotaRow {
    used: i64,
    limit: Option<i64>,
    guarantee: i64,
    priority: i32,
}

impl QuotaTable {
    fn line(&self, role: &str, name: &str) -> Option<&QuotaRow> {
        self.lines.get(&(role.to_owned(), name.to_owned()))
    }

    fn shortfall(&self, role: &str, name: &str) -> i64 {
        let lacks = |line: &QuotaRow| (line.guarantee.min(line.limit.unwrap_or(i64::MAX)) - line.used).max(0);
        self.line(role, name).map_or(0, lacks)
    }

    /// Iterates over the children of a role; `None` is the root.
    fn children(&self, above: Option<&str>) -> impl Iterator<Item = &String> {
        self.roles.iter().filter(move |role| role.rsplit_once('/').map(|(parent, _)| parent) == above)
    }

    /// Returns the need for guarantees of higher priority than `beyond`.
    fn need(&self, role: &str, name: &str, beyond: i32) -> i64 {
        let below: i64 = self.children(Some(role)).map(|child| self.need(child, name, beyond)).sum();
        let own = if self.priority(role) > beyond { self.shortfall(role, name) } else { 0 };
        let need = own.max(below);
        let left = self.line(role, name).and_then(|line| Some((line.limit? - line.used).max(0)));
        left.map_or(need, |left| need.min(left))
    }

    fn priority(&self, role: &str) -> i32 {
        self.line(role, NAMES[0]).map_or(0, |line| line.priority)
    }

    /// Returns what has to stay free below `above` for all roles there that are not above `role`.
    fn need_beside(&self, above: Option<&str>, role: &str, name: &str, beyond: i32) -> i64 {
        let (way, beside): (Vec<_>, Vec<_>) = self.children(above).partition(|child| is_within(role, child));
        let beside: i64 = beside.iter().map(|child| self.need(child, name, beyond)).sum();
        beside + way.iter().map(|child| self.need_beside(Some(child), role, name, beyond)).sum::<i64>()
    }

    /// Returns the priorities of unsatisfied guarantees, highest first.
    pub fn priorities(&self) -> Vec<i32> {
        let short = self.roles.iter().filter(|role| self.has_shortfall(role));
        let priorities: BTreeSet<i32> = short.map(|role| self.priority(role)).collect();
        priorities.into_iter().rev().collect()
    }

    pub fn advances_guarantee(&self, role: &str, priority: i32) -> bool {
        let is_needed = |above: Option<&str>| {
            NAMES.iter().any(|name| self.children(above).any(|child| self.need(child, name, i32::MIN) > 0))
        };
        // If a limit above is reached, no role below it is short.
        let is_reached =
            |role: &String| is_needed(None) && resources::roles::ancestors(role).all(|above| is_needed(Some(above)));
        let is_short = |above: &&String| self.priority(above) == priority && self.has_shortfall(above);
        upwards(role).iter().filter(is_short).any(is_reached)
    }

    pub fn allowance(&self, role: &str) -> RoleAllowance {
        let mut allowance = RoleAllowance { total: BTreeMap::new(), guaranteed: BTreeMap::new() };
        for name in NAMES {
            let above: Vec<String> = upwards(role).into_iter().filter(|above| self.roles.contains(above)).collect();
            let left = |bound: i64, above: &String| {
                let used = self.line(above, name).map_or(0, |line| line.used);
                (bound - used - self.need_beside(Some(above), role, name, i32::MIN)).max(0)
            };
            let limits = above.iter().filter_map(|above| Some(left(self.line(above, name)?.limit?, above)));
            let limit = limits.min().unwrap_or(i64::MAX);
            let short = above.iter().filter(|above| self.has_shortfall(above));
            // The guarantees of higher priorities come before this one; those of the same or lower ones do not.
            let guarantees = short.filter_map(|above| {
                let before = self.need_beside(None, role, name, self.priority(above));
                let spare = if before == 0 { i64::MAX } else { (self.free[name] - before).max(0) };
                Some(left(self.line(above, name)?.guarantee, above).min(spare))
            });
            let guaranteed = guarantees.max().unwrap_or(0).min(limit);
            let headroom = match self.need_beside(None, role, name, i32::MIN) {
                0 => i64::MAX,
                needed => (self.free[name] - needed).max(0),
            };
            allowance.guaranteed.insert(name.to_owned(), guaranteed);
            allowance.total.insert(name.to_owned(), guaranteed.max(limit.min(headroom)));
        }
        allowance
    }

    fn has_shortfall(&self, role: &str) -> bool {
        NAMES.iter().any(|name| self.shortfall(role, name) > 0)
    }
}

/// Returns the role and the roles above it.
pub fn upwards(role: &str) -> Vec<String> {
    let mut roles = vec![role.to_owned()];
    roles.extend(resources::roles::ancestors(role).map(str::to_owned));
    roles
}

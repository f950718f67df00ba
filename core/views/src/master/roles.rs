//! `/roles` and `GET_ROLES`.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use model::FrameworkId;
use resources::{Name, Resource, ResourceQuantities, Resources, roles};

use super::resource_totals::scalar;
use super::{Snapshot, policy, policy_json};
use crate::json;
use crate::v0;

/// The weight of roles without a weight of their own.
const DEFAULT_WEIGHT: f64 = 1.0;

/// The resources and the frameworks of a role and of the roles below it.
#[derive(Debug, Default)]
struct Usage {
    allocated: ResourceQuantities,
    offered: ResourceQuantities,
    reserved: ResourceQuantities,
    /// The allocated resources that are neither reserved nor revocable.
    unreserved: ResourceQuantities,
    /// The resources that are offered or allocated to exactly this role, not to one below it.
    own: ResourceQuantities,
    /// The frameworks that are subscribed to exactly this role or have resources of it.
    frameworks: BTreeSet<FrameworkId>,
}

pub(super) fn roles(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        object.array("roles", &visible_by_role(snapshot), |out, (name, usage)| role(out, snapshot, name, usage));
    });
    out
}

fn role(out: &mut Vec<u8>, snapshot: &Snapshot, name: &str, usage: &Usage) {
    let quota = snapshot.policy.quotas.get(name);
    json::object(out, |object| {
        object.string("name", name);
        object.double("weight", weight(snapshot, name));
        object.object("quota", |object| {
            object.string("role", name);
            policy_json::amounts(object, "guarantee", quota.into_iter().flat_map(policy::guarantees));
            policy_json::amounts(object, "limit", quota.into_iter().flat_map(policy::limits));
            v0::quantities(object, "consumed", &usage.consumed_quota());
        });
        v0::quantities(object, "resources", &usage.allocated_or_offered());
        v0::quantities(object, "allocated", &usage.allocated);
        v0::quantities(object, "offered", &usage.offered);
        v0::quantities(object, "reserved", &usage.reserved);
        object.array("frameworks", &usage.frameworks, |out, id| json::string(out, id.as_str()));
    });
}

pub(super) fn protos(snapshot: &Snapshot) -> Vec<v1::Role> {
    visible_by_role(snapshot).iter().map(|(name, usage)| proto(snapshot, name, usage)).collect()
}

fn weight(snapshot: &Snapshot, name: &str) -> f64 {
    snapshot.policy.weights.get(name).copied().unwrap_or(DEFAULT_WEIGHT)
}

/// Returns the weight that the allocator uses: that of the role's partition, otherwise the one set for the role.
fn effective_weight(snapshot: &Snapshot, name: &str) -> f64 {
    let mut partitions = snapshot.policy.partitions.values();
    let partition = partitions.find(|partition| partition.role == name);
    partition.and_then(|partition| partition.weight).unwrap_or_else(|| weight(snapshot, name))
}

fn proto(snapshot: &Snapshot, name: &str, usage: &Usage) -> v1::Role {
    // The resources that are shown. Mesos shows no others here, since it does not know whether they are scalars.
    const SHOWN: [Name; 4] = [Name::CPUS, Name::DISK, Name::GPUS, Name::MEM];
    let used = usage.allocated_or_offered();
    let shown = SHOWN.into_iter().filter(|name| !used.get(name).is_zero());
    v1::Role {
        name: name.to_owned(),
        weight: weight(snapshot, name),
        frameworks: usage.frameworks.iter().map(FrameworkId::to_proto).collect(),
        resources: shown
            .map(|name| v1::Resource {
                r#type: v1::value::Type::Scalar as i32,
                scalar: Some(v1::value::Scalar { value: used.get(&name).as_f64() }),
                name: name.to_string(),
                ..v1::Resource::default()
            })
            .collect(),
    }
}

impl Snapshot {
    /// Returns the resources that each of these roles, with the roles below it, uses or is offered.
    pub(crate) fn used_below<'a>(&self, roles: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, ResourceQuantities> {
        let usages = by_role(self);
        roles.map(|role| (role, usages.get(role).map(Usage::allocated_or_offered).unwrap_or_default())).collect()
    }

    /// Returns the figures of each role that the allocator's metrics show.
    pub(crate) fn role_shares(&self) -> BTreeMap<String, RoleShare> {
        let usages = by_role(self);
        let is_sorted = |usage: &Usage| !usage.frameworks.is_empty();
        let sorted: Vec<String> =
            usages.iter().filter(|(_, usage)| is_sorted(usage)).map(|(role, _)| role.clone()).collect();
        // The roles are sorted, so those below a role stand together.
        let has_subroles = |role: &str| {
            let below = format!("{role}/");
            let first = sorted.partition_point(|other| *other < below);
            sorted.get(first).is_some_and(|other| other.starts_with(&below))
        };
        let weight = |role: &str| if has_subroles(role) { DEFAULT_WEIGHT } else { effective_weight(self, role) };
        let share = |(role, usage): (String, Usage)| {
            let weight = is_sorted(&usage).then(|| weight(&role));
            let consumed_quota = usage.consumed_quota();
            (role, RoleShare { offered_or_allocated: usage.own, weight, consumed_quota })
        };
        usages.into_iter().map(share).collect()
    }
}

/// The figures of a role that the allocator's metrics show.
#[derive(Debug)]
pub(crate) struct RoleShare {
    /// The resources that are offered or allocated to exactly this role, without the roles below it, as in Mesos'
    /// sorter.
    pub offered_or_allocated: ResourceQuantities,
    /// The weight that the dominant share is divided by; `None` if no framework is in the role. As in Mesos' sorter, the
    /// weight of a role with frameworks in roles below it belongs to all of them together, and the frameworks of the
    /// role itself have a weight of 1 among those.
    pub weight: Option<f64>,
    /// The quantities that count against the quota of the role, including those of the roles below it.
    pub consumed_quota: ResourceQuantities,
}

impl Usage {
    fn allocated_or_offered(&self) -> ResourceQuantities {
        let mut sum = self.allocated.clone();
        sum += &self.offered;
        sum
    }

    /// Returns the quantities that count against a quota: all reserved resources, whether they are used or not, and the
    /// other allocated resources that are not revocable.
    fn consumed_quota(&self) -> ResourceQuantities {
        let mut consumed = self.reserved.clone();
        consumed += &self.unreserved;
        consumed
    }
}

/// Returns the roles that are shown, with their frameworks that are shown. As in Mesos, the amounts include hidden
/// frameworks.
fn visible_by_role(snapshot: &Snapshot) -> BTreeMap<String, Usage> {
    let mut usages = by_role(snapshot);
    if !snapshot.visibility.is_everything() {
        let shown: BTreeSet<&FrameworkId> =
            snapshot.visible_frameworks().map(|framework| &framework.snapshot.id).collect();
        usages.retain(|role, _| snapshot.visibility.shows_role(role));
        usages.values_mut().for_each(|usage| usage.frameworks.retain(|framework| shown.contains(framework)));
    }
    usages
}

/// Returns the roles of `--roles`. Without the flag these are all roles with subscribed frameworks, allocations,
/// reservations, a weight or a quota. The ancestors of each role are included.
fn by_role(snapshot: &Snapshot) -> BTreeMap<String, Usage> {
    let mut usages = Usages::default();
    let listed = snapshot.static_info.settings.roles.as_ref();
    for role in listed.into_iter().flatten().map(String::as_str).chain(listed.map(|_| roles::ANY)) {
        usages.within(role, |_| {});
    }
    for framework in snapshot.frameworks.iter() {
        let id = &framework.snapshot.id;
        let subscribed = framework.snapshot.roles.iter().cloned();
        let allocated = framework.used.allocation_roles().into_iter().chain(framework.offered.allocation_roles());
        for role in subscribed.chain(allocated) {
            usages.within(role.as_str(), |_| {});
            usages.0.entry(role.to_string()).or_default().frameworks.insert(id.clone());
        }
        usages.add(&framework.used, allocation, |usage| &mut usage.allocated);
        usages.add(&framework.offered, allocation, |usage| &mut usage.offered);
        usages.add(&framework.used, unreserved_allocation, |usage| &mut usage.unreserved);
        usages.add_own(&framework.used);
        usages.add_own(&framework.offered);
    }
    for (role, reserved) in &snapshot.totals.reserved {
        usages.within(role.as_str(), |usage| {
            reserved.iter().for_each(|(name, amount)| usage.reserved.add(name, scalar(*amount)));
        });
    }
    let of_policy = snapshot.policy.weights.keys().chain(snapshot.policy.quotas.keys());
    of_policy.for_each(|role| usages.within(role.as_str(), |_| {}));
    if let Some(known) = listed {
        let is_known = |role: &str| role == roles::ANY || known.iter().any(|known| roles::is_within(known, role));
        usages.0.retain(|role, _| is_known(role));
    }
    usages.0
}

fn allocation(resource: &Resource) -> Option<&str> {
    resource.allocation_role().map(|role| role.as_str())
}

/// Returns the role that a resource is allocated to if it is neither reserved nor revocable.
fn unreserved_allocation(resource: &Resource) -> Option<&str> {
    allocation(resource).filter(|_| resource.is_unreserved() && !resource.is_revocable())
}

#[derive(Default)]
struct Usages(BTreeMap<String, Usage>);

impl Usages {
    /// Changes the usage of a role and of its ancestors.
    fn within(&mut self, role: &str, mut change: impl FnMut(&mut Usage)) {
        for role in std::iter::once(role).chain(roles::ancestors(role)) {
            match self.0.get_mut(role) {
                Some(usage) => change(usage),
                None => change(self.0.entry(role.to_owned()).or_default()),
            }
        }
    }

    /// Adds the scalars of each role to that role alone.
    fn add_own(&mut self, resources: &Resources) {
        for resource in resources.iter() {
            if let (Some(role), Some(amount)) = (allocation(resource), resource.value().as_scalar()) {
                self.0.entry(role.to_owned()).or_default().own.add(resource.name(), amount);
            }
        }
    }

    fn add(
        &mut self,
        resources: &Resources,
        role_of: impl Fn(&Resource) -> Option<&str>,
        quantities: impl Fn(&mut Usage) -> &mut ResourceQuantities,
    ) {
        for resource in resources.iter() {
            if let Some(role) = role_of(resource) {
                self.within(role, |usage| quantities(usage).add(resource.name(), resource.value().quantity()));
            }
        }
    }
}

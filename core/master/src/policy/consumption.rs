//! The resources that roles use, for checks against quota. They are counted anew from the master's state when an
//! operator asks, which is rare.

use allocator::{Quota, ResourceLimits};
use messages::v1::quota::QuotaConfig;
use resources::{Name, Resource, ResourceQuantities, Resources, Scalar, roles};

use crate::agents::Agents;
use crate::frameworks::Frameworks;
use crate::offers::Offers;
use crate::tasks::Tasks;

/// Returns the resources that are reserved for a role and the roles below it, used or not, and the unreserved resources
/// that they use.
pub(super) fn consumed_quota(
    agents: &Agents,
    frameworks: &Frameworks,
    tasks: &Tasks,
    role: &str,
) -> ResourceQuantities {
    let mut consumed = ResourceQuantities::new();
    for id in agents.ids() {
        let Some(agent) = agents.get(id.as_str()) else { continue };
        add(&mut consumed, &agent.snapshot().total, |resource| reserved_within(resource, role));
        for (_, executor) in tasks.on_agent(id.as_str()).flat_map(|(_, usage)| usage.executors()) {
            add(&mut consumed, &executor.resources, |resource| unreserved_within(resource, role));
        }
    }
    for (_, task) in frameworks.iter().flat_map(|framework| tasks.of_framework(framework.id().as_str())) {
        add(&mut consumed, task.resources(), |resource| unreserved_within(resource, role));
    }
    consumed
}

pub(super) fn offered_within(frameworks: &Frameworks, offers: &Offers, role: &str) -> ResourceQuantities {
    let mut offered = ResourceQuantities::new();
    for id in frameworks.iter().flat_map(|framework| offers.of_framework(framework.id().as_str())) {
        let offer = offers.get(id.as_str()).filter(|offer| roles::is_within(offer.role.as_str(), role));
        offer.into_iter().for_each(|offer| offered += &quantities(&offer.resources));
    }
    offered
}

/// Returns the resources of all registered agents.
pub(super) fn capacity(agents: &Agents) -> ResourceQuantities {
    let mut capacity = ResourceQuantities::new();
    for id in agents.ids() {
        let agent = agents.get(id.as_str());
        let firm = |resource: &Resource| !resource.is_revocable() && resource.value().as_scalar().is_some();
        agent.into_iter().for_each(|agent| add(&mut capacity, &agent.snapshot().total, firm));
    }
    capacity
}

fn reserved_within(resource: &Resource, role: &str) -> bool {
    resource.reservation_role().is_some_and(|own| roles::is_within(own.as_str(), role))
}

fn unreserved_within(resource: &Resource, role: &str) -> bool {
    let allocated = resource.allocation_role().is_some_and(|own| roles::is_within(own.as_str(), role));
    allocated && resource.reservation_role().is_none() && !resource.is_revocable()
}

pub(super) fn quantities(resources: &Resources) -> ResourceQuantities {
    let mut quantities = ResourceQuantities::new();
    add(&mut quantities, resources, |_| true);
    quantities
}

fn add(sum: &mut ResourceQuantities, resources: &Resources, counted: impl Fn(&Resource) -> bool) {
    for resource in resources.iter().filter(|resource| counted(resource)) {
        sum.add(resource.name(), resource.value().quantity());
    }
}

pub(super) fn quota_of(config: &QuotaConfig) -> Quota {
    let scalar =
        |(name, amount): (&String, &messages::v1::value::Scalar)| (Name::new(name), Scalar::from_f64(amount.value));
    Quota {
        guarantees: config.guarantees.iter().map(scalar).collect(),
        limits: config.limits.iter().map(scalar).collect(),
    }
}

/// Prints limits as Mesos prints amounts.
pub(super) fn limits_text(limits: &ResourceLimits) -> String {
    let mut each: Vec<String> = limits.iter().map(|(name, limit)| format!("{name}:{limit}")).collect();
    each.sort_unstable();
    if each.is_empty() { "{}".to_owned() } else { each.join("; ") }
}

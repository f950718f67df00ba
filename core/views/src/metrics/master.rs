//! A master's metrics.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1::TaskState;
use model::master::{Metrics, OperationStateCounters};
use resources::Name;
use resources::operation::OperationSpec;

use super::{Counters, MetricSet, lower};
use crate::master::entity::Framework;
use crate::master::{RoleShare, Snapshot, policy};

pub(super) const ACTIVE: [TaskState; 6] = [
    TaskState::TaskStaging,
    TaskState::TaskStarting,
    TaskState::TaskRunning,
    TaskState::TaskKilling,
    TaskState::TaskUnreachable,
    TaskState::TaskUnknown,
];
const TERMINAL: [TaskState; 8] = [
    TaskState::TaskFinished,
    TaskState::TaskFailed,
    TaskState::TaskKilled,
    TaskState::TaskError,
    TaskState::TaskLost,
    TaskState::TaskDropped,
    TaskState::TaskGone,
    TaskState::TaskGoneByOperator,
];

const CALLS: [&str; 17] = [
    "accept",
    "accept_inverse_offers",
    "acknowledge",
    "acknowledge_operation_status",
    "decline",
    "decline_inverse_offers",
    "kill",
    "message",
    "reconcile",
    "reconcile_operations",
    "request",
    "revive",
    "shutdown",
    "subscribe",
    "suppress",
    "teardown",
    "update_framework",
];
const EVENTS: [&str; 11] = [
    "error",
    "failure",
    "heartbeat",
    "inverse_offers",
    "message",
    "offers",
    "rescind",
    "rescind_inverse_offer",
    "subscribed",
    "update",
    "update_operation_status",
];
const OFFERS: [&str; 4] = ["accepted", "declined", "rescinded", "sent"];

/// Returns every metric of a master by its Mesos name, ascending.
///
/// `counters` are those of the master ([`Metrics`]) and of its shell; one that they do not have is zero. The counters and gauges of the cluster as a whole (agents,
/// frameworks, tasks by state, resources) are kept by the master alone. The snapshot has those that belong to one
/// framework, role or principal.
pub fn master(snapshot: &Snapshot, counters: &Counters) -> Vec<(String, f64)> {
    let mut metric_set = MetricSet::default();
    metric_set.zeros(Metrics::DEFINITIONS);
    OperationStateCounters::names().for_each(|name| metric_set.set(name, 0.0));
    frameworks(&mut metric_set, snapshot);
    resources(&mut metric_set, snapshot);
    metric_set.joined_with(counters)
}

fn frameworks(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    principals(metric_set, snapshot);
    if snapshot.static_info.settings.publish_per_framework_metrics {
        for framework in snapshot.frameworks.iter().chain(snapshot.completed.iter()) {
            one_framework(metric_set, framework);
        }
    }
}

fn one_framework(metric_set: &mut MetricSet, framework: &Framework) {
    let snapshot = &framework.snapshot;
    let prefix = framework_prefix(&snapshot.info.name, snapshot.id.as_str());
    let operations = OperationSpec::ALL.map(|spec| spec.field);
    let operations: Vec<&str> = operations.into_iter().filter(|field| !field.is_empty()).collect();
    let kinds = [("calls", &CALLS[..]), ("events", &EVENTS[..]), ("offers", &OFFERS[..]), ("operations", &operations)];
    for (kind, names) in kinds {
        if kind != "offers" {
            metric_set.set(format!("{prefix}{kind}"), 0.0);
        }
        names.iter().for_each(|name| metric_set.set(format!("{prefix}{kind}/{name}"), 0.0));
    }
    let framework_metrics = &snapshot.framework_metrics;
    metric_set.set(format!("{prefix}offers/sent"), framework.offers_made as f64);
    metric_set.set(format!("{prefix}offers/accepted"), framework_metrics.offers_accepted() as f64);
    metric_set.set(format!("{prefix}offers/declined"), framework_metrics.offers_declined() as f64);
    metric_set.set(format!("{prefix}offers/rescinded"), framework_metrics.offers_rescinded() as f64);
    used(metric_set, &format!("{prefix}calls"), framework_metrics.calls());
    used(metric_set, &format!("{prefix}events"), framework_metrics.events());
    used(metric_set, &format!("{prefix}operations"), framework_metrics.operations());
    metric_set.set(format!("{prefix}subscribed"), f64::from(u8::from(snapshot.connected)));
    for role in &snapshot.roles {
        let suppressed = snapshot.suppressed.contains(role);
        metric_set.set(format!("{prefix}roles/{role}/suppressed"), f64::from(u8::from(suppressed)));
    }
    for state in ACTIVE {
        let unreachable = if state == TaskState::TaskUnreachable { framework.unreachable.len() as u64 } else { 0 };
        let count = framework.live.get(state) + unreachable;
        metric_set.set(format!("{prefix}tasks/active/{}", lower(state)), count as f64);
    }
    for state in TERMINAL {
        let count = framework.ended.get(state);
        metric_set.set(format!("{prefix}tasks/terminal/{}", lower(state)), count as f64);
    }
}

/// Sets the metric of each count, and of their sum.
fn used(metric_set: &mut MetricSet, prefix: &str, counts: impl Iterator<Item = (String, i64)>) {
    let mut sum = 0;
    for (name, count) in counts {
        metric_set.set(format!("{prefix}/{name}"), count as f64);
        sum += count;
    }
    metric_set.set(prefix.to_owned(), sum as f64);
}

/// Counts the calls of all frameworks of a principal. No call waits, so those that were received are processed.
fn principals(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    let mut calls: BTreeMap<&str, i64> = BTreeMap::new();
    for framework in snapshot.frameworks.iter() {
        if let Some(principal) = framework.snapshot.info.principal.as_deref() {
            *calls.entry(principal).or_default() +=
                framework.snapshot.framework_metrics.calls().map(|(_, count)| count).sum::<i64>();
        }
    }
    for (principal, count) in calls {
        metric_set.set(format!("frameworks/{principal}/messages_received"), count as f64);
        metric_set.set(format!("frameworks/{principal}/messages_processed"), count as f64);
    }
}

/// Returns the prefix of the metrics of a framework; it ends with a slash.
pub fn framework_prefix(name: &str, id: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("master/frameworks/{encoded}/{id}/")
}

fn resources(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    let totals = &snapshot.totals;
    // Mesos has these even without an agent.
    let mut names = BTreeSet::from([Name::CPUS, Name::MEM, Name::DISK]);
    names.extend(totals.total.names().cloned());
    for name in names {
        metric_set.set(format!("allocator/mesos/resources/{name}/total"), totals.total.get(&name).as_f64());
        let held = totals.held.get(&name).as_f64();
        metric_set.set(format!("allocator/mesos/resources/{name}/offered_or_allocated"), held);
    }
    let totals = totals.total.quantities();
    let excluded = &snapshot.static_info.settings.fair_sharing_excluded_resource_names;
    let shares = snapshot.role_shares();
    for (role, share) in &shares {
        // The metrics exist for every role that consumes resources, with or without quota, as with Mesos'
        // `Role::quotaConsumed`.
        for (name, consumed) in
            share.consumed_quota.iter().filter(|(name, _)| totals.iter().any(|(own, _)| own == *name))
        {
            let name = format!("allocator/mesos/quota/roles/{role}/resources/{name}/consumed");
            metric_set.set(name, consumed.as_f64());
        }
        // Mesos has both for roles with a framework, and for no others.
        if let Some(weight) = share.weight {
            let counts = |name: &Name| !excluded.contains(name);
            let dominant = share.offered_or_allocated.max_share(&totals, counts) / weight;
            let active = snapshot.offer_filters.get(role.as_str()).copied().unwrap_or_default();
            metric_set.set(format!("allocator/mesos/roles/{role}/shares/dominant"), dominant);
            metric_set.count(format!("allocator/mesos/offer_filters/roles/{role}/active"), active);
        }
    }
    quotas(metric_set, snapshot, &shares);
}

/// Sets the metrics of roles with quota, for the resources that their quota names. As in Mesos, `offered_or_allocated`
/// are the resources of the frameworks of exactly this role, without the roles below it.
fn quotas(metric_set: &mut MetricSet, snapshot: &Snapshot, shares: &BTreeMap<String, RoleShare>) {
    for (role, config) in snapshot.policy.quotas.iter() {
        let prefix = format!("allocator/mesos/quota/roles/{role}/resources/");
        for (name, guarantee) in policy::guarantees(config) {
            metric_set.set(format!("{prefix}{name}/guarantee"), guarantee);
        }
        for (name, limit) in policy::limits(config) {
            metric_set.set(format!("{prefix}{name}/limit"), limit);
        }
        let share = shares.get(role.as_str()).filter(|share| share.weight.is_some());
        for (name, _) in policy::guarantees(config).chain(policy::limits(config)) {
            let held = share.map(|share| share.offered_or_allocated.get(&Name::new(name))).unwrap_or_default();
            metric_set.set(format!("{prefix}{name}/offered_or_allocated"), held.as_f64());
        }
    }
}

//! The gauges that a master keeps, recounted from a snapshot for comparison.

use std::collections::BTreeMap;

use messages::v1::TaskState;
use resources::Resources;

use super::master::ACTIVE;
use super::{Counters, MetricSet, bare};
use crate::master::Snapshot;
use crate::master::entity::Framework;

/// Counts agents, frameworks, offers, tasks by state and resources by iterating over all of them.
///
/// The master keeps these gauges incrementally, and [`super::master`] shows the master's; tests compare both.
pub fn recount(snapshot: &Snapshot) -> Vec<(String, f64)> {
    let mut metric_set = MetricSet::default();
    agents(&mut metric_set, snapshot);
    frameworks(&mut metric_set, snapshot);
    let live = counts(snapshot.frameworks.iter());
    for state in ACTIVE.into_iter().filter(|state| *state != TaskState::TaskUnknown) {
        metric_set.count(format!("master/tasks_{}", bare(state)), live.get(&state).copied().unwrap_or_default());
    }
    let (mut total, mut used) = (Totals::default(), Totals::default());
    for agent in snapshot.agents.iter() {
        total.add(&agent.snapshot.total);
        used.add(&agent.total_used());
    }
    metric_set.resources("master/", &total.0, &used.0);
    metric_set.joined_with(&Counters::default())
}

fn agents(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    let connected = snapshot.agents.iter().filter(|agent| agent.snapshot.connected).count();
    let active = snapshot.agents.iter().filter(|agent| agent.snapshot.active).count();
    metric_set.count("master/slaves_connected", connected);
    metric_set.count("master/slaves_disconnected", snapshot.agents.len() - connected);
    metric_set.count("master/slaves_active", active);
    metric_set.count("master/slaves_inactive", snapshot.agents.len() - active);
    metric_set.count("master/slaves_unreachable", snapshot.unreachable_agents);
}

fn frameworks(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    let connected = snapshot.frameworks.iter().filter(|framework| framework.snapshot.connected).count();
    let active = snapshot.frameworks.iter().filter(|framework| framework.snapshot.active).count();
    metric_set.count("master/frameworks_connected", connected);
    metric_set.count("master/frameworks_disconnected", snapshot.frameworks.len() - connected);
    metric_set.count("master/frameworks_active", active);
    metric_set.count("master/frameworks_inactive", snapshot.frameworks.len() - active);
    let offers = snapshot.frameworks.iter().map(|framework| framework.offers.len()).sum();
    metric_set.count("master/outstanding_offers", offers);
}

/// Returns the numbers of tasks by state. Unreachable tasks, which a framework keeps apart from its live ones, are
/// included; completed ones are not.
fn counts<'a>(frameworks: impl Iterator<Item = &'a Framework>) -> BTreeMap<TaskState, usize> {
    let mut counts = BTreeMap::new();
    for framework in frameworks {
        framework.tasks.iter().for_each(|task| *counts.entry(task.snapshot.state()).or_default() += 1);
        *counts.entry(TaskState::TaskUnreachable).or_default() += framework.unreachable.len();
    }
    counts
}

/// Scalars without the details that differ between agents, so that sums have few entries.
#[derive(Default)]
struct Totals(Resources);

impl Totals {
    fn add(&mut self, resources: &Resources) {
        let plain = resources.iter().filter(|resource| resource.value().as_scalar().is_some());
        for resource in plain {
            let mut plain = Resources::from(resource.clone());
            plain.strip_reservations();
            plain.unallocate();
            self.0 += plain;
        }
    }
}

//! An agent's metrics.

use model::agent::Metrics;
use resources::Resources;

use super::{Counters, MetricSet};

/// Returns every metric of an agent by its Mesos name, ascending; a metric that `counters`, those of the agent and of
/// its shell, do not have is zero. The agent alone keeps them: a view shows entities and counts nothing.
pub fn agent(counters: &Counters) -> Vec<(String, f64)> {
    let mut metric_set = MetricSet::default();
    metric_set.zeros(Metrics::DEFINITIONS);
    metric_set.resources("slave/", &Resources::default(), &Resources::default());
    metric_set.joined_with(counters)
}

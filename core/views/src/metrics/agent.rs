//! An agent's metrics.

use resources::Resources;

use super::{Counters, MetricSet};

/// Every metric of Mesos except those of resources. The agent and its shell count them.
const NAMES: [&str; 36] = [
    "containerizer/fetcher/cache_size_total_bytes",
    "containerizer/fetcher/cache_size_used_bytes",
    "containerizer/fetcher/task_fetches_failed",
    "containerizer/fetcher/task_fetches_succeeded",
    "containerizer/mesos/container_destroy_errors",
    "gc/path_removals_failed",
    "gc/path_removals_pending",
    "gc/path_removals_succeeded",
    "resource_provider_manager/events/disconnect",
    "resource_provider_manager/events/subscribe",
    "resource_provider_manager/subscribed",
    "slave/container_launch_errors",
    "slave/executor_directory_max_allowed_age_secs",
    "slave/executors_preempted",
    "slave/executors_registering",
    "slave/executors_running",
    "slave/executors_terminated",
    "slave/executors_terminating",
    "slave/frameworks_active",
    "slave/invalid_framework_messages",
    "slave/invalid_status_updates",
    "slave/recovery_errors",
    "slave/recovery_time_secs",
    "slave/registered",
    "slave/tasks_failed",
    "slave/tasks_finished",
    "slave/tasks_gone",
    "slave/tasks_killed",
    "slave/tasks_killing",
    "slave/tasks_lost",
    "slave/tasks_running",
    "slave/tasks_staging",
    "slave/tasks_starting",
    "slave/uptime_secs",
    "slave/valid_framework_messages",
    "slave/valid_status_updates",
];

/// Returns every metric of an agent by its Mesos name, ascending; a metric that `counters`, those of the agent and of
/// its shell, do not have is zero. The agent alone keeps them: a view shows entities and counts nothing.
pub fn agent(counters: &Counters) -> Vec<(String, f64)> {
    let mut metric_set = MetricSet::default();
    NAMES.iter().for_each(|name| metric_set.set(*name, 0.0));
    metric_set.resources("slave/", &Resources::default(), &Resources::default());
    metric_set.joined_with(counters)
}

//! An agent's metrics.

use std::collections::BTreeMap;

use messages::v1::TaskState;
use model::agent::ExecutorState;
use resources::Resources;

use super::{Counters, MetricSet, bare};
use crate::agent::Snapshot;

/// Metrics that Mesos always shows and a view does not know. The shell sets those it counts.
const COUNTED_ELSEWHERE: [&str; 21] = [
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
    "slave/invalid_framework_messages",
    "slave/invalid_status_updates",
    "slave/recovery_errors",
    "slave/recovery_time_secs",
    "slave/uptime_secs",
    "slave/valid_framework_messages",
    "slave/valid_status_updates",
];

const LIVE: [TaskState; 4] =
    [TaskState::TaskStaging, TaskState::TaskStarting, TaskState::TaskRunning, TaskState::TaskKilling];
const ENDED: [TaskState; 5] =
    [TaskState::TaskFinished, TaskState::TaskFailed, TaskState::TaskKilled, TaskState::TaskLost, TaskState::TaskGone];

/// Every metric of an agent by its Mesos name, ascending.
pub fn agent(snapshot: &Snapshot, counters: &Counters) -> Vec<(String, f64)> {
    let mut metric_set = MetricSet::default();
    COUNTED_ELSEWHERE.iter().for_each(|name| metric_set.set(*name, 0.0));
    let known = snapshot.agent.as_deref();
    metric_set.set("slave/registered", f64::from(u8::from(known.is_some_and(|agent| agent.registered))));
    metric_set.count("slave/frameworks_active", snapshot.frameworks.len());
    executors(&mut metric_set, snapshot);
    tasks(&mut metric_set, snapshot);
    let nothing = Resources::default();
    metric_set.resources("slave/", known.map_or(&nothing, |agent| &agent.total), &snapshot.allocated());
    metric_set.joined_with(counters)
}

fn executors(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    let states = snapshot.frameworks.iter().flat_map(|framework| framework.executors.iter());
    let count = |state| states.clone().filter(|executor| executor.snapshot.state == state).count();
    metric_set.count("slave/executors_registering", count(ExecutorState::Registering));
    metric_set.count("slave/executors_running", count(ExecutorState::Running));
    metric_set.count("slave/executors_terminating", count(ExecutorState::Terminating));
    metric_set.set("slave/executors_terminated", snapshot.counts.executors_terminated as f64);
}

fn tasks(metric_set: &mut MetricSet, snapshot: &Snapshot) {
    let mut live: BTreeMap<TaskState, usize> = BTreeMap::new();
    for executor in snapshot.frameworks.iter().flat_map(|framework| framework.executors.iter()) {
        executor.tasks.iter().for_each(|task| *live.entry(task.task.state()).or_default() += 1);
    }
    for state in LIVE {
        metric_set.count(format!("slave/tasks_{}", bare(state)), live.get(&state).copied().unwrap_or_default());
    }
    for state in ENDED {
        let count = snapshot.counts.ended.get(&state).copied().unwrap_or_default();
        metric_set.set(format!("slave/tasks_{}", bare(state)), count as f64);
    }
}

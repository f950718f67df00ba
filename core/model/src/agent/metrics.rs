//! The counters and gauges of an agent under their Mesos names. The core writes and readers read them; a value is a
//! relaxed atomic because no decision depends on it.

use std::borrow::Cow;
use std::time::Duration;

use messages::v1::TaskState;
use resources::Resources;

use super::ExecutorState;
use crate::metrics::{MetricDefinition, MetricKind, MetricValue, ResourceGauges, gauges, metrics};

metrics! {
    /// The metrics of an agent. The core writes, readers read.
    pub struct Metrics {
        /// 1 while the leading master has accepted the agent.
        Gauge registered = "slave/registered",
        Gauge frameworks_active = "slave/frameworks_active",

        Gauge tasks_staging = "slave/tasks_staging",
        Gauge tasks_starting = "slave/tasks_starting",
        Gauge tasks_running = "slave/tasks_running",
        Gauge tasks_killing = "slave/tasks_killing",
        Counter tasks_finished = "slave/tasks_finished",
        Counter tasks_failed = "slave/tasks_failed",
        Counter tasks_killed = "slave/tasks_killed",
        Counter tasks_lost = "slave/tasks_lost",
        Counter tasks_gone = "slave/tasks_gone",

        Gauge executors_registering = "slave/executors_registering",
        Gauge executors_running = "slave/executors_running",
        Gauge executors_terminating = "slave/executors_terminating",
        Counter executors_terminated = "slave/executors_terminated",
        Counter executors_preempted = "slave/executors_preempted",

        Counter valid_status_updates = "slave/valid_status_updates",
        Counter invalid_status_updates = "slave/invalid_status_updates",
        Counter valid_framework_messages = "slave/valid_framework_messages",
        Counter invalid_framework_messages = "slave/invalid_framework_messages",

        Counter container_launch_errors = "slave/container_launch_errors",
        Counter recovery_errors = "slave/recovery_errors",
        Gauge gc_path_removals_pending = "gc/path_removals_pending",
    }
    shell {
        Gauge = "slave/uptime_secs",
        Gauge = "slave/executor_directory_max_allowed_age_secs",
        Gauge = "slave/recovery_time_secs",
        Gauge = "containerizer/fetcher/cache_size_total_bytes",
        Gauge = "containerizer/fetcher/cache_size_used_bytes",
        Counter = "containerizer/fetcher/task_fetches_failed",
        Counter = "containerizer/fetcher/task_fetches_succeeded",
        Counter = "containerizer/mesos/container_destroy_errors",
        Counter = "gc/path_removals_failed",
        Counter = "gc/path_removals_succeeded",
        Counter = "resource_provider_manager/events/disconnect",
        Counter = "resource_provider_manager/events/subscribe",
        Gauge = "resource_provider_manager/subscribed",
    }
    with {
        /// 1 until the executors of an earlier process have reconnected or their time to do so has passed.
        pub recovering: MetricValue,
        recovery_time_micros: MetricValue,
        executor_directory_max_allowed_age_millis: MetricValue,
        /// The agent's resources; the revocable ones are the oversubscribed resources.
        pub total: ResourceGauges,
        /// The part of them that executors use.
        pub used: ResourceGauges,
    }
}

impl Metrics {
    /// Iterates over every metric under its Mesos name. The shell adds `slave/uptime_secs`, which needs a clock.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        let age = self.executor_directory_max_allowed_age_millis.get() as f64 / 1e3;
        let age = (Cow::Borrowed("slave/executor_directory_max_allowed_age_secs"), age);
        // As in Mesos, the number does not exist before the recovery is over.
        let recovery_time = (self.recovering.get() == 0)
            .then(|| (Cow::Borrowed("slave/recovery_time_secs"), self.recovery_time_micros.get() as f64 / 1e6));
        self.fixed().chain([age]).chain(recovery_time).chain(gauges("slave/", &self.total, &self.used))
    }

    /// Records that the recovery is over, and its duration.
    pub fn recovered_after(&self, time: Duration) {
        self.recovery_time_micros.set(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        self.recovering.set(0);
    }

    /// Sets the highest age of a sandbox.
    pub fn set_sandbox_age(&self, age: Duration) {
        self.executor_directory_max_allowed_age_millis.set(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    }

    /// Sets the agent's resources.
    pub fn set_total(&self, total: &Resources) {
        self.total.set_firm(total);
    }

    /// Sets the oversubscribed resources.
    pub fn set_oversubscribed(&self, total: &Resources) {
        self.total.set_revocable(total);
    }

    /// Sets the resources that executors use.
    pub fn set_used(&self, used: &Resources) {
        self.used.set_firm(used);
        self.used.set_revocable(used);
    }

    /// Counts a task that is in this state from now on.
    pub fn task_entered(&self, state: TaskState) {
        if let Some(gauge) = self.task_gauge(state) {
            gauge.add(1);
        }
        match state {
            TaskState::TaskFinished => self.tasks_finished.increment(),
            TaskState::TaskFailed => self.tasks_failed.increment(),
            TaskState::TaskKilled => self.tasks_killed.increment(),
            TaskState::TaskLost => self.tasks_lost.increment(),
            TaskState::TaskGone => self.tasks_gone.increment(),
            // Mesos has no counters for these.
            TaskState::TaskStaging
            | TaskState::TaskStarting
            | TaskState::TaskRunning
            | TaskState::TaskKilling
            | TaskState::TaskError
            | TaskState::TaskDropped
            | TaskState::TaskUnreachable
            | TaskState::TaskGoneByOperator
            | TaskState::TaskUnknown => {}
        }
    }

    /// Counts a task that leaves this state.
    pub fn task_left(&self, state: TaskState) {
        if let Some(gauge) = self.task_gauge(state) {
            gauge.add(-1);
        }
    }

    /// Counts an executor that is in this state from now on.
    pub fn executor_entered(&self, state: ExecutorState) {
        match self.executor_gauge(state) {
            Some(gauge) => gauge.add(1),
            None => self.executors_terminated.increment(),
        }
    }

    /// Counts an executor that leaves this state.
    pub fn executor_left(&self, state: ExecutorState) {
        if let Some(gauge) = self.executor_gauge(state) {
            gauge.add(-1);
        }
    }

    fn task_gauge(&self, state: TaskState) -> Option<&MetricValue> {
        match state {
            TaskState::TaskStaging => Some(&self.tasks_staging),
            TaskState::TaskStarting => Some(&self.tasks_starting),
            TaskState::TaskRunning => Some(&self.tasks_running),
            TaskState::TaskKilling => Some(&self.tasks_killing),
            TaskState::TaskFinished
            | TaskState::TaskFailed
            | TaskState::TaskKilled
            | TaskState::TaskError
            | TaskState::TaskLost
            | TaskState::TaskDropped
            | TaskState::TaskUnreachable
            | TaskState::TaskGone
            | TaskState::TaskGoneByOperator
            | TaskState::TaskUnknown => None,
        }
    }

    fn executor_gauge(&self, state: ExecutorState) -> Option<&MetricValue> {
        match state {
            ExecutorState::Registering => Some(&self.executors_registering),
            ExecutorState::Running => Some(&self.executors_running),
            ExecutorState::Terminating => Some(&self.executors_terminating),
            ExecutorState::Terminated => None,
        }
    }
}

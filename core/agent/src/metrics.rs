//! The counters and gauges of an agent under their Mesos names. The core writes and readers read them; a value is a
//! relaxed atomic because no decision depends on it.

use std::borrow::Cow;
use std::time::Duration;

use messages::v1::TaskState;
use model::MetricValue;
use model::agent::ExecutorState;
use resources::{Resources, Scalar};

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// The counters and gauges of an agent. The core writes and readers read them.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[$doc])* #[doc = concat!("`", $name, "`.")] pub $field: MetricValue,)*
            /// 1 until the executors of an earlier process have reconnected or their time to do so has passed.
            pub recovering: MetricValue,
            recovery_time_micros: MetricValue,
            executor_directory_max_allowed_age_millis: MetricValue,
            /// The agent's resources, without oversubscribed ones.
            pub total: ResourceGauges,
            /// The part of them that executors use.
            pub used: ResourceGauges,
            /// The oversubscribed resources.
            pub revocable_total: ResourceGauges,
            /// The part of them that executors use.
            pub revocable_used: ResourceGauges,
        }

        impl Metrics {
            fn counts(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
                [$((Cow::Borrowed($name), self.$field.get() as f64),)*].into_iter()
            }
        }
    };
}

metrics! {
    /// 1 while the leading master has accepted the agent.
    registered = "slave/registered",
    frameworks_active = "slave/frameworks_active",

    tasks_staging = "slave/tasks_staging",
    tasks_starting = "slave/tasks_starting",
    tasks_running = "slave/tasks_running",
    tasks_killing = "slave/tasks_killing",
    tasks_finished = "slave/tasks_finished",
    tasks_failed = "slave/tasks_failed",
    tasks_killed = "slave/tasks_killed",
    tasks_lost = "slave/tasks_lost",
    tasks_gone = "slave/tasks_gone",

    executors_registering = "slave/executors_registering",
    executors_running = "slave/executors_running",
    executors_terminating = "slave/executors_terminating",
    executors_terminated = "slave/executors_terminated",
    executors_preempted = "slave/executors_preempted",

    valid_status_updates = "slave/valid_status_updates",
    invalid_status_updates = "slave/invalid_status_updates",
    valid_framework_messages = "slave/valid_framework_messages",
    invalid_framework_messages = "slave/invalid_framework_messages",

    container_launch_errors = "slave/container_launch_errors",
    recovery_errors = "slave/recovery_errors",
    gc_path_removals_pending = "gc/path_removals_pending",
}

/// Amounts in thousandths, as Mesos counts scalars.
#[derive(Debug, Default)]
pub struct ResourceGauges {
    /// Processors, in thousandths.
    pub cpus: MetricValue,
    /// GPUs, in thousandths.
    pub gpus: MetricValue,
    /// Memory in mebibytes, in thousandths.
    pub mem: MetricValue,
    /// Disk in mebibytes, in thousandths.
    pub disk: MetricValue,
}

impl Metrics {
    /// Iterates over every metric under its Mesos name. The shell adds `slave/uptime_secs`, which needs a clock.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        let age = self.executor_directory_max_allowed_age_millis.get() as f64 / 1e3;
        let age = (Cow::Borrowed("slave/executor_directory_max_allowed_age_secs"), age);
        // As in Mesos, the number does not exist before the recovery is over.
        let recovery_time = (self.recovering.get() == 0)
            .then(|| (Cow::Borrowed("slave/recovery_time_secs"), self.recovery_time_micros.get() as f64 / 1e6));
        self.counts().chain([age]).chain(recovery_time).chain(self.resources())
    }

    fn resources(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        let kinds = [("", &self.total, &self.used), ("revocable_", &self.revocable_total, &self.revocable_used)];
        kinds.into_iter().flat_map(|(infix, total, used)| {
            total.each().into_iter().zip(used.each()).flat_map(move |((name, total), (_, used))| {
                let (total, used) = (total.get() as f64 / 1e3, used.get() as f64 / 1e3);
                let percent = if total > 0.0 { used / total } else { 0.0 };
                [("total", total), ("used", used), ("percent", percent)]
                    .map(|(suffix, value)| (Cow::Owned(format!("slave/{name}_{infix}{suffix}")), value))
            })
        })
    }

    /// Records that the recovery is over, and its duration.
    pub(crate) fn recovered_after(&self, time: Duration) {
        self.recovery_time_micros.set(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        self.recovering.set(0);
    }

    /// Sets the highest age of a sandbox.
    pub(crate) fn set_sandbox_age(&self, age: Duration) {
        self.executor_directory_max_allowed_age_millis.set(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    }

    /// Sets the agent's resources.
    pub(crate) fn set_total(&self, total: &Resources) {
        self.total.set(&total.non_revocable());
    }

    /// Sets the oversubscribed resources.
    pub(crate) fn set_oversubscribed(&self, total: &Resources) {
        self.revocable_total.set(total);
    }

    /// Sets the resources that executors use.
    pub(crate) fn set_used(&self, used: &Resources) {
        self.used.set(&used.non_revocable());
        self.revocable_used.set(&used.revocable());
    }

    /// Counts a task that is in this state from now on.
    pub(crate) fn task_entered(&self, state: TaskState) {
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
    pub(crate) fn task_left(&self, state: TaskState) {
        if let Some(gauge) = self.task_gauge(state) {
            gauge.add(-1);
        }
    }

    /// Counts an executor that is in this state from now on.
    pub(crate) fn executor_entered(&self, state: ExecutorState) {
        match self.executor_gauge(state) {
            Some(gauge) => gauge.add(1),
            None => self.executors_terminated.increment(),
        }
    }

    /// Counts an executor that leaves this state.
    pub(crate) fn executor_left(&self, state: ExecutorState) {
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

impl ResourceGauges {
    fn each(&self) -> [(&'static str, &MetricValue); 4] {
        [("cpus", &self.cpus), ("gpus", &self.gpus), ("mem", &self.mem), ("disk", &self.disk)]
    }

    fn set(&self, resources: &Resources) {
        for (name, gauge) in self.each() {
            let amount = resources.get_scalar(name).map_or(0.0, Scalar::as_f64);
            gauge.set((amount * 1e3).round() as i64);
        }
    }
}

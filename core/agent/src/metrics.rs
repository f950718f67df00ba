//! The numbers of `/metrics/snapshot` that only the core knows. It writes them as it decides; readers load them
//! without asking the core.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use messages::v1::TaskState;
use model::agent::ExecutorState;
use resources::{Resources, Scalar};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// Written by the core's thread only.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, delta: i64) {
        self.0.fetch_add(delta, Ordering::Relaxed);
    }
}

/// In thousandths, as Mesos counts scalars.
#[derive(Debug, Default)]
pub struct ResourceGauges {
    pub cpus: Gauge,
    pub gpus: Gauge,
    pub mem: Gauge,
    pub disk: Gauge,
}

#[derive(Debug, Default)]
pub struct Metrics {
    pub registered: Gauge,
    pub frameworks_active: Gauge,
    pub tasks_staging: Gauge,
    pub tasks_starting: Gauge,
    pub tasks_running: Gauge,
    pub tasks_killing: Gauge,
    pub tasks_finished: Counter,
    pub tasks_failed: Counter,
    pub tasks_killed: Counter,
    pub tasks_lost: Counter,
    pub tasks_gone: Counter,
    pub executors_registering: Gauge,
    pub executors_running: Gauge,
    pub executors_terminating: Gauge,
    pub executors_terminated: Counter,
    pub executors_preempted: Counter,
    pub valid_status_updates: Counter,
    pub invalid_status_updates: Counter,
    pub valid_framework_messages: Counter,
    pub invalid_framework_messages: Counter,
    pub container_launch_errors: Counter,
    pub recovery_errors: Counter,
    /// 1 until the executors of an earlier process have come back or had their time.
    pub recovering: Gauge,
    recovery_time_micros: Gauge,
    executor_directory_max_allowed_age_millis: Gauge,
    /// `gc/path_removals_pending`.
    pub gc_path_removals_pending: Gauge,
    pub total: ResourceGauges,
    pub used: ResourceGauges,
    pub revocable_total: ResourceGauges,
    pub revocable_used: ResourceGauges,
}

impl Metrics {
    /// Mesos' names and values. `slave/uptime_secs` is the shell's to add: it needs a clock.
    pub fn snapshot(&self) -> Vec<(String, f64)> {
        let mut all: Vec<(String, f64)> = vec![
            ("slave/registered".into(), self.registered.get() as f64),
            ("slave/frameworks_active".into(), self.frameworks_active.get() as f64),
            ("slave/tasks_staging".into(), self.tasks_staging.get() as f64),
            ("slave/tasks_starting".into(), self.tasks_starting.get() as f64),
            ("slave/tasks_running".into(), self.tasks_running.get() as f64),
            ("slave/tasks_killing".into(), self.tasks_killing.get() as f64),
            ("slave/tasks_finished".into(), self.tasks_finished.get() as f64),
            ("slave/tasks_failed".into(), self.tasks_failed.get() as f64),
            ("slave/tasks_killed".into(), self.tasks_killed.get() as f64),
            ("slave/tasks_lost".into(), self.tasks_lost.get() as f64),
            ("slave/tasks_gone".into(), self.tasks_gone.get() as f64),
            ("slave/executors_registering".into(), self.executors_registering.get() as f64),
            ("slave/executors_running".into(), self.executors_running.get() as f64),
            ("slave/executors_terminating".into(), self.executors_terminating.get() as f64),
            ("slave/executors_terminated".into(), self.executors_terminated.get() as f64),
            ("slave/executors_preempted".into(), self.executors_preempted.get() as f64),
            ("slave/valid_status_updates".into(), self.valid_status_updates.get() as f64),
            ("slave/invalid_status_updates".into(), self.invalid_status_updates.get() as f64),
            ("slave/valid_framework_messages".into(), self.valid_framework_messages.get() as f64),
            ("slave/invalid_framework_messages".into(), self.invalid_framework_messages.get() as f64),
            ("slave/container_launch_errors".into(), self.container_launch_errors.get() as f64),
            ("slave/recovery_errors".into(), self.recovery_errors.get() as f64),
            (
                "slave/executor_directory_max_allowed_age_secs".into(),
                self.executor_directory_max_allowed_age_millis.get() as f64 / 1e3,
            ),
            ("gc/path_removals_pending".into(), self.gc_path_removals_pending.get() as f64),
        ];
        // As Mesos: there is no such number before the recovery is over.
        if self.recovering.get() == 0 {
            all.push(("slave/recovery_time_secs".into(), self.recovery_time_micros.get() as f64 / 1e6));
        }
        for (infix, total, used) in
            [("", &self.total, &self.used), ("revocable_", &self.revocable_total, &self.revocable_used)]
        {
            for ((name, total), (_, used)) in total.each().into_iter().zip(used.each()) {
                let (total, used) = (total.get() as f64 / 1e3, used.get() as f64 / 1e3);
                all.push((format!("slave/{name}_{infix}total"), total));
                all.push((format!("slave/{name}_{infix}used"), used));
                all.push((format!("slave/{name}_{infix}percent"), if total > 0.0 { used / total } else { 0.0 }));
            }
        }
        all
    }

    pub(crate) fn recovered_after(&self, time: Duration) {
        self.recovery_time_micros.set(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        self.recovering.set(0);
    }

    pub(crate) fn set_sandbox_age(&self, age: Duration) {
        self.executor_directory_max_allowed_age_millis.set(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    }

    pub(crate) fn set_total(&self, total: &Resources) {
        self.total.set(&total.non_revocable());
    }

    /// What is offered once more.
    pub(crate) fn set_oversubscribed(&self, total: &Resources) {
        self.revocable_total.set(total);
    }

    pub(crate) fn set_used(&self, used: &Resources) {
        self.used.set(&used.non_revocable());
        self.revocable_used.set(&used.revocable());
    }

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
            _ => {}
        }
    }

    pub(crate) fn task_left(&self, state: TaskState) {
        if let Some(gauge) = self.task_gauge(state) {
            gauge.add(-1);
        }
    }

    pub(crate) fn executor_entered(&self, state: ExecutorState) {
        match self.executor_gauge(state) {
            Some(gauge) => gauge.add(1),
            None => self.executors_terminated.increment(),
        }
    }

    pub(crate) fn executor_left(&self, state: ExecutorState) {
        if let Some(gauge) = self.executor_gauge(state) {
            gauge.add(-1);
        }
    }

    fn task_gauge(&self, state: TaskState) -> Option<&Gauge> {
        match state {
            TaskState::TaskStaging => Some(&self.tasks_staging),
            TaskState::TaskStarting => Some(&self.tasks_starting),
            TaskState::TaskRunning => Some(&self.tasks_running),
            TaskState::TaskKilling => Some(&self.tasks_killing),
            _ => None,
        }
    }

    fn executor_gauge(&self, state: ExecutorState) -> Option<&Gauge> {
        match state {
            ExecutorState::Registering => Some(&self.executors_registering),
            ExecutorState::Running => Some(&self.executors_running),
            ExecutorState::Terminating => Some(&self.executors_terminating),
            ExecutorState::Terminated => None,
        }
    }
}

impl ResourceGauges {
    fn each(&self) -> [(&'static str, &Gauge); 4] {
        [("cpus", &self.cpus), ("gpus", &self.gpus), ("mem", &self.mem), ("disk", &self.disk)]
    }

    fn set(&self, resources: &Resources) {
        for (name, gauge) in self.each() {
            let amount = resources.get_scalar(name).map_or(0.0, Scalar::as_f64);
            gauge.set((amount * 1e3).round() as i64);
        }
    }
}

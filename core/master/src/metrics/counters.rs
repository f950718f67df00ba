//! The counters and gauges of a master under their Mesos names. The core writes and readers read them; a value is a
//! relaxed atomic because no decision depends on it.

use std::borrow::Cow;

use messages::v1;
use model::MetricValue;
use resources::Resources;
use resources::operation::OperationSpec;
use v1::offer::operation::Type as OperationType;

macro_rules! metrics {
    ($($field:ident = $name:literal,)*) => {
        /// The counters and gauges of a master. The master writes, readers read.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(
                #[doc = concat!("The metric `", $name, "`.")]
                pub $field: MetricValue,
            )*
            /// The total resources of registered agents.
            pub(crate) total: ResourceGauges,
            /// The resources that tasks and executors use on them.
            pub(crate) used: ResourceGauges,
            tasks: TaskStateCounters,
            pub(crate) operations: OperationStateCounters,
        }

        impl Metrics {
            /// Iterates over every metric with a fixed name, the resource gauges, and the metrics of `master/task_…`
            /// that have been used.
            pub fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
                let fixed = [$((Cow::Borrowed($name), self.$field.get() as f64),)*];
                fixed.into_iter().chain(self.resources()).chain(self.tasks.iter()).chain(self.operations.iter())
            }
        }
    };
}

metrics! {
    // The shell writes this metric.
    elected = "master/elected",
    event_queue_messages = "master/event_queue_messages",
    event_queue_dispatches = "master/event_queue_dispatches",
    event_queue_http_requests = "master/event_queue_http_requests",
    http_cache_hits = "master/http_cache_hits",
    operator_event_stream_subscribers = "master/operator_event_stream_subscribers",
    uptime_secs = "master/uptime_secs",

    frameworks_connected = "master/frameworks_connected",
    frameworks_disconnected = "master/frameworks_disconnected",
    frameworks_active = "master/frameworks_active",
    frameworks_inactive = "master/frameworks_inactive",
    outstanding_offers = "master/outstanding_offers",

    slaves_connected = "master/slaves_connected",
    slaves_disconnected = "master/slaves_disconnected",
    slaves_active = "master/slaves_active",
    slaves_inactive = "master/slaves_inactive",
    slaves_unreachable = "master/slaves_unreachable",
    slave_registrations = "master/slave_registrations",
    slave_reregistrations = "master/slave_reregistrations",
    slave_removals = "master/slave_removals",
    slave_removals_reason_registered = "master/slave_removals/reason_registered",
    slave_removals_reason_unhealthy = "master/slave_removals/reason_unhealthy",
    slave_removals_reason_unregistered = "master/slave_removals/reason_unregistered",
    slave_shutdowns_scheduled = "master/slave_shutdowns_scheduled",
    slave_shutdowns_completed = "master/slave_shutdowns_completed",
    slave_shutdowns_canceled = "master/slave_shutdowns_canceled",
    slave_unreachable_scheduled = "master/slave_unreachable_scheduled",
    slave_unreachable_completed = "master/slave_unreachable_completed",
    slave_unreachable_canceled = "master/slave_unreachable_canceled",
    recovery_slave_removals = "master/recovery_slave_removals",

    failures_detected = "master/failures/detected",
    failures_recovered = "master/failures/recovered",
    failures_open = "master/failures/open",
    failures_suppressed = "master/failures/suppressed",
    failures_held = "master/failures/agents_held",
    failures_refused = "master/failures/agents_not_held",

    tasks_staging = "master/tasks_staging",
    tasks_starting = "master/tasks_starting",
    tasks_running = "master/tasks_running",
    tasks_killing = "master/tasks_killing",
    tasks_unreachable = "master/tasks_unreachable",
    tasks_finished = "master/tasks_finished",
    tasks_failed = "master/tasks_failed",
    tasks_killed = "master/tasks_killed",
    tasks_error = "master/tasks_error",
    tasks_lost = "master/tasks_lost",
    tasks_dropped = "master/tasks_dropped",
    tasks_gone = "master/tasks_gone",
    tasks_gone_by_operator = "master/tasks_gone_by_operator",

    dropped_messages = "master/dropped_messages",
    messages_authenticate = "master/messages_authenticate",
    messages_deactivate_framework = "master/messages_deactivate_framework",
    messages_decline_offers = "master/messages_decline_offers",
    messages_executor_to_framework = "master/messages_executor_to_framework",
    messages_exited_executor = "master/messages_exited_executor",
    messages_framework_to_executor = "master/messages_framework_to_executor",
    messages_kill_task = "master/messages_kill_task",
    messages_launch_tasks = "master/messages_launch_tasks",
    messages_operation_status_update = "master/messages_operation_status_update",
    messages_operation_status_update_acknowledgement = "master/messages_operation_status_update_acknowledgement",
    messages_reconcile_operations = "master/messages_reconcile_operations",
    messages_reconcile_tasks = "master/messages_reconcile_tasks",
    messages_register_framework = "master/messages_register_framework",
    messages_register_slave = "master/messages_register_slave",
    messages_reregister_framework = "master/messages_reregister_framework",
    messages_reregister_slave = "master/messages_reregister_slave",
    messages_resource_request = "master/messages_resource_request",
    messages_revive_offers = "master/messages_revive_offers",
    messages_status_update = "master/messages_status_update",
    messages_status_update_acknowledgement = "master/messages_status_update_acknowledgement",
    messages_suppress_offers = "master/messages_suppress_offers",
    messages_unregister_framework = "master/messages_unregister_framework",
    messages_unregister_slave = "master/messages_unregister_slave",
    messages_update_slave = "master/messages_update_slave",
    valid_framework_to_executor_messages = "master/valid_framework_to_executor_messages",
    invalid_framework_to_executor_messages = "master/invalid_framework_to_executor_messages",
    valid_executor_to_framework_messages = "master/valid_executor_to_framework_messages",
    invalid_executor_to_framework_messages = "master/invalid_executor_to_framework_messages",
    valid_status_updates = "master/valid_status_updates",
    invalid_status_updates = "master/invalid_status_updates",
    valid_status_update_acknowledgements = "master/valid_status_update_acknowledgements",
    invalid_status_update_acknowledgements = "master/invalid_status_update_acknowledgements",
    valid_operation_status_updates = "master/valid_operation_status_updates",
    invalid_operation_status_updates = "master/invalid_operation_status_updates",
    valid_operation_status_update_acknowledgements = "master/valid_operation_status_update_acknowledgements",
    invalid_operation_status_update_acknowledgements = "master/invalid_operation_status_update_acknowledgements",

    // This metric is not of Mesos: the number of tasks killed so that a partition gets back what it lent.
    partition_preemptions = "master/partition_preemptions",

    allocation_runs = "allocator/mesos/allocation_runs",
    // There is no queue between master and allocator; monitors expect the names.
    allocator_event_queue_dispatches = "allocator/mesos/event_queue_dispatches",
    allocator_event_queue_dispatches_old = "allocator/event_queue_dispatches",

    registrar_queued_operations = "registrar/queued_operations",
}

impl Metrics {
    fn resources(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        let kinds =
            [("", &self.total.firm, &self.used.firm), ("_revocable", &self.total.revocable, &self.used.revocable)];
        kinds.into_iter().flat_map(|(infix, total, used)| {
            NAMES.iter().zip(total).zip(used).flat_map(move |((name, total), used)| {
                let (total, used) = (total.get() as f64 / 1000.0, used.get() as f64 / 1000.0);
                let percent = if total == 0.0 { 0.0 } else { used / total };
                [("total", total), ("used", used), ("percent", percent)]
                    .map(|(suffix, value)| (Cow::Owned(format!("master/{name}{infix}_{suffix}")), value))
            })
        })
    }

    /// Returns the gauge of tasks in this state; `None` for states without one.
    pub(crate) fn tasks_in(&self, state: v1::TaskState) -> Option<&MetricValue> {
        match state {
            v1::TaskState::TaskStaging => Some(&self.tasks_staging),
            v1::TaskState::TaskStarting => Some(&self.tasks_starting),
            v1::TaskState::TaskRunning => Some(&self.tasks_running),
            v1::TaskState::TaskKilling => Some(&self.tasks_killing),
            // Unreachable tasks are counted where they are kept; ended tasks have counters.
            v1::TaskState::TaskUnreachable
            | v1::TaskState::TaskFinished
            | v1::TaskState::TaskFailed
            | v1::TaskState::TaskKilled
            | v1::TaskState::TaskLost
            | v1::TaskState::TaskError
            | v1::TaskState::TaskDropped
            | v1::TaskState::TaskGone
            | v1::TaskState::TaskGoneByOperator
            | v1::TaskState::TaskUnknown => None,
        }
    }

    /// Counts a task that ended or was never launched.
    pub(crate) fn task_ended(&self, state: v1::TaskState, source: Option<i32>, reason: Option<i32>) {
        let counter = match state {
            v1::TaskState::TaskFinished => Some(&self.tasks_finished),
            v1::TaskState::TaskFailed => Some(&self.tasks_failed),
            v1::TaskState::TaskKilled => Some(&self.tasks_killed),
            v1::TaskState::TaskLost => Some(&self.tasks_lost),
            v1::TaskState::TaskError => Some(&self.tasks_error),
            v1::TaskState::TaskDropped => Some(&self.tasks_dropped),
            v1::TaskState::TaskGone => Some(&self.tasks_gone),
            v1::TaskState::TaskGoneByOperator => Some(&self.tasks_gone_by_operator),
            v1::TaskState::TaskStaging
            | v1::TaskState::TaskStarting
            | v1::TaskState::TaskRunning
            | v1::TaskState::TaskKilling
            | v1::TaskState::TaskUnreachable
            | v1::TaskState::TaskUnknown => None,
        };
        if let Some(counter) = counter {
            counter.increment();
        }
        if let Some(reason) = reason {
            self.tasks.increment(state as i32, source.unwrap_or_default(), reason);
        }
    }
}

const NAMES: [&str; 4] = ["cpus", "gpus", "mem", "disk"];

/// The gauges of resources, in thousandths.
#[derive(Debug, Default)]
pub(crate) struct ResourceGauges {
    firm: [MetricValue; NAMES.len()],
    revocable: [MetricValue; NAMES.len()],
}

impl ResourceGauges {
    pub fn add(&self, resources: &Resources) {
        self.change(resources, 1);
    }

    pub fn subtract(&self, resources: &Resources) {
        self.change(resources, -1);
    }

    fn change(&self, resources: &Resources, sign: i64) {
        for resource in resources {
            let Some(amount) = resource.value().as_scalar() else { continue };
            let values = if resource.is_revocable() { &self.revocable } else { &self.firm };
            for (_, value) in NAMES.iter().zip(values).filter(|(name, _)| **name == resource.name().as_str()) {
                value.add(sign * amount.thousandths());
            }
        }
    }
}

const STATES: usize = 14;
const SOURCES: usize = 3;
const REASONS: usize = 35;

/// `master/task_<state>/source_<source>/reason_<reason>`, as a table, since the set is closed.
#[derive(Debug)]
struct TaskStateCounters(Box<[MetricValue]>);

impl Default for TaskStateCounters {
    fn default() -> Self {
        TaskStateCounters((0..STATES * SOURCES * REASONS).map(|_| MetricValue::default()).collect())
    }
}

impl TaskStateCounters {
    fn increment(&self, state: i32, source: i32, reason: i32) {
        let (Ok(state), Ok(source), Ok(reason)) =
            (usize::try_from(state), usize::try_from(source), usize::try_from(reason))
        else {
            return;
        };
        if source < SOURCES
            && reason < REASONS
            && let Some(value) = self.0.get((state * SOURCES + source) * REASONS + reason)
        {
            value.increment();
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        self.0.iter().enumerate().filter(|(_, value)| value.get() != 0).filter_map(|(index, value)| {
            let reason = v1::task_status::Reason::try_from((index % REASONS) as i32).ok()?;
            let source = v1::task_status::Source::try_from((index / REASONS % SOURCES) as i32).ok()?;
            let state = v1::TaskState::try_from((index / REASONS / SOURCES) as i32).ok()?;
            let name = format!("master/{}/{}/{}", state.as_str_name(), source.as_str_name(), reason.as_str_name());
            // The names are those of the v0 enums, in which an agent is a slave.
            let name = name.to_lowercase().replace("_agent", "_slave");
            Some((Cow::Owned(name), value.get() as f64))
        })
    }
}

/// `master/operations/<state>` and `master/operations/<type>/<state>`, each state and their `total`.
#[derive(Debug)]
pub(crate) struct OperationStateCounters(Box<[MetricValue]>);

/// Returns the types of operations that are counted, and `None` for all of them together.
fn operation_types() -> impl Iterator<Item = Option<OperationType>> {
    std::iter::once(None).chain(OperationSpec::conversions().map(|spec| Some(spec.kind)))
}

/// The states of operations; `None` stands for the total.
const OPERATION_STATES: [Option<v1::OperationState>; 9] = [
    None,
    Some(v1::OperationState::OperationPending),
    Some(v1::OperationState::OperationRecovering),
    Some(v1::OperationState::OperationUnreachable),
    Some(v1::OperationState::OperationFinished),
    Some(v1::OperationState::OperationFailed),
    Some(v1::OperationState::OperationError),
    Some(v1::OperationState::OperationDropped),
    Some(v1::OperationState::OperationGoneByOperator),
];

impl Default for OperationStateCounters {
    fn default() -> Self {
        OperationStateCounters(cells().map(|_| MetricValue::default()).collect())
    }
}

impl OperationStateCounters {
    pub fn add(&self, kind: OperationType, state: v1::OperationState, amount: i64) {
        let counts = |(of_kind, of_state): (Option<OperationType>, Option<v1::OperationState>)| {
            of_kind.is_none_or(|of| of == kind) && of_state.is_none_or(|of| of == state)
        };
        for (value, _) in self.0.iter().zip(cells()).filter(|(_, cell)| counts(*cell)) {
            value.add(amount);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        self.0.iter().zip(cells()).filter(|(value, _)| value.get() != 0).map(|(value, (kind, state))| {
            let kind = kind.map(|kind| format!("{}/", OperationSpec::of(kind).field)).unwrap_or_default();
            let state = state.map_or("total".to_owned(), |state| {
                state.as_str_name().trim_start_matches("OPERATION_").to_lowercase()
            });
            (Cow::Owned(format!("master/operations/{kind}{state}")), value.get() as f64)
        })
    }
}

fn cells() -> impl Iterator<Item = (Option<OperationType>, Option<v1::OperationState>)> {
    operation_types().flat_map(|kind| OPERATION_STATES.into_iter().map(move |state| (kind, state)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_the_names_of_mesos() {
        let metrics = Metrics::default();
        metrics.slave_removals_reason_registered.increment();
        metrics.task_ended(
            v1::TaskState::TaskLost,
            Some(v1::task_status::Source::Agent as i32),
            Some(v1::task_status::Reason::AgentRemoved as i32),
        );
        let set: Vec<_> = metrics.iter().filter(|(_, value)| *value != 0.0).map(|(name, _)| name).collect();
        assert_eq!(
            set,
            [
                "master/slave_removals/reason_registered",
                "master/tasks_lost",
                "master/task_lost/source_slave/reason_slave_removed"
            ]
        );
        // The gauges of failures, which Mesos does not have.
        const FAILURES: usize = 6;
        assert_eq!(Metrics::default().iter().count(), 82 + 24 + 3 + FAILURES);
    }

    #[test]
    fn resources_have_gauges() {
        let metrics = Metrics::default();
        metrics.total.add(&Resources::parse("cpus:4;mem:1024;ports:[1-2]", "*").unwrap());
        metrics.used.add(&Resources::parse("cpus:1.5;mem:1024", "*").unwrap());
        metrics.used.subtract(&Resources::parse("mem:512", "*").unwrap());
        let set: Vec<_> = metrics.iter().filter(|(_, value)| *value != 0.0).collect();
        let expect = [
            ("master/cpus_total", 4.0),
            ("master/cpus_used", 1.5),
            ("master/cpus_percent", 0.375),
            ("master/mem_total", 1024.0),
            ("master/mem_used", 512.0),
            ("master/mem_percent", 0.5),
        ];
        assert_eq!(set, expect.map(|(name, value)| (Cow::Borrowed(name), value)));
    }

    /// The tables are as large as the enums that they are indexed by.
    #[test]
    fn every_state_source_reason_and_operation_is_counted() {
        let states = (0..64).filter_map(|number| v1::TaskState::try_from(number).ok());
        let sources = (0..64).filter_map(|number| v1::task_status::Source::try_from(number).ok());
        let reasons = (0..256).filter_map(|number| v1::task_status::Reason::try_from(number).ok());
        assert_eq!((states.count(), sources.count(), reasons.count()), (STATES, SOURCES, REASONS));
        for kind in (0..64).filter_map(|number| OperationType::try_from(number).ok()) {
            let launches = matches!(kind, OperationType::Launch | OperationType::LaunchGroup | OperationType::Unknown);
            let counters = OperationStateCounters::default();
            counters.add(kind, v1::OperationState::OperationPending, 1);
            // The state and the total of the type, and both of all types.
            let expect = if launches { 2 } else { 4 };
            assert_eq!(counters.iter().count(), expect, "{kind:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_not_counted() {
        let metrics = Metrics::default();
        metrics.task_ended(v1::TaskState::TaskLost, Some(9), Some(1000));
        assert_eq!(metrics.iter().filter(|(_, value)| *value != 0.0).count(), 1);
    }
}

//! The counters and gauges of a master under their Mesos names. The core writes and readers read them; a value is a
//! relaxed atomic because no decision depends on it.

use std::borrow::Cow;

use messages::v1;
use resources::operation::OperationSpec;
use v1::offer::operation::Type as OperationType;

use crate::metrics::{MetricDefinition, MetricKind, MetricValue, ResourceGauges, gauges, metrics};

metrics! {
    /// The metrics of a master. The master writes, readers read.
    pub struct Metrics {
        Gauge frameworks_connected = "master/frameworks_connected",
        Gauge frameworks_disconnected = "master/frameworks_disconnected",
        Gauge frameworks_active = "master/frameworks_active",
        Gauge frameworks_inactive = "master/frameworks_inactive",
        Gauge outstanding_offers = "master/outstanding_offers",

        Gauge slaves_connected = "master/slaves_connected",
        Gauge slaves_disconnected = "master/slaves_disconnected",
        Gauge slaves_active = "master/slaves_active",
        Gauge slaves_inactive = "master/slaves_inactive",
        Gauge slaves_unreachable = "master/slaves_unreachable",
        Counter slave_registrations = "master/slave_registrations",
        Counter slave_reregistrations = "master/slave_reregistrations",
        Counter slave_removals = "master/slave_removals",
        Counter slave_removals_reason_registered = "master/slave_removals/reason_registered",
        Counter slave_removals_reason_unhealthy = "master/slave_removals/reason_unhealthy",
        Counter slave_removals_reason_unregistered = "master/slave_removals/reason_unregistered",
        Counter slave_shutdowns_scheduled = "master/slave_shutdowns_scheduled",
        Counter slave_shutdowns_completed = "master/slave_shutdowns_completed",
        Counter slave_shutdowns_canceled = "master/slave_shutdowns_canceled",
        Counter slave_unreachable_scheduled = "master/slave_unreachable_scheduled",
        Counter slave_unreachable_completed = "master/slave_unreachable_completed",
        Counter slave_unreachable_canceled = "master/slave_unreachable_canceled",
        Counter recovery_slave_removals = "master/recovery_slave_removals",

        Counter failures_detected = "master/failures/detected",
        Counter failures_recovered = "master/failures/recovered",
        Gauge failures_open = "master/failures/open",
        Counter failures_suppressed = "master/failures/suppressed",
        Gauge failures_held = "master/failures/agents_held",
        Counter failures_refused = "master/failures/agents_not_held",

        Gauge tasks_staging = "master/tasks_staging",
        Gauge tasks_starting = "master/tasks_starting",
        Gauge tasks_running = "master/tasks_running",
        Gauge tasks_killing = "master/tasks_killing",
        Gauge tasks_unreachable = "master/tasks_unreachable",
        Counter tasks_finished = "master/tasks_finished",
        Counter tasks_failed = "master/tasks_failed",
        Counter tasks_killed = "master/tasks_killed",
        Counter tasks_error = "master/tasks_error",
        Counter tasks_lost = "master/tasks_lost",
        Counter tasks_dropped = "master/tasks_dropped",
        Counter tasks_gone = "master/tasks_gone",
        Counter tasks_gone_by_operator = "master/tasks_gone_by_operator",

        Counter dropped_messages = "master/dropped_messages",
        Counter messages_authenticate = "master/messages_authenticate",
        Counter messages_deactivate_framework = "master/messages_deactivate_framework",
        Counter messages_decline_offers = "master/messages_decline_offers",
        Counter messages_executor_to_framework = "master/messages_executor_to_framework",
        Counter messages_exited_executor = "master/messages_exited_executor",
        Counter messages_framework_to_executor = "master/messages_framework_to_executor",
        Counter messages_kill_task = "master/messages_kill_task",
        Counter messages_launch_tasks = "master/messages_launch_tasks",
        Counter messages_operation_status_update = "master/messages_operation_status_update",
        Counter messages_operation_status_update_acknowledgement = "master/messages_operation_status_update_acknowledgement",
        Counter messages_reconcile_operations = "master/messages_reconcile_operations",
        Counter messages_reconcile_tasks = "master/messages_reconcile_tasks",
        Counter messages_register_framework = "master/messages_register_framework",
        Counter messages_register_slave = "master/messages_register_slave",
        Counter messages_reregister_framework = "master/messages_reregister_framework",
        Counter messages_reregister_slave = "master/messages_reregister_slave",
        Counter messages_resource_request = "master/messages_resource_request",
        Counter messages_revive_offers = "master/messages_revive_offers",
        Counter messages_status_update = "master/messages_status_update",
        Counter messages_status_update_acknowledgement = "master/messages_status_update_acknowledgement",
        Counter messages_suppress_offers = "master/messages_suppress_offers",
        Counter messages_unregister_framework = "master/messages_unregister_framework",
        Counter messages_unregister_slave = "master/messages_unregister_slave",
        Counter messages_update_slave = "master/messages_update_slave",
        Counter valid_framework_to_executor_messages = "master/valid_framework_to_executor_messages",
        Counter invalid_framework_to_executor_messages = "master/invalid_framework_to_executor_messages",
        Counter valid_executor_to_framework_messages = "master/valid_executor_to_framework_messages",
        Counter invalid_executor_to_framework_messages = "master/invalid_executor_to_framework_messages",
        Counter valid_status_updates = "master/valid_status_updates",
        Counter invalid_status_updates = "master/invalid_status_updates",
        Counter valid_status_update_acknowledgements = "master/valid_status_update_acknowledgements",
        Counter invalid_status_update_acknowledgements = "master/invalid_status_update_acknowledgements",
        Counter valid_operation_status_updates = "master/valid_operation_status_updates",
        Counter invalid_operation_status_updates = "master/invalid_operation_status_updates",
        Counter valid_operation_status_update_acknowledgements = "master/valid_operation_status_update_acknowledgements",
        Counter invalid_operation_status_update_acknowledgements = "master/invalid_operation_status_update_acknowledgements",

        // This metric is not of Mesos: the number of tasks killed so that a partition gets back what it lent.
        Counter partition_preemptions = "master/partition_preemptions",

        Counter allocation_runs = "allocator/mesos/allocation_runs",

        Gauge registrar_queued_operations = "registrar/queued_operations",
    }
    shell {
        Gauge = "master/elected",
        Gauge = "master/operator_event_stream_subscribers",
        Gauge = "master/uptime_secs",
        // There are no such queues and no such cache; monitors expect the names.
        Gauge = "master/event_queue_messages",
        Gauge = "master/event_queue_dispatches",
        Gauge = "master/event_queue_http_requests",
        Gauge = "allocator/mesos/event_queue_dispatches",
        Gauge = "allocator/event_queue_dispatches",
        Counter = "master/http_cache_hits",
        Counter = "master/failures/notifications_sent",
        Counter = "master/failures/notifications_failed",
        Counter = "master/failures/notifications_dropped",
    }
    with {
        /// The total resources of registered agents.
        pub total: ResourceGauges,
        /// The resources that tasks and executors use on them.
        pub used: ResourceGauges,
        tasks: TaskStateCounters,
        /// The operations by type and state.
        pub operations: OperationStateCounters,
    }
}

impl Metrics {
    /// Iterates over every metric with a fixed name that is not of the shell, the gauges of resources, and the metrics of
    /// tasks and operations (`master/task_…`, `master/operations/…`) that have been used.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        let resources = gauges("master/", &self.total, &self.used);
        self.fixed().chain(resources).chain(self.tasks.iter()).chain(self.operations.iter())
    }

    /// Returns the gauge of tasks in this state; `None` for states without one.
    pub fn tasks_in(&self, state: v1::TaskState) -> Option<&MetricValue> {
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
    pub fn task_ended(&self, state: v1::TaskState, source: Option<i32>, reason: Option<i32>) {
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
pub struct OperationStateCounters(Box<[MetricValue]>);

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
    /// Adds `amount`, which may be negative, to an operation's state and to the totals.
    pub fn add(&self, kind: OperationType, state: v1::OperationState, amount: i64) {
        let counts = |(of_kind, of_state): (Option<OperationType>, Option<v1::OperationState>)| {
            of_kind.is_none_or(|of| of == kind) && of_state.is_none_or(|of| of == state)
        };
        for (value, _) in self.0.iter().zip(cells()).filter(|(_, cell)| counts(*cell)) {
            value.add(amount);
        }
    }

    /// Iterates over the names of all of them.
    pub fn names() -> impl Iterator<Item = String> {
        cells().map(name)
    }

    fn iter(&self) -> impl Iterator<Item = (Cow<'static, str>, f64)> + '_ {
        let used = self.0.iter().zip(cells()).filter(|(value, _)| value.get() != 0);
        used.map(|(value, cell)| (Cow::Owned(name(cell)), value.get() as f64))
    }
}

fn name((kind, state): (Option<OperationType>, Option<v1::OperationState>)) -> String {
    let kind = kind.map(|kind| format!("{}/", OperationSpec::of(kind).field)).unwrap_or_default();
    let state =
        state.map_or("total".to_owned(), |state| state.as_str_name().trim_start_matches("OPERATION_").to_lowercase());
    format!("master/operations/{kind}{state}")
}

fn cells() -> impl Iterator<Item = (Option<OperationType>, Option<v1::OperationState>)> {
    operation_types().flat_map(|kind| OPERATION_STATES.into_iter().map(move |state| (kind, state)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        // Every row of the table with a field, and the gauges of resources.
        let of_the_shell = ["master/elected", "master/uptime_secs", "master/http_cache_hits"];
        let names: BTreeSet<_> = Metrics::default().iter().map(|(name, _)| name).collect();
        assert!(of_the_shell.iter().all(|name| !names.contains(*name)));
        let defined: BTreeSet<_> = Metrics::DEFINITIONS.iter().map(|definition| definition.name).collect();
        assert_eq!(defined.len(), Metrics::DEFINITIONS.len(), "a name stands twice");
        assert_eq!(names.iter().filter(|name| !defined.contains(&***name)).count(), 24);
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

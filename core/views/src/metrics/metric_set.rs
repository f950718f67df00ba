//! Metrics by name while they are collected.

use std::collections::BTreeMap;

use super::Counters;
use messages::v1::TaskState;
use model::MetricDefinition;
use resources::{Name, Resources};

#[derive(Debug, Default)]
pub(super) struct MetricSet(BTreeMap<String, f64>);

impl MetricSet {
    pub(super) fn set(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    /// Sets all metrics of a table to zero.
    pub(super) fn zeros(&mut self, definitions: &[MetricDefinition]) {
        definitions.iter().for_each(|definition| self.set(definition.name, 0.0));
    }

    pub(super) fn count(&mut self, name: impl Into<String>, count: usize) {
        self.set(name, count as f64);
    }

    /// Sets `<prefix>cpus_total`, `…_used`, `…_percent` and the same of revocable resources.
    pub(super) fn resources(&mut self, prefix: &str, total: &Resources, used: &Resources) {
        let halves =
            [("", total.non_revocable(), used.non_revocable()), ("_revocable", total.revocable(), used.revocable())];
        for (suffix, total, used) in &halves {
            for name in [Name::CPUS, Name::GPUS, Name::MEM, Name::DISK] {
                let (total, used) = (total.total(&name).as_f64(), used.total(&name).as_f64());
                let percent = if total == 0.0 { 0.0 } else { used / total };
                self.set(format!("{prefix}{name}{suffix}_total"), total);
                self.set(format!("{prefix}{name}{suffix}_used"), used);
                self.set(format!("{prefix}{name}{suffix}_percent"), percent);
            }
        }
    }

    /// Merges the metrics with `counters`, which take precedence.
    pub(super) fn joined_with(mut self, counters: &Counters) -> Vec<(String, f64)> {
        self.0.extend(counters.iter().map(|(name, value)| (name.to_owned(), value)));
        self.0.into_iter().collect()
    }
}

/// Returns `task_running` for `TASK_RUNNING`.
pub(super) fn lower(state: TaskState) -> String {
    state.as_str_name().to_ascii_lowercase()
}

/// Returns `running` for `TASK_RUNNING`.
pub(super) fn bare(state: TaskState) -> String {
    lower(state).trim_start_matches("task_").to_owned()
}

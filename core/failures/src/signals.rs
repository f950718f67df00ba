//! Measurements that agents report, and the bounds from which on they are incidents.

use serde::Deserialize;

use model::incident::{Kind, Severity};

/// The measurements of an agent. Agents of Mesos report none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Signals {
    /// The five-minute load average per processor.
    pub load: Option<f64>,
    /// The share of the last five minutes in which some process waited for a processor, 0..1.
    pub cpu_waiting: Option<f64>,
    /// The share of memory that is available without swapping, 0..1.
    pub memory_available: Option<f64>,
    /// The share of the file system of the work directory that is in use, 0..1.
    pub disk_used: Option<f64>,
}

/// The bounds of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The value from which on the incident is a warning.
    pub warning: f64,
    /// The value from which on the incident is critical.
    pub critical: f64,
}

/// The bounds of all measurements.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// The share of the disk that is in use, 0..1.
    pub disk_used: Bounds,
    /// The share of memory that is in use, 0..1.
    pub memory_used: Bounds,
    /// The load average per processor.
    pub load: Bounds,
    /// The share of the time in which some process waited for a processor, 0..1.
    pub cpu_waiting: Bounds,
    /// The share of failed tasks among those that ended in the last ten minutes, 0..1; it counts from `least_tasks`
    /// tasks on.
    pub task_failures: Bounds,
    /// The number of tasks below which their share of failures does not count.
    pub least_tasks: usize,
    /// The number of executors of one framework on one agent that crashed in the last ten minutes.
    pub executor_crashes: Bounds,
}

impl Default for Thresholds {
    fn default() -> Self {
        let bounds = |warning, critical| Bounds { warning, critical };
        Thresholds {
            disk_used: bounds(0.85, 0.95),
            memory_used: bounds(0.90, 0.97),
            load: bounds(4.0, 10.0),
            // Busy processors with waiting processes are normal for batch work, but not for five minutes without a
            // pause.
            cpu_waiting: bounds(0.95, 0.99),
            task_failures: bounds(0.5, 0.9),
            least_tasks: 10,
            executor_crashes: bounds(5.0, 20.0),
        }
    }
}

/// Hysteresis: a value that has exceeded a bound has to fall below this fraction of it before the incident is over,
/// so that a value close to the bound does not open an incident again and again.
const RELIEF: f64 = 0.95;

impl Bounds {
    /// Returns the severity of a value; `None` below the bounds. `before` is its last severity.
    pub fn severity_of(&self, value: f64, before: Option<Severity>) -> Option<Severity> {
        let reached = |bound: f64, severity: Severity| {
            let is_known = before.is_some_and(|before| before >= severity);
            value >= if is_known { bound * RELIEF } else { bound }
        };
        if reached(self.critical, Severity::Critical) {
            Some(Severity::Critical)
        } else if reached(self.warning, Severity::Warning) {
            Some(Severity::Warning)
        } else {
            None
        }
    }

    /// Returns whether both bounds are positive numbers and in order.
    pub fn is_valid(&self) -> bool {
        self.warning.is_finite() && self.critical.is_finite() && 0.0 < self.warning && self.warning <= self.critical
    }
}

impl Signals {
    /// Iterates over the measurements with their kind of incident, bounds and description.
    pub(crate) fn measurements<'a>(
        &self,
        thresholds: &'a Thresholds,
    ) -> impl Iterator<Item = (Kind, f64, &'a Bounds, String)> {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let disk = self.disk_used.map(|used| {
            let words = format!("{} of the disk of its work directory is in use", percent(used));
            (Kind::DiskPressure, used, &thresholds.disk_used, words)
        });
        let memory = self.memory_available.map(|available| {
            let words = format!("{} of its memory is available", percent(available));
            (Kind::MemoryPressure, 1.0 - available, &thresholds.memory_used, words)
        });
        let load = self.load.map(|load| {
            (Kind::Overload, load, &thresholds.load, format!("its load average is {load:.1} for each processor"))
        });
        let cpu = self.cpu_waiting.map(|waiting| {
            let words = format!("something waits for a processor {} of the time", percent(waiting));
            (Kind::CpuPressure, waiting, &thresholds.cpu_waiting, words)
        });
        [disk, memory, cpu, load].into_iter().flatten().filter(|(_, value, ..)| value.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_varies_around_a_bound_is_one_incident() {
        let bounds = Bounds { warning: 0.8, critical: 0.9 };
        let check = |value, before, expect| assert_eq!(bounds.severity_of(value, before), expect, "{value} {before:?}");
        check(0.79, None, None);
        check(0.79, Some(Severity::Warning), Some(Severity::Warning));
        check(0.75, Some(Severity::Warning), None);
        check(0.89, Some(Severity::Warning), Some(Severity::Warning));
        check(0.89, Some(Severity::Critical), Some(Severity::Critical));
        check(0.95, None, Some(Severity::Critical));
        check(f64::NAN, None, None);
    }
}

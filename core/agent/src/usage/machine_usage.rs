//! What the shell measures for decisions about oversubscription.

use std::collections::BTreeMap;

use model::ContainerId;

/// What the machine and the containers use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachineUsage {
    /// Of running containers; one that could not be measured is left out.
    pub containers: BTreeMap<ContainerId, ContainerUsage>,
    /// How many processes wanted to run.
    pub load: Option<LoadAverage>,
    /// How many processors the machine has.
    pub processors: Option<u32>,
    /// Share of the last five minutes in which something waited for a processor, 0..1.
    pub cpu_waiting: Option<f64>,
    /// Share of the machine's memory that is available without swapping, 0..1.
    pub memory_available: Option<f64>,
}

/// What one container uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ContainerUsage {
    /// Processor time since the container's start.
    pub cpu_seconds: f64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
}

/// The load of the machine as `/proc/loadavg` gives it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoadAverage {
    /// Over the last five minutes.
    pub five_minutes: f64,
    /// Over the last fifteen minutes.
    pub fifteen_minutes: f64,
}

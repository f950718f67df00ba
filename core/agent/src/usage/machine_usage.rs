//! The measurements of the shell for decisions about oversubscription.

use std::collections::BTreeMap;

use model::ContainerId;

/// The use of the machine and the containers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachineUsage {
    /// The use of running containers; one that could not be measured is left out.
    pub containers: BTreeMap<ContainerId, ContainerUsage>,
    /// The load average of the machine.
    pub load: Option<LoadAverage>,
    /// The number of the machine's processors.
    pub processors: Option<u32>,
    /// The share of the last five minutes in which some process waited for a processor, 0..1.
    pub cpu_waiting: Option<f64>,
    /// The share of the machine's memory that is available without swapping, 0..1.
    pub memory_available: Option<f64>,
}

/// The use of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ContainerUsage {
    /// The processor time since the container's start, in seconds.
    pub cpu_seconds: f64,
    /// The memory in use, in bytes.
    pub memory_bytes: u64,
}

/// The load of the machine as `/proc/loadavg` has it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoadAverage {
    /// The average over the last five minutes.
    pub five_minutes: f64,
    /// The average over the last fifteen minutes.
    pub fifteen_minutes: f64,
}

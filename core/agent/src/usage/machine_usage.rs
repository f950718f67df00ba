//! What the shell measures for decisions about oversubscription.

use std::collections::BTreeMap;

use model::ContainerId;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachineUsage {
    /// Of running containers; one that could not be measured is left out.
    pub containers: BTreeMap<ContainerId, ContainerUsage>,
    pub load: Option<LoadAverage>,
    pub processors: Option<u32>,
    /// Share of the last five minutes in which something waited for a processor, 0..1.
    pub cpu_waiting: Option<f64>,
    /// Share of the machine's memory that is available without swapping, 0..1.
    pub memory_available: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ContainerUsage {
    /// Processor time since the container's start.
    pub cpu_seconds: f64,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoadAverage {
    pub five_minutes: f64,
    pub fifteen_minutes: f64,
}

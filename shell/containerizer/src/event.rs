//! The events that the containerizer reports, and the usage of containers.

use ids::ContainerId;

use crate::cni::JoinedNetwork;

/// Every accepted launch leads to `Launched` and then, once, to `Exited`; or to `LaunchFailed` only.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The program runs.
    Launched {
        /// The container.
        id: ContainerId,
        /// The first process, in the pid namespace of the agent.
        pid: u32,
        /// Its networks; empty for the network of the agent.
        networks: Vec<JoinedNetwork>,
    },
    /// The container could not be launched. No process of it runs, and everything that was made for it is removed.
    LaunchFailed {
        /// The container.
        id: ContainerId,
        /// The reason, in a sentence for people.
        reason: String,
    },
    /// The container has ended. No process, mount or cgroup of it is left.
    Exited {
        /// The container.
        id: ContainerId,
        /// The wait status of its first process; `None` for a container of an earlier agent process, unless its parent
        /// has written the status.
        status: Option<i32>,
        /// The limit that the container violated, if that ended it.
        limitation: Option<Limitation>,
    },
}

/// A broken resource limit that ended a container (`ContainerLimitation` of Mesos).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limitation {
    /// The kind of the limit.
    pub kind: LimitationKind,
    /// A message for people: the limit and the usage.
    pub message: String,
}

/// The limits that a container can violate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitationKind {
    /// The container needed more memory than its limit.
    Memory {
        /// The limit in force, in bytes.
        limit: u64,
    },
    /// The container listened on ports that are not among its resources.
    Ports {
        /// The inclusive ranges of these ports.
        ports: Vec<(u16, u16)>,
    },
    /// The sandbox used more disk space than its limit.
    Disk {
        /// The limit, in bytes.
        limit: u64,
    },
}

/// The current usage of a container, with the names of Mesos' `ResourceStatistics`. Values that nothing measures are
/// `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Usage {
    /// The number of processes.
    pub processes: Option<u64>,
    /// The number of threads of all processes together.
    pub threads: Option<u64>,
    /// The processor time in user mode, in seconds since the start.
    pub cpus_user_secs: Option<f64>,
    /// The processor time in the kernel, in seconds since the start.
    pub cpus_system_secs: Option<f64>,
    /// The processors that are allocated to the container.
    pub cpus_soft_limit: Option<f64>,
    /// The limit of the processors; `None` if there is none.
    pub cpus_limit: Option<f64>,
    /// The number of CFS periods so far.
    pub cpus_nr_periods: Option<u64>,
    /// The number of CFS periods in which the quota throttled the container.
    pub cpus_nr_throttled: Option<u64>,
    /// The time for which it was throttled, in seconds.
    pub cpus_throttled_secs: Option<f64>,
    /// All memory that is charged to the container, including the page cache.
    pub mem_total_bytes: Option<u64>,
    /// The resident memory that does not belong to files.
    pub mem_rss_bytes: Option<u64>,
    /// The memory of the page cache.
    pub mem_file_bytes: Option<u64>,
    /// The anonymous memory.
    pub mem_anon_bytes: Option<u64>,
    /// The memory of mapped files.
    pub mem_mapped_file_bytes: Option<u64>,
    /// The memory that is swapped out.
    pub mem_swap_bytes: Option<u64>,
    /// The memory limit that was requested last; `None` if there is none.
    pub mem_limit_bytes: Option<u64>,
    /// The memory that is allocated to the container.
    pub mem_soft_limit_bytes: Option<u64>,
    /// The disk space that the sandbox uses.
    pub disk_used_bytes: Option<u64>,
    /// The limit of that disk space; `None` if there is none.
    pub disk_limit_bytes: Option<u64>,
    /// The disk space of persistent volumes, as far as it is measured.
    pub volumes: Vec<VolumeUsage>,
    /// The counts of performance events; `None` before the first, and if none are counted.
    pub perf: Option<PerfUsage>,
    /// The operations on each block device.
    pub devices: Vec<DeviceUsage>,
    /// The class of the network packets of the container, the primary handle in the upper half.
    pub net_cls_classid: Option<u32>,
    /// The traffic of the container in networks of its own.
    pub network: Option<NetworkUsage>,
}

/// The traffic of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkUsage {
    /// What it has received.
    pub received: PacketCounters,
    /// What it has sent.
    pub sent: PacketCounters,
}

/// Packets in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketCounters {
    /// The bytes of all packets.
    pub bytes: u64,
    /// The number of packets.
    pub packets: u64,
    /// The number of errors.
    pub errors: u64,
    /// The number of packets that were dropped.
    pub dropped: u64,
}

impl PacketCounters {
    pub(crate) fn add(&mut self, bytes: u64, packets: u64, errors: u64, dropped: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.packets = self.packets.saturating_add(packets);
        self.errors = self.errors.saturating_add(errors);
        self.dropped = self.dropped.saturating_add(dropped);
    }
}

/// The counts of performance events of a container (`PerfStatistics` of Mesos).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PerfUsage {
    /// The beginning of the counting, in seconds since 1970.
    pub timestamp: f64,
    /// The time of the counting in seconds.
    pub duration: f64,
    /// The names of fields of `PerfStatistics`, and their counts; of clocks, nanoseconds.
    pub values: Vec<(&'static str, f64)>,
}

/// The disk space of one persistent volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeUsage {
    /// The persistence id.
    pub id: String,
    /// The used disk space in bytes; `None` if it cannot be read.
    pub used: Option<u64>,
    /// The size of the volume in bytes; `None` if nothing limits it.
    pub limit: Option<u64>,
}

/// The operations of a container on a block device so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceUsage {
    /// The major number.
    pub major: u64,
    /// The minor number.
    pub minor: u64,
    /// The number of operations.
    pub operations: OperationCounts,
    /// The bytes that they moved.
    pub bytes: OperationCounts,
}

/// One number for each kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationCounts {
    /// Reads.
    pub read: u64,
    /// Writes.
    pub write: u64,
    /// Discards.
    pub discard: u64,
}

impl Usage {
    /// Returns the values of `self`, and those of `other` where `self` has none.
    pub(crate) fn or(self, other: Usage) -> Usage {
        Usage {
            processes: self.processes.or(other.processes),
            threads: self.threads.or(other.threads),
            cpus_user_secs: self.cpus_user_secs.or(other.cpus_user_secs),
            cpus_system_secs: self.cpus_system_secs.or(other.cpus_system_secs),
            mem_total_bytes: self.mem_total_bytes.or(other.mem_total_bytes),
            mem_rss_bytes: self.mem_rss_bytes.or(other.mem_rss_bytes),
            ..self
        }
    }
}

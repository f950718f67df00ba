//! What the containerizer reports.

use ids::ContainerId;

/// Every accepted launch leads to `Launched` and then, once, to `Exited`; or only to `LaunchFailed`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The program runs.
    Launched { id: ContainerId, pid: u32 },
    /// Nothing runs, and all traces are cleaned up.
    LaunchFailed { id: ContainerId, reason: String },
    /// The container is over and leaves no process, mount or cgroup behind.
    Exited {
        id: ContainerId,
        /// The wait status of its first process; `None` for a container of an earlier agent process, unless its parent
        /// has written it down.
        status: Option<i32>,
        /// Set when the container ended because it broke a limit.
        limitation: Option<Limitation>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limitation {
    pub kind: LimitationKind,
    /// For humans: what was exceeded and by whom.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitationKind {
    Memory {
        /// The limit in force, in bytes.
        limit: u64,
    },
}

/// What a container uses now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    pub processes: Option<u64>,
    pub threads: Option<u64>,
    pub cpus_user_secs: Option<f64>,
    pub cpus_system_secs: Option<f64>,
    /// The processors that the container was promised.
    pub cpus_soft_limit: Option<f64>,
    /// The ceiling; `None` where there is none.
    pub cpus_limit: Option<f64>,
    pub cpus_nr_periods: Option<u64>,
    pub cpus_nr_throttled: Option<u64>,
    pub cpus_throttled_secs: Option<f64>,
    /// Everything charged to the container, the page cache included.
    pub mem_total_bytes: Option<u64>,
    pub mem_rss_bytes: Option<u64>,
    pub mem_file_bytes: Option<u64>,
    pub mem_anon_bytes: Option<u64>,
    pub mem_mapped_file_bytes: Option<u64>,
    pub mem_swap_bytes: Option<u64>,
    pub mem_limit_bytes: Option<u64>,
    pub mem_soft_limit_bytes: Option<u64>,
}

impl Usage {
    /// What `self` does not know is taken from `other`.
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

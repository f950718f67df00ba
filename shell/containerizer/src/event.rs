//! What the containerizer reports.

use ids::ContainerId;

/// Every accepted launch leads to `Launched` and then, once, to `Exited`; or only to `LaunchFailed`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The program runs.
    Launched {
        /// The container.
        id: ContainerId,
        /// Its first process, as the agent sees it.
        pid: u32,
    },
    /// Nothing runs, and all traces are cleaned up.
    LaunchFailed {
        /// The container.
        id: ContainerId,
        /// Why, in a sentence for people.
        reason: String,
    },
    /// The container is over and leaves no process, mount or cgroup behind.
    Exited {
        /// The container.
        id: ContainerId,
        /// The wait status of its first process; `None` for a container of an earlier agent process, unless its parent
        /// has written it down.
        status: Option<i32>,
        /// Set when the container ended because it broke a limit.
        limitation: Option<Limitation>,
    },
}

/// The limit that a container has broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limitation {
    /// Which limit.
    pub kind: LimitationKind,
    /// For humans: what was exceeded and by whom.
    pub message: String,
}

/// Which limits can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitationKind {
    /// The container needed more memory than it may have.
    Memory {
        /// The limit in force, in bytes.
        limit: u64,
    },
}

/// What a container uses now, with the names of Mesos' `ResourceStatistics`. What nobody measures is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// The number of processes.
    pub processes: Option<u64>,
    /// The number of threads, those of all processes together.
    pub threads: Option<u64>,
    /// Processor time in programs, in seconds since the start.
    pub cpus_user_secs: Option<f64>,
    /// Processor time in the kernel, in seconds since the start.
    pub cpus_system_secs: Option<f64>,
    /// The processors that the container was promised.
    pub cpus_soft_limit: Option<f64>,
    /// The ceiling; `None` where there is none.
    pub cpus_limit: Option<f64>,
    /// How many CFS periods have begun.
    pub cpus_nr_periods: Option<u64>,
    /// In how many of them the container was stopped by its quota.
    pub cpus_nr_throttled: Option<u64>,
    /// For how long, in seconds.
    pub cpus_throttled_secs: Option<f64>,
    /// Everything charged to the container, the page cache included.
    pub mem_total_bytes: Option<u64>,
    /// Resident memory that is no file.
    pub mem_rss_bytes: Option<u64>,
    /// The page cache.
    pub mem_file_bytes: Option<u64>,
    /// Memory that is no file.
    pub mem_anon_bytes: Option<u64>,
    /// Files that are mapped.
    pub mem_mapped_file_bytes: Option<u64>,
    /// Memory that is swapped out.
    pub mem_swap_bytes: Option<u64>,
    /// The ceiling asked for last; `None` where there is none.
    pub mem_limit_bytes: Option<u64>,
    /// The memory that the container was promised.
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

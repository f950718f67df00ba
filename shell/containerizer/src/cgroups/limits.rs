//! Translates `Limits` to the values of the controllers.

use std::path::Path;

use super::mounts::{Controller, Version};
use super::tree::ContainerCgroups;
use crate::kernel::Kernel;
use crate::{Error, Limits};

/// The numbers of Mesos (`src/slave/containerizer/mesos/isolators/cgroups`): shares per processor, the minimum of
/// shares, the minimum of memory, the CFS period, and the minimum of its quota.
const SHARES_PER_CPU: f64 = 1024.0;
const MIN_SHARES: u64 = 2;
/// The shares per revocable processor (`CPU_SHARES_PER_CPU_REVOCABLE`).
const SHARES_PER_REVOCABLE_CPU: f64 = 10.0;
const MAX_SHARES: u64 = 262_144;
const WEIGHT_PER_CPU: f64 = 100.0;
/// The weight per revocable processor, in the same proportion as the shares.
const WEIGHT_PER_REVOCABLE_CPU: f64 = 1.0;
const MIN_MEMORY: u64 = 32 << 20;
const CFS_PERIOD_US: u64 = 100_000;
const MIN_CFS_QUOTA_US: u64 = 1_000;

impl ContainerCgroups {
    /// Sets the share of the processors and the CFS quota. With `cfs`, a container without a limit of its own is
    /// limited to what it was allocated.
    ///
    /// # Errors
    /// Returns the error if a file of the controller cannot be written.
    pub(crate) fn limit_cpu(&self, kernel: &dyn Kernel, limits: &Limits, cfs: bool) -> Result<(), Error> {
        self.location(Controller::Cpu).map_or(Ok(()), |(version, path)| limit_cpu(kernel, version, path, limits, cfs))
    }

    /// Sets the limit of memory. `swap` limits memory and swap together; `first` means that the container has no
    /// process yet.
    ///
    /// # Errors
    /// Returns the error if a file of the controller cannot be written.
    pub(crate) fn limit_memory(
        &self,
        kernel: &dyn Kernel,
        limits: &Limits,
        swap: bool,
        first: bool,
    ) -> Result<(), Error> {
        let location = self.location(Controller::Memory);
        location.map_or(Ok(()), |(version, path)| limit_memory(kernel, version, path, limits, swap, first))
    }

    /// Sets the limit of processes and threads.
    ///
    /// # Errors
    /// Returns the error if a file of the controller cannot be written.
    pub(crate) fn limit_pids(&self, kernel: &dyn Kernel, limits: &Limits) -> Result<(), Error> {
        let value = limits.pids.map_or("max".to_owned(), |pids| pids.to_string());
        self.location(Controller::Pids).map_or(Ok(()), |(_, path)| write(kernel, path, "pids.max", &value))
    }

    /// Returns the memory limit in force in bytes, for the report of its violation.
    pub(crate) fn memory_limit(&self, kernel: &dyn Kernel) -> Option<u64> {
        let (version, path) = self.location(Controller::Memory)?;
        current_limit(kernel, version, path)
    }
}

fn limit_cpu(kernel: &dyn Kernel, version: Version, path: &Path, limits: &Limits, cfs: bool) -> Result<(), Error> {
    match version {
        Version::V1 => write(kernel, path, "cpu.shares", &shares(limits).to_string())?,
        Version::V2 => write(kernel, path, "cpu.weight", &weight(limits).to_string())?,
    }
    // A limit of the container is enforced independent of the agent's default.
    let ceiling = limits.cpu_limit.or(cfs.then_some(limits.cpus));
    let quota = ceiling.filter(|cpus| cpus.is_finite()).map(quota_us);
    match (version, quota) {
        (Version::V1, Some(quota)) => {
            write(kernel, path, "cpu.cfs_period_us", &CFS_PERIOD_US.to_string())?;
            write(kernel, path, "cpu.cfs_quota_us", &quota.to_string())
        }
        (Version::V2, Some(quota)) => write(kernel, path, "cpu.max", &format!("{quota} {CFS_PERIOD_US}")),
        (Version::V1, None) if ceiling.is_some() => write(kernel, path, "cpu.cfs_quota_us", "-1"),
        (Version::V2, None) if ceiling.is_some() => write(kernel, path, "cpu.max", &format!("max {CFS_PERIOD_US}")),
        (_, None) => Ok(()),
    }
}

fn limit_memory(
    kernel: &dyn Kernel,
    version: Version,
    path: &Path,
    limits: &Limits,
    swap: bool,
    first: bool,
) -> Result<(), Error> {
    let promised = limits.memory.max(MIN_MEMORY);
    let ceiling = limits.memory_limit.map_or(promised, |limit| limit.max(MIN_MEMORY));
    match version {
        Version::V1 => write(kernel, path, "memory.soft_limit_in_bytes", &promised.to_string())?,
        Version::V2 => write(kernel, path, "memory.low", &promised.to_string())?,
    }
    // A lower limit would make the kernel kill a process whose memory was allowed until now. Mesos never lowers the
    // limit either.
    if !first && current_limit(kernel, version, path).is_some_and(|current| ceiling < current) {
        return Ok(());
    }
    match version {
        Version::V1 => hard_limit_v1(kernel, path, ceiling, swap),
        Version::V2 => {
            write(kernel, path, "memory.max", &bytes(ceiling, "max"))?;
            if swap {
                write(kernel, path, "memory.swap.max", "0")?;
            }
            // The kernel kills all processes of the container together. A container that has lost one process is in an
            // unknown state, and its executor would report the end of the task before the agent can name the cause.
            write(kernel, path, "memory.oom.group", "1")
        }
    }
}

/// Sets the two limits of v1. The limit of memory and swap must never be lower than that of memory, so the order
/// depends on the direction of the change.
fn hard_limit_v1(kernel: &dyn Kernel, path: &Path, ceiling: u64, swap: bool) -> Result<(), Error> {
    let value = bytes(ceiling, "-1");
    if !swap {
        return write(kernel, path, "memory.limit_in_bytes", &value);
    }
    let memory_first = write(kernel, path, "memory.limit_in_bytes", &value);
    write(kernel, path, "memory.memsw.limit_in_bytes", &value)?;
    memory_first.or_else(|_| write(kernel, path, "memory.limit_in_bytes", &value))
}

fn current_limit(kernel: &dyn Kernel, version: Version, path: &Path) -> Option<u64> {
    let file = match version {
        Version::V1 => "memory.limit_in_bytes",
        Version::V2 => "memory.max",
    };
    let text = kernel.read(&path.join(file)).ok()?;
    match text.trim() {
        "max" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn shares(limits: &Limits) -> u64 {
    let each = if limits.low_priority { SHARES_PER_REVOCABLE_CPU } else { SHARES_PER_CPU };
    // The conversion saturates, and NaN becomes 0.
    ((limits.cpus * each) as u64).clamp(MIN_SHARES, MAX_SHARES)
}

fn weight(limits: &Limits) -> u64 {
    let each = if limits.low_priority { WEIGHT_PER_REVOCABLE_CPU } else { WEIGHT_PER_CPU };
    ((limits.cpus * each) as u64).clamp(1, 10_000)
}

fn quota_us(cpus: f64) -> u64 {
    ((cpus * CFS_PERIOD_US as f64) as u64).max(MIN_CFS_QUOTA_US)
}

fn bytes(value: u64, unlimited: &str) -> String {
    if value == u64::MAX { unlimited.to_owned() } else { value.to_string() }
}

fn write(kernel: &dyn Kernel, path: &Path, file: &str, value: &str) -> Result<(), Error> {
    let path = path.join(file);
    kernel.write(&path, value).map_err(Error::io("cannot write to", path))
}

//! Reads `Usage` from the statistics of the controllers.

use std::collections::BTreeMap;
use std::path::Path;

use super::mounts::{Controller, Version};
use super::tree::ContainerCgroups;
use crate::kernel::{Kernel, TICKS_PER_SECOND};
use crate::{DeviceUsage, Usage};

impl ContainerCgroups {
    /// Returns the number of processes and threads; `None` without the controller.
    pub(crate) fn threads(&self, kernel: &dyn Kernel) -> Option<u64> {
        number(kernel, self.location(Controller::Pids)?.1, "pids.current")
    }

    /// Returns the operations on each block device; none without the controller.
    pub(crate) fn device_usage(&self, kernel: &dyn Kernel) -> Vec<DeviceUsage> {
        let Some((version, path)) = self.location(Controller::Blkio) else { return Vec::new() };
        let read = |file: &str| kernel.read(&path.join(file)).unwrap_or_default();
        match version {
            Version::V1 => {
                let (operations, bytes) = (read("blkio.throttle.io_serviced"), read("blkio.throttle.io_service_bytes"));
                device_usage_v1(&operations, &bytes)
            }
            Version::V2 => read("io.stat").lines().filter_map(device_usage_v2).collect(),
        }
    }

    /// Adds the processor time that the container has used.
    pub(crate) fn cpu_time(&self, kernel: &dyn Kernel, usage: &mut Usage) {
        match (self.location(Controller::Cpuacct), self.location(Controller::Cpu)) {
            (Some((Version::V1, path)), _) => {
                let stat = table(kernel, path, "cpuacct.stat");
                let seconds = |key: &str| stat.get(key).map(|ticks| *ticks as f64 / TICKS_PER_SECOND);
                usage.cpus_user_secs = seconds("user");
                usage.cpus_system_secs = seconds("system");
            }
            (Some((Version::V2, path)), _) | (None, Some((Version::V2, path))) => {
                let stat = table(kernel, path, "cpu.stat");
                let seconds = |key: &str| stat.get(key).map(|micros| *micros as f64 / 1e6);
                usage.cpus_user_secs = seconds("user_usec");
                usage.cpus_system_secs = seconds("system_usec");
            }
            _ => {}
        }
    }

    /// Adds how often and how long the CFS quota has throttled the container.
    pub(crate) fn throttling(&self, kernel: &dyn Kernel, usage: &mut Usage) {
        let Some((version, path)) = self.location(Controller::Cpu) else { return };
        let stat = table(kernel, path, "cpu.stat");
        usage.cpus_nr_periods = stat.get("nr_periods").copied();
        usage.cpus_nr_throttled = stat.get("nr_throttled").copied();
        usage.cpus_throttled_secs = match version {
            Version::V1 => stat.get("throttled_time").map(|nanos| *nanos as f64 / 1e9),
            Version::V2 => stat.get("throttled_usec").map(|micros| *micros as f64 / 1e6),
        };
    }

    /// Adds the memory that it uses.
    pub(crate) fn memory_use(&self, kernel: &dyn Kernel, usage: &mut Usage) {
        let Some((version, path)) = self.location(Controller::Memory) else { return };
        let stat = table(kernel, path, "memory.stat");
        let get = |key: &str| stat.get(key).copied();
        match version {
            Version::V1 => {
                usage.mem_total_bytes = number(kernel, path, "memory.usage_in_bytes");
                usage.mem_rss_bytes = get("total_rss");
                usage.mem_anon_bytes = get("total_rss");
                usage.mem_file_bytes = get("total_cache");
                usage.mem_mapped_file_bytes = get("total_mapped_file");
                usage.mem_swap_bytes = get("total_swap");
            }
            Version::V2 => {
                usage.mem_total_bytes = number(kernel, path, "memory.current");
                usage.mem_rss_bytes = get("anon");
                usage.mem_anon_bytes = get("anon");
                usage.mem_file_bytes = get("file");
                usage.mem_mapped_file_bytes = get("file_mapped");
                usage.mem_swap_bytes = number(kernel, path, "memory.swap.current");
            }
        }
    }

    /// Returns how often the kernel has killed a process of this container for lack of memory.
    pub(crate) fn oom_kills(&self, kernel: &dyn Kernel) -> u64 {
        let Some((version, path)) = self.location(Controller::Memory) else { return 0 };
        if version == Version::V1 {
            return self.oom_kills_v1(kernel).unwrap_or(0);
        }
        // The other counters include the cgroups below, where nested containers exceed limits of their own. This one exists
        // since Linux 5.17.
        let own = table(kernel, path, "memory.events.local").get("oom_group_kill").copied();
        own.unwrap_or_else(|| table(kernel, path, "memory.events").get("oom_kill").copied().unwrap_or(0))
    }

    /// Returns the number of kills that v1 counts; `None` if it does not count them, as before Linux 4.13.
    pub(crate) fn oom_kills_v1(&self, kernel: &dyn Kernel) -> Option<u64> {
        let (_, path) = self.location(Controller::Memory)?;
        table(kernel, path, "memory.oom_control").get("oom_kill").copied()
    }
}

/// Returns the limit in bytes, and the message for the status of a task that exceeded it: the limit, the usage, and its
/// kinds.
pub(crate) fn memory_report(group: &ContainerCgroups, kernel: &dyn Kernel) -> Option<(u64, String)> {
    let limit = group.memory_limit(kernel)?;
    let (version, path) = group.location(Controller::Memory)?;
    let peak = match version {
        Version::V1 => number(kernel, path, "memory.max_usage_in_bytes"),
        // The file exists since Linux 5.19.
        Version::V2 => number(kernel, path, "memory.peak").or_else(|| number(kernel, path, "memory.current")),
    };
    let mut message = format!("Memory limit exceeded: Requested: {}", model::format_bytes(limit));
    if let Some(peak) = peak {
        message.push_str(&format!(" Maximum Used: {}", model::format_bytes(peak)));
    }
    if let Ok(statistics) = kernel.read(&path.join("memory.stat")) {
        message.push_str("\n\nMEMORY STATISTICS: \n");
        message.push_str(&statistics);
    }
    let log = kernel.log_records("oom-kill:");
    let killed = super::oom_log::killed(log.iter().map(String::as_str), path);
    if !killed.is_empty() {
        message.push_str(&format!("\nKilled by the kernel: {}\n", killed.join(", ")));
    }
    Some((limit, message))
}

fn number(kernel: &dyn Kernel, path: &Path, file: &str) -> Option<u64> {
    kernel.read(&path.join(file)).ok()?.trim().parse().ok()
}

/// Reads a file of lines `key number`.
fn table(kernel: &dyn Kernel, path: &Path, file: &str) -> BTreeMap<String, u64> {
    let text = kernel.read(&path.join(file)).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

fn device(numbers: &str) -> Option<DeviceUsage> {
    let (major, minor) = numbers.split_once(':')?;
    Some(DeviceUsage { major: major.parse().ok()?, minor: minor.parse().ok()?, ..DeviceUsage::default() })
}

/// Parses the files of v1, whose lines are `8:0 Read 5` (cgroup-v1/blkio-controller documentation).
fn device_usage_v1(operations: &str, bytes: &str) -> Vec<DeviceUsage> {
    let mut found: BTreeMap<&str, DeviceUsage> = BTreeMap::new();
    for (text, is_bytes) in [(operations, false), (bytes, true)] {
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(numbers), Some(kind), Some(Ok(count))) =
                (fields.next(), fields.next(), fields.next().map(str::parse))
            else {
                continue;
            };
            let Some(empty) = device(numbers) else { continue };
            let usage = found.entry(numbers).or_insert(empty);
            let counts = if is_bytes { &mut usage.bytes } else { &mut usage.operations };
            match kind {
                "Read" => counts.read = count,
                "Write" => counts.write = count,
                "Discard" => counts.discard = count,
                // These are sums of the others, and divide them in another way.
                _ => {}
            }
        }
    }
    found.into_values().collect()
}

/// Parses a line of v2, e.g. `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`.
fn device_usage_v2(line: &str) -> Option<DeviceUsage> {
    let (numbers, values) = line.split_once(' ')?;
    let mut usage = device(numbers)?;
    for (key, value) in values.split_ascii_whitespace().filter_map(|pair| pair.split_once('=')) {
        let count = value.parse().ok()?;
        match key {
            "rbytes" => usage.bytes.read = count,
            "wbytes" => usage.bytes.write = count,
            "dbytes" => usage.bytes.discard = count,
            "rios" => usage.operations.read = count,
            "wios" => usage.operations.write = count,
            "dios" => usage.operations.discard = count,
            _ => {}
        }
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OperationCounts;

    #[test]
    fn operations_on_devices_are_read_in_both_versions() {
        let expect = DeviceUsage {
            major: 8,
            minor: 16,
            operations: OperationCounts { read: 3, write: 1, discard: 0 },
            bytes: OperationCounts { read: 12_288, write: 4096, discard: 0 },
        };
        let operations = "8:16 Read 3\n8:16 Write 1\n8:16 Sync 4\n8:16 Total 4\nTotal 4\n";
        let bytes = "8:16 Read 12288\n8:16 Write 4096\n8:16 Total 16384\nTotal 16384\n";
        assert_eq!(device_usage_v1(operations, bytes), [expect]);
        let line = "8:16 rbytes=12288 wbytes=4096 rios=3 wios=1 dbytes=0 dios=0";
        assert_eq!(device_usage_v2(line), Some(expect));
        assert_eq!((device_usage_v2("nonsense"), device_usage_v1("", "Total 0")), (None, Vec::new()));
    }
}

//! Detects the resources of this machine, which the agent offers unless `--resources` sets them.

use std::path::Path;

/// The resources of a machine for tasks, after the reserve of the operating system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MachineResources {
    /// The number of processors.
    pub cpus: f64,
    /// The memory in MB.
    pub mem_mb: f64,
    /// The disk space in MB.
    pub disk_mb: f64,
}

/// Detects the resources with the rules of Mesos: all processors; all memory except 1 GB, or half of it below 2 GB; the
/// file system of the work directory except 5 GB, or half of it below 10 GB.
pub fn detect(work_dir: &Path) -> MachineResources {
    let mebibyte = 1024.0 * 1024.0;
    let cpus = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    let memory = edge::endpoints::info::System::read().memory_total.unwrap_or(1024.0 * mebibyte) / mebibyte;
    let disk = disk_of(work_dir).unwrap_or(10.0 * 1024.0 * mebibyte) / mebibyte;
    MachineResources {
        cpus,
        mem_mb: after_reserve(memory, 1024.0).floor(),
        disk_mb: after_reserve(disk, 5.0 * 1024.0).floor(),
    }
}

fn after_reserve(total: f64, reserve: f64) -> f64 {
    if total >= 2.0 * reserve { total - reserve } else { total / 2.0 }
}

/// Returns the size in bytes of the file system that `path`, or its nearest existing ancestor, is on.
fn disk_of(path: &Path) -> Option<f64> {
    path.ancestors().find_map(|path| {
        let stat = rustix::fs::statvfs(path).ok()?;
        Some(stat.f_blocks as f64 * stat.f_frsize as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_the_machine_is_left_to_the_system() {
        for (total, reserve, expect) in
            [(24_000.0, 1024.0, 22_976.0), (1000.0, 1024.0, 500.0), (2048.0, 1024.0, 1024.0)]
        {
            assert_eq!(after_reserve(total, reserve), expect);
        }
    }

    #[test]
    fn the_resources_of_a_machine_are_detected() {
        let machine = detect(Path::new("/nonexistent/work"));
        assert!(machine.cpus >= 1.0 && machine.mem_mb > 0.0 && machine.disk_mb > 0.0, "{machine:?}");
    }
}

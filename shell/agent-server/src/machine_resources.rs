//! What this machine has to offer when `--resources` does not say.

use std::path::Path;

/// Before anything is left to the system itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MachineResources {
    pub cpus: f64,
    pub mem_mb: f64,
    pub disk_mb: f64,
}

/// Mesos' rules: all processors; all memory but 1 GB, or half of it when there is less than 2 GB; the
/// same for the file system of the work directory, with 5 GB and 10 GB.
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

/// The size of the file system; of the nearest existing directory when the path does not exist yet.
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
    fn something_is_left_to_the_system() {
        for (total, reserve, expect) in
            [(24_000.0, 1024.0, 22_976.0), (1000.0, 1024.0, 500.0), (2048.0, 1024.0, 1024.0)]
        {
            assert_eq!(after_reserve(total, reserve), expect);
        }
    }

    #[test]
    fn a_machine_has_something_to_offer() {
        let machine = detect(Path::new("/nonexistent/work"));
        assert!(machine.cpus >= 1.0 && machine.mem_mb > 0.0 && machine.disk_mb > 0.0, "{machine:?}");
    }
}

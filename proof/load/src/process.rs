//! The resource usage of a process, from `/proc/PID`. See proc_pid_stat(5).

use std::time::Duration;

/// The usage at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all threads since the process began.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub resident: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("cannot read {path}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path} has an unexpected form")]
    Malformed { path: String },
}

impl Usage {
    /// Reads the usage of a process.
    ///
    /// # Errors
    /// Returns [`UsageError`] if the process has ended or its files have an unknown form.
    pub fn of(pid: u32) -> Result<Self, UsageError> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok((path, text)),
                Err(source) => Err(UsageError::Unreadable { path, source }),
            }
        };
        let (path, stat) = read("stat")?;
        let ticks = cpu_ticks(&stat).ok_or(UsageError::Malformed { path })?;
        let (path, statm) = read("statm")?;
        let pages = resident_pages(&statm).ok_or(UsageError::Malformed { path })?;
        Ok(Usage {
            cpu: Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
            resident: pages * rustix::param::page_size() as u64,
        })
    }
}

/// Returns the sum of the fields 14 and 15. The name of the program, in parentheses, may itself contain blanks and
/// parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_program_name_is_parsed() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 1500 250 0 0 20 0 30 0 100 200 300";
        assert_eq!(cpu_ticks(stat), Some(1750));
        assert_eq!(cpu_ticks("42 (a) S"), None);
        assert_eq!(resident_pages("1000 77 3 4 0 5 0\n"), Some(77));
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 100_000, "{usage:?}");
        assert!(Usage::of(0).is_err());
    }
}

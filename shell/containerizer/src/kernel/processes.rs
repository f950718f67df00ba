//! The table of processes in `/proc`.

use std::fs;

/// The clock ticks per second that user space sees; fixed at 100 in the Linux ABI.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// One process of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessEntry {
    /// The pid.
    pub pid: i32,
    /// The pid of the parent.
    pub parent: i32,
    /// The session.
    pub session: i32,
    /// Whether the process has ended and waits to be reaped. It holds no resources and cannot be killed.
    pub zombie: bool,
    /// The start in clock ticks since boot, which identifies a process together with the pid.
    pub started: u64,
    /// The processor time in user mode, in clock ticks.
    pub user_ticks: u64,
    /// The processor time in the kernel, in clock ticks.
    pub system_ticks: u64,
    /// The number of threads.
    pub threads: u64,
    /// The resident memory in pages.
    pub resident_pages: u64,
}

impl ProcessEntry {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        ProcessEntry::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses the content of `/proc/<pid>/stat`.
    pub(crate) fn parse(stat: &str) -> Option<Self> {
        parse(stat)
    }
}

pub(super) fn all() -> Vec<ProcessEntry> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(ProcessEntry::of)
        .collect()
}

/// The flag of kernel threads, which have no environment either (`PF_KTHREAD` of linux/sched.h).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// Returns whether the process is changing its program (execve(2)), so that its new memory has no environment yet. The
/// kernel tells this only to those who may inspect the process.
pub(super) fn is_executing(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| has_no_environment_yet(&stat))
}

fn has_no_environment_yet(stat: &str) -> bool {
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, tail)| tail.split_ascii_whitespace().collect()).unwrap_or_default();
    let number = |index: usize| fields.get(index - 3)?.parse::<u64>().ok();
    let zombie = fields.first().is_some_and(|state| matches!(*state, "Z" | "X"));
    // The fields are the flags and the end of the environment.
    !zombie && number(9).is_some_and(|flags| flags & KERNEL_THREAD == 0) && number(51) == Some(0)
}

/// Parses the fields of `/proc/<pid>/stat` (proc_pid_stat(5)). The name is in parentheses and may contain parentheses.
fn parse(stat: &str) -> Option<ProcessEntry> {
    let (head, tail) = stat.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    // The fields are numbered from 3, the state, as in the manual page.
    let field = |number: usize| fields.get(number - 3).copied();
    let number = |index: usize| field(index)?.parse().ok();
    Some(ProcessEntry {
        pid,
        zombie: matches!(field(3)?, "Z" | "X"),
        parent: field(4)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        threads: number(20)?,
        started: number(22)?,
        // The value is 0 for zombies and for kernel threads.
        resident_pages: number(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parsed_with_any_process_name() {
        let line = "42 (a) S (b)) R 7 42 41 0 -1 4194560 1 2 3 4 11 12 0 0 20 0 5 0 9001 10 77 0";
        let expected = ProcessEntry {
            pid: 42,
            parent: 7,
            session: 41,
            zombie: false,
            started: 9001,
            user_ticks: 11,
            system_ticks: 12,
            threads: 5,
            resident_pages: 77,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse("42 (a"), None);
    }

    #[test]
    fn a_process_in_execution_has_no_environment_yet() {
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(!has_no_environment_yet(&own));
        let fields: Vec<&str> = own.trim_end().rsplit_once(") ").unwrap().1.split(' ').collect();
        let with = |changes: &[(usize, &str)]| {
            let mut fields = fields.clone();
            changes.iter().for_each(|(number, value)| fields[number - 3] = value);
            format!("1 (a) {}\n", fields.join(" "))
        };
        assert!(has_no_environment_yet(&with(&[(51, "0")])));
        assert!(!has_no_environment_yet(&with(&[(51, "0"), (9, "2129984")])), "a thread of the kernel");
        assert!(!has_no_environment_yet(&with(&[(51, "0"), (3, "Z")])));
        assert!(!has_no_environment_yet("nonsense"));
    }

    #[test]
    fn the_table_contains_this_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(all().iter().any(|entry| entry.pid == own && !entry.zombie));
    }
}

//! Wait statuses (wait(2)) in the words of Mesos' messages.

/// The bit of a wait status that says that the process dumped core.
const CORE_DUMPED: i32 = 0x80;
/// The first real-time signal that programs can use: the C library reserves the two before it.
const FIRST_REAL_TIME: i32 = 34;

/// The signals that end a process, by number on Linux, as `strsignal` names them.
const SIGNALS: [(i32, &str); 20] = [
    (1, "Hangup"),
    (2, "Interrupt"),
    (3, "Quit"),
    (4, "Illegal instruction"),
    (5, "Trace/breakpoint trap"),
    (6, "Aborted"),
    (7, "Bus error"),
    (8, "Floating point exception"),
    (9, "Killed"),
    (10, "User defined signal 1"),
    (11, "Segmentation fault"),
    (12, "User defined signal 2"),
    (13, "Broken pipe"),
    (14, "Alarm clock"),
    (15, "Terminated"),
    (16, "Stack fault"),
    (24, "CPU time limit exceeded"),
    (25, "File size limit exceeded"),
    (30, "Power failure"),
    (31, "Bad system call"),
];

/// Describes how a process ended, as stout's `WSTRINGIFY` does: `exited with status 1`, `terminated with signal
/// Killed`.
pub fn describe_wait_status(status: i32) -> String {
    match status & 0x7f {
        0 => format!("exited with status {}", (status >> 8) & 0xff),
        0x7f => format!("stopped on signal {}", signal_name((status >> 8) & 0xff)),
        signal => {
            let core = if status & CORE_DUMPED != 0 { " (core dumped)" } else { "" };
            format!("terminated with signal {}{core}", signal_name(signal))
        }
    }
}

/// Returns the name of a signal, as `strsignal` does.
pub fn signal_name(signal: i32) -> String {
    match SIGNALS.iter().find(|(number, _)| *number == signal) {
        Some((_, name)) => (*name).to_owned(),
        None if signal >= FIRST_REAL_TIME => format!("Real-time signal {}", signal - FIRST_REAL_TIME),
        None => format!("Unknown signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_described_as_in_mesos() {
        for (status, expect) in [
            (0, "exited with status 0"),
            (3 << 8, "exited with status 3"),
            (9, "terminated with signal Killed"),
            (11 | CORE_DUMPED, "terminated with signal Segmentation fault (core dumped)"),
            (36, "terminated with signal Real-time signal 2"),
            (19 << 8 | 0x7f, "stopped on signal Unknown signal 19"),
        ] {
            assert_eq!(describe_wait_status(status), expect);
        }
    }
}

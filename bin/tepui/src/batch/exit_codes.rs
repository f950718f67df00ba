//! The exit code of a task, as a shell reports it.

use messages::v1::TaskState as State;

/// The messages of the command executor about the end of a command, in Mesos' words (`WSTRINGIFY` of stout).
const EXITED: &str = "exited with status ";
const SIGNALLED: &str = "terminated with signal ";
/// The exit code of a task that ended for another reason than its command.
const OTHER: u8 = 1;
/// The exit code of a signal is this number plus that of the signal, as in a shell (POSIX 2.8.2).
const SIGNAL_BASE: i32 = 128;

/// Returns the exit code of a task that is over: the exit status of its command, 128 plus the number of the signal that
/// ended it, or 1 if it ended for another reason, such as a lost agent. `message` is that of the last status.
pub fn exit_code(state: State, message: &str) -> u8 {
    if state == State::TaskFinished {
        return 0;
    }
    if let Some((_, rest)) = message.rsplit_once(EXITED) {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        // A task that was killed did not do its work, even if its command ended with status 0.
        return match digits.parse() {
            Ok(0) if state == State::TaskKilled => signalled(15),
            Ok(code) => code,
            Err(_) => OTHER,
        };
    }
    if let Some((_, rest)) = message.rsplit_once(SIGNALLED) {
        return number(rest.trim_end_matches(" (core dumped)")).map_or(OTHER, signalled);
    }
    if state == State::TaskKilled { signalled(15) } else { OTHER }
}

/// Returns the exit code of a process that a signal has ended.
pub fn signalled(signal: i32) -> u8 {
    u8::try_from(SIGNAL_BASE + signal).unwrap_or(OTHER)
}

/// Returns the number of a signal from its name by strsignal(3) on Linux.
fn number(name: &str) -> Option<i32> {
    const NAMES: [(&str, i32); 22] = [
        ("Hangup", 1),
        ("Interrupt", 2),
        ("Quit", 3),
        ("Illegal instruction", 4),
        ("Trace/breakpoint trap", 5),
        ("Aborted", 6),
        ("Bus error", 7),
        ("Floating point exception", 8),
        ("Killed", 9),
        ("User defined signal 1", 10),
        ("Segmentation fault", 11),
        ("User defined signal 2", 12),
        ("Broken pipe", 13),
        ("Alarm clock", 14),
        ("Terminated", 15),
        ("Stack fault", 16),
        ("CPU time limit exceeded", 24),
        ("File size limit exceeded", 25),
        ("Virtual timer expired", 26),
        ("Profiling timer expired", 27),
        ("I/O possible", 29),
        ("Bad system call", 31),
    ];
    let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let real_time = || name.strip_prefix("Real-time signal ")?.parse::<i32>().ok().map(|above| above + 34);
    let unknown = || name.strip_prefix("Unknown signal ")?.parse().ok();
    named.or_else(real_time).or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        let check =
            |state: State, message: &str, expect: u8| assert_eq!(exit_code(state, message), expect, "{message}");
        check(State::TaskFinished, "Command exited with status 0", 0);
        check(State::TaskFailed, "Command exited with status 3", 3);
        check(State::TaskFailed, "Command exited with status 255", 255);
        check(State::TaskFailed, "Command terminated with signal Segmentation fault", 139);
        check(State::TaskFailed, "Command terminated with signal Aborted (core dumped)", 134);
        check(State::TaskKilled, "Command terminated with signal Terminated", 143);
        check(State::TaskKilled, "Command terminated with signal Killed", 137);
        check(State::TaskFailed, "Command terminated with signal Real-time signal 3", 165);
        check(State::TaskFailed, "Command terminated with signal Nonsense", 1);
        check(State::TaskKilled, "Command exited with status 0", 143);
        check(State::TaskKilled, "", 143);
        check(State::TaskLost, "the agent is gone", 1);
        check(State::TaskFailed, "Command exited with status 4000", 1);
    }
}

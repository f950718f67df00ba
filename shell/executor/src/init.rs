//! The first process of a container whose program is not an executor of this agent (`containerizer::Init`).
//!
//! An ordinary program is not fit to be the first process of a pid namespace: orphans become its children and stay
//! zombies, and signals without a handler do not end it (pid_namespaces(7)). Without a pid namespace, its daemons would
//! leave the container's process tree. This process therefore starts the program, reaps, forwards signals, adopts
//! orphans, and kills them when the program ends.

use std::ffi::{CString, NulError, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};

use crate::command::Execution;
use crate::memory;
use crate::process::{self, Signals};
use crate::terminal::{self, Terminal};
use crate::write_stderr::write_stderr;

/// The signals that are forwarded. All other signals report errors of a program, or cannot be caught.
const PASSED_ON: [Signal; 12] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::CONT,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::WINCH,
];
/// The exit status of a shell for a program that cannot be executed.
const CANNOT_EXECUTE: u8 = 126;
/// The number that a shell adds to the signal that ended a program.
const SIGNALLED: u8 = 128;

/// Runs `<program> container-init <descriptor> <path> <argv…>`.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            write_stderr(format_args!("cannot start the program of the container: {error}"));
            ExitCode::from(CANNOT_EXECUTE)
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("started without its arguments")]
    Arguments,
    #[error("a zero byte in an argument")]
    ZeroByte(#[from] NulError),
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("{}: {source}", path.to_string_lossy())]
    Execute { path: CString, source: io::Error },
}

fn run() -> Result<ExitCode, InitError> {
    let (mut report, mut terminal, execution) = arguments()?;
    let signals = Signals::install(&[&PASSED_ON[..], &[Signal::CHILD]].concat())?;
    process::adopt_orphans()?;
    let program = match &terminal {
        None => process::start(&execution),
        Some(terminal) => process::start_on_terminal(&execution, &CString::new(terminal::path_of(terminal.slave()))?),
    };
    let program = program.map_err(|source| InitError::Execute { path: execution.program.clone(), source })?;
    drop(execution);
    memory::release_unused();

    let status = until_end(&signals, program, terminal.as_mut())?;
    if getpid().as_raw_nonzero().get() != 1 {
        // In a pid namespace, the kernel kills all other processes with the first one.
        process::kill_descendants();
    }
    // The write fails if the agent has removed the container meanwhile.
    let _ = report.write_all(status.as_raw().to_string().as_bytes());
    // The end of the output may be the end of the container.
    if let Some(terminal) = terminal {
        terminal.finish();
    }
    Ok(code_of(status))
}

/// Reads the arguments. The descriptors are taken over, and the program does not inherit them.
fn arguments() -> Result<(File, Option<Terminal>, Execution), InitError> {
    let mut given = std::env::args_os().skip(2);
    let descriptor = given.next().and_then(|text| text.to_str()?.parse().ok()).ok_or(InitError::Arguments)?;
    let report = File::from(terminal::take_over(descriptor)?);
    let mut path = given.next().ok_or(InitError::Arguments)?;
    // A program has a slash in its path.
    let terminal = path.to_str().and_then(Terminal::from_argument).transpose()?;
    if terminal.is_some() {
        path = given.next().ok_or(InitError::Arguments)?;
    }
    let text = |text: OsString| CString::new(text.into_vec());
    let environment = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        text(name)
    });
    let execution = Execution {
        program: text(path)?,
        arguments: given.map(text).collect::<Result<_, _>>()?,
        environment: environment.collect::<Result<_, _>>()?,
    };
    Ok((report, terminal, execution))
}

/// Forwards signals, reaps processes and serves the terminal until the program has ended.
fn until_end(signals: &Signals, program: Pid, mut terminal: Option<&mut Terminal>) -> io::Result<WaitStatus> {
    loop {
        if let Some(terminal) = &mut terminal {
            terminal.serve_until(signals.fd().as_fd())?;
        }
        match signals.wait() {
            Signal::CHILD => {
                if let Some(status) = reap(program) {
                    return Ok(status);
                }
            }
            // The program may have ended without having been reaped yet.
            signal => drop(kill_process(program, signal)),
        }
    }
}

/// Reaps all processes that have ended. Returns the wait status of the program if it is one of them.
fn reap(program: Pid) -> Option<WaitStatus> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == program => ended = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return ended,
        }
    }
}

fn code_of(status: WaitStatus) -> ExitCode {
    let small = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitCode::from(small(code)),
        (None, Some(signal)) => ExitCode::from(SIGNALLED.saturating_add(small(signal))),
        (None, None) => ExitCode::FAILURE,
    }
}

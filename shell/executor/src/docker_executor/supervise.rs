//! The loop for a custom executor in Docker: it stands for the container among the processes of the agent, and ends with
//! it and its exit status, as the `docker run` of Mesos' agent does.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::attendant::{Attendant, Happened};
use super::launch::DockerLaunch;
use super::run::Error;
use crate::core::Exit;
use crate::memory;
use crate::process::Signals;
use crate::run::IDLE;
use crate::write_stderr::write_stderr;

/// The exit status of `docker run` for a container that cannot be started.
const CANNOT_RUN: u8 = 125;

/// Runs the container until it ends. SIGTERM ends it in the time of its stop.
///
/// # Errors
/// Returns [`Error`] if the process cannot wait for events.
pub fn supervise(launch: &DockerLaunch) -> Result<ExitCode, Error> {
    let signals = Signals::install(&[Signal::TERM])?;
    let mut container = Attendant::new(launch)?;
    container.begin();
    let mut kill_at: Option<Instant> = None;
    let mut memory_released = false;
    loop {
        let deadline = container.deadline().into_iter().chain(kill_at).min();
        let mut left = deadline.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
        if container.has_news() {
            left = Duration::ZERO;
        }
        let left = if memory_released { left } else { left.min(IDLE) };
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds = container.poll_fds();
        fds.push(PollFd::new(signals.fd(), PollFlags::IN));
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) if !memory_released && left == IDLE => {
                memory::release_unused();
                memory_released = true;
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => memory_released = false,
            Err(error) => return Err(Error::Io(error.into())),
        }
        let mut ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let is_signalled = ready.pop().unwrap_or_default();
        drop(fds);
        for happened in container.advance(&ready) {
            match happened {
                Happened::Started(..) if kill_at.is_some() => container.terminate(),
                Happened::Started(..) | Happened::Checked(..) => {}
                Happened::Ended(exit, _) => return Ok(code_of(exit)),
                Happened::Failed(reason) => {
                    write_stderr(format_args!("executor: {reason}"));
                    return Ok(ExitCode::from(CANNOT_RUN));
                }
            }
        }
        if is_signalled && signals.wait() == Signal::TERM && kill_at.is_none() {
            container.terminate();
            kill_at = Some(Instant::now() + launch.stop_timeout.unwrap_or_default());
        }
        if kill_at.is_some_and(|at| at <= Instant::now()) {
            container.kill();
            // The container repeats the signal by itself.
            kill_at = Some(Instant::now() + Duration::from_secs(3600));
        }
    }
}

fn code_of(exit: Option<Exit>) -> ExitCode {
    match exit {
        Some(Exit::Status(status)) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        _ => ExitCode::FAILURE,
    }
}

//! The template as the agent has it: its start, and requests to it.

use std::ffi::CString;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    send, sendmsg, socketpair,
};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};

use super::process_strings::{ARGUMENTS, ENVIRONMENT, padding};
use super::request::{Body, MAX_BODY, MAX_DESCRIPTORS, Reply, header, is_simple, size_of_strings};
use crate::spawn::child::Outcome;
use crate::spawn::{SpawnError, SpawnPlan, Spawned};

/// The name by which the program of the executors becomes the template.
const NAME: &str = "executor-template";
/// The time that a template has for its start on a machine that is very busy.
const START: Duration = Duration::from_secs(10);

/// A running template. Dropping it ends the template; what was forked from it goes on.
#[derive(Debug)]
pub(crate) struct ExecutorTemplate {
    /// The arguments that the programs begin with which it can start.
    argv: Vec<CString>,
    socket: OwnedFd,
    process: Mutex<Child>,
    is_broken: AtomicBool,
}

impl ExecutorTemplate {
    /// Starts the template of the program at `program`, which becomes the command executor with the arguments `argv`. It
    /// returns when the template is ready.
    ///
    /// # Errors
    /// Returns the error of the operating system, or of the kind `Unsupported` if the program is no template.
    pub(crate) fn start(program: &Path, argv: &[String]) -> io::Result<Self> {
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (argument, (name, value)) = padding();
        let mut command = Command::new(program);
        command.arg0(argv.first().map_or("", String::as_str)).arg(NAME).arg(argument);
        command.env_clear().env(name, value).current_dir("/");
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let argv = argv.iter().map(|argument| CString::new(argument.as_str())).collect::<Result<_, _>>()?;
        let process = Mutex::new(command.spawn()?);
        // The socket of the template is closed here, so that this end sees the template end.
        drop(command);
        let template = ExecutorTemplate { argv, socket, process, is_broken: AtomicBool::new(false) };
        template.wait_until_ready()?;
        Ok(template)
    }

    /// Waits for the first byte of the template.
    fn wait_until_ready(&self) -> io::Result<()> {
        let time = Timespec { tv_sec: i64::try_from(START.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
        if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&time))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match recv(&self.socket, &mut [0; 1], RecvFlags::empty())? {
            (_, 1) => Ok(()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Starts a container's process; `None` if the template cannot start it, and nothing of it exists.
    pub(crate) fn spawn(&self, plan: &SpawnPlan) -> Option<Result<Spawned, SpawnError>> {
        let fits = plan.argv.owned.starts_with(&self.argv)
            && size_of_strings(&plan.argv.owned) <= ARGUMENTS
            && size_of_strings(&plan.environment.owned) <= ENVIRONMENT;
        if !fits || !is_simple(plan) || self.is_broken.load(Ordering::Acquire) {
            return None;
        }
        let body = Some(Body::encode(plan)).filter(|body| body.len() <= MAX_BODY)?;
        match self.request(plan, &body) {
            Ok(channel) => self.outcome(&channel),
            Err(error) => {
                self.give_up(&error);
                None
            }
        }
    }

    /// Sends a request. Returns the agent's end of the channel.
    fn request(&self, plan: &SpawnPlan, body: &[u8]) -> io::Result<OwnedFd> {
        let (channel, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // Nobody else writes to it, and it has room for more than a body.
        send(&channel, body, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        let (header, descriptors) = header(plan, body, theirs.as_fd());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let header = header.encode();
        let bytes = [IoSlice::new(&header)];
        retry_on_intr(|| sendmsg(&self.socket, &bytes, &mut ancillary, SendFlags::NOSIGNAL))?;
        Ok(channel)
    }

    /// Waits until the process has joined its container, or nothing of it is left.
    fn outcome(&self, channel: &OwnedFd) -> Option<Result<Spawned, SpawnError>> {
        let mut created = None;
        loop {
            let mut bytes = [0; Reply::LENGTH];
            let received = retry_on_intr(|| recv(channel, &mut bytes, RecvFlags::empty()));
            let reply = match received {
                Ok((length, _)) if length > 0 => Reply::decode(bytes.get(..length).unwrap_or_default()),
                // Nobody has the other end any more.
                _ => None,
            };
            match reply {
                Some(Reply::Created(pid)) => created = Pid::from_raw(pid),
                Some(Reply::NotCreated(errno)) => {
                    self.give_up(&io::Error::from_raw_os_error(errno));
                    return None;
                }
                Some(Reply::Joined(step, errno, pid)) => {
                    let Some(pid) = Pid::from_raw(pid).or(created) else { continue };
                    return Some(match Outcome::from_numbers(step, errno).failure() {
                        None => started(pid),
                        Some((step, source)) => {
                            reap(pid);
                            Err(SpawnError::Child { step, source })
                        }
                    });
                }
                None => {
                    let Some(pid) = created else {
                        self.give_up(&io::ErrorKind::UnexpectedEof.into());
                        return None;
                    };
                    reap(pid);
                    return Some(Err(SpawnError::Clone(io::Error::other("the process ended while it was started"))));
                }
            }
        }
    }

    /// Uses the template no more.
    fn give_up(&self, error: &io::Error) {
        if !self.is_broken.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, "executors are started without a template from now on, which takes longer");
        }
    }
}

/// Opens the descriptor of a child, which has not been reaped.
fn started(pid: Pid) -> Result<Spawned, SpawnError> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Spawned { pid, pidfd }),
        Err(errno) => {
            // Nothing could be watched that cannot be opened.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            reap(pid);
            Err(SpawnError::Clone(errno.into()))
        }
    }
}

/// Reaps a child that has ended or is about to.
fn reap(pid: Pid) {
    while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(Errno::INTR)) {}
}

impl Drop for ExecutorTemplate {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The template has nothing to lose.
        let _ = process.kill();
        let _ = process.wait();
    }
}

//! Starting, signalling and reaping the task.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use messages::v1;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

use crate::core::Exit;

/// Readable when a child has ended. SIGCHLD is blocked in this process and unblocked in the task.
#[derive(Debug)]
pub struct ChildSignal(OwnedFd);

impl ChildSignal {
    pub fn install() -> io::Result<Self> {
        // SAFETY: `set` is initialised by sigemptyset before it is used, and lives through the calls.
        let fd = unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGCHLD);
            if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd returned a new descriptor that nobody else owns.
        Ok(ChildSignal(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Empties the descriptor; several deaths may share one signal.
    pub fn clear(&self) {
        let mut buffer = [0u8; std::mem::size_of::<libc::signalfd_siginfo>()];
        // SAFETY: the buffer is as long as said. The descriptor does not block.
        while unsafe { libc::read(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) } > 0 {}
    }
}

/// Starts the command in a process group of its own, with this process's stdout, stderr and directory.
pub fn start(info: &v1::CommandInfo) -> io::Result<Pid> {
    let value = info.value();
    let mut command = if info.shell() {
        let mut command = Command::new("/bin/sh");
        command.arg0("sh").arg("-c").arg(value);
        command
    } else {
        let mut command = Command::new(value);
        if let Some((first, rest)) = info.arguments.split_first() {
            command.arg0(first).args(rest);
        }
        command
    };
    for variable in info.environment.iter().flat_map(|e| &e.variables) {
        command.env(&variable.name, variable.value());
    }
    command.stdin(Stdio::null()).process_group(0);
    // SAFETY: between fork and exec only sigemptyset and sigprocmask run, which are async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            match libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
    let child = command.spawn()?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| io::Error::other("the task has no process id"))
}

/// To the whole process group; one that is gone needs no signal.
pub fn signal(task: Pid, signal: Signal) {
    let _ = kill_process_group(task, signal);
}

/// Reaps every ended child: the task, and as process 1 of a namespace also orphans.
pub fn reap(task: Option<Pid>) -> Option<Exit> {
    let mut exit = None;
    // Not `waitpid(None, …)`, which waits for our own process group only.
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid) == task {
            exit = match (status.exit_status(), status.terminating_signal()) {
                (Some(status), _) => Some(Exit::Status(status)),
                (None, Some(signal)) => Some(Exit::Signal(signal)),
                (None, None) => exit,
            };
        }
    }
    exit
}

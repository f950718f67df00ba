//! The pipes between a container and the agent.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};

/// The ends of the streams that the container gets.
#[derive(Debug)]
pub struct ContainerEnds {
    /// The standard input.
    pub stdin: Arc<File>,
    /// The standard output.
    pub stdout: Arc<File>,
    /// The standard error.
    pub stderr: Arc<File>,
}

/// The ends of the streams that the agent keeps. Their reads and writes do not block.
#[derive(Debug)]
pub struct AgentEnds {
    /// The end to write the standard input to.
    pub stdin: OwnedFd,
    /// The end to read the standard output from.
    pub stdout: OwnedFd,
    /// The end to read the standard error from.
    pub stderr: OwnedFd,
}

/// Makes three pipes.
///
/// # Errors
/// Returns the error of the operating system.
pub fn make() -> io::Result<(AgentEnds, ContainerEnds)> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC);
    let ((stdin_read, stdin), (stdout, stdout_write), (stderr, stderr_write)) = (pipe()?, pipe()?, pipe()?);
    for own in [&stdin, &stdout, &stderr] {
        rustix::io::ioctl_fionbio(own, true)?;
    }
    let shared = |fd: OwnedFd| Arc::new(File::from(fd));
    let ends = ContainerEnds { stdin: shared(stdin_read), stdout: shared(stdout_write), stderr: shared(stderr_write) };
    Ok((AgentEnds { stdin, stdout, stderr }, ends))
}

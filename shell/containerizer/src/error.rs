//! The errors of the containerizer.

use std::io;
use std::path::PathBuf;

/// The reason for which the containerizer cannot carry out a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--isolation` has a name that is neither known to Mesos nor to this program.
    #[error("unknown or unsupported isolation '{0}'")]
    UnknownIsolation(String),
    /// The names of `--isolation` contradict each other.
    #[error("{0}")]
    Isolation(&'static str),
    /// `--cgroups_root` could lead to cgroups that do not belong to the agent.
    #[error("'{0}' cannot be the root of the agent's cgroups: a relative path without '.' or '..' is needed")]
    InvalidCgroupsRoot(String),
    /// The linux launcher was requested, and needs root and cgroups.
    #[error("the linux launcher is not available on this machine: {0}")]
    LinuxLauncher(String),
    /// A value of the id cannot be the name of a directory.
    #[error("'{0}' cannot be the id of a container")]
    InvalidId(String),
    /// A container with this id has not ended yet.
    #[error("container '{0}' exists already")]
    AlreadyExists(String),
    /// No container with this id runs.
    #[error("no container '{0}'")]
    NotFound(String),
    /// The user database does not have this user.
    #[error("no user '{0}'")]
    UnknownUser(String),
    /// The container asks for something that no isolator in use provides.
    #[error("{what} need the isolator '{isolator}': add it to the agent's --isolation")]
    NotIsolated {
        /// The feature that the container asks for, in the plural.
        what: &'static str,
        /// The name in `--isolation`.
        isolator: &'static str,
    },
    /// The capabilities of the flags or of a container are not possible.
    #[error(transparent)]
    Capabilities(#[from] crate::CapabilityError),
    /// A volume cannot be shown.
    #[error("the volume at '{}': {reason}", path.display())]
    Volume {
        /// The path in the container.
        path: PathBuf,
        /// The problem and its solution.
        reason: String,
    },
    /// All handles of network classes are in use.
    #[error("all {0} secondary handles of --cgroups_net_cls_secondary_handles are in use")]
    NoHandle(usize),
    /// A request of a container contradicts itself or the flags of the agent. The text names the contradiction.
    #[error("{0}")]
    Request(String),
    /// A container cannot join a network. The text names the network and what its plugin answered.
    #[error("{0}")]
    Network(String),
    /// A profile of system calls cannot be used.
    #[error("{0}")]
    Seccomp(String),
    /// The number is not that of a signal.
    #[error("{0} is not the number of a signal")]
    InvalidSignal(i32),
    /// The program of the container has no terminal.
    #[error("container '{0}' has no terminal")]
    NoTerminal(String),
    /// The container has not ended yet.
    #[error("container '{0}' has not ended yet")]
    NotEnded(String),
    /// The parent of a nested container does not run.
    #[error("container '{0}' does not run: nothing can be started in it")]
    NoParent(String),
    /// [`crate::Containerizer::stop`] was called before.
    #[error("the containerizer has stopped")]
    Stopped,
    /// A file or directory could not be used.
    #[error("{action} {}", path.display())]
    Io {
        /// The action that failed, e.g. `cannot write to`.
        action: &'static str,
        /// The path that it was attempted on.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system refused something that does not concern a file.
    #[error("{action}")]
    System {
        /// The action that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }

    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::System { action, source }
    }
}

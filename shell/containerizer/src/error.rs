//! The errors of the containerizer.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown or unsupported isolation '{0}'")]
    UnknownIsolation(String),
    #[error("'{0}' cannot be the root of our cgroups: a relative path without '.' or '..' is needed")]
    InvalidCgroupsRoot(String),
    #[error("the linux launcher is not possible here: {0}")]
    LinuxLauncher(String),
    #[error("'{0}' cannot be the id of a container")]
    InvalidId(String),
    #[error("container '{0}' exists already")]
    AlreadyExists(String),
    #[error("no container '{0}'")]
    NotFound(String),
    #[error("no user '{0}'")]
    UnknownUser(String),
    /// Something was asked for that no isolator in use gives.
    #[error("{what} need the isolator '{isolator}': add it to the agent's --isolation")]
    NotIsolated { what: &'static str, isolator: &'static str },
    #[error("container '{0}' does not run: nothing can be started in it")]
    NoParent(String),
    #[error("the containerizer has stopped")]
    Stopped,
    #[error("{action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{action}")]
    System { action: &'static str, source: io::Error },
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

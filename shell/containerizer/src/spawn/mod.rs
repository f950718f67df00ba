//! Creates the first process of a container.
//!
//! The agent is a large process with many threads. A `fork` would copy its page tables (milliseconds at a few hundred
//! megabytes) and leave the child with copies of locks held by threads that do not exist in it. The child therefore
//! shares the agent's memory until it executes its program (`CLONE_VM | CLONE_VFORK`, as `posix_spawn` does), on a
//! stack of its own, and makes only system calls on data prepared before:
//!
//! | module | owns |
//! | --- | --- |
//! | `plan` | everything that the child needs, prepared: strings, descriptors, rlimits, namespaces |
//! | `clone` | the system call that creates the child |
//! | `child` | the actions of the child until `execve` |
//! | `template` | the process from which command executors are forked, without `execve` |

mod child;
mod clone;
mod plan;
mod template;

use std::io;

use rustix::process::Pid;

pub(crate) use clone::spawn;
pub(crate) use plan::SpawnPlan;
pub(crate) use template::ExecutorTemplate;
pub use template::executor_template;

/// A process that runs its program.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// The pid.
    pub pid: Pid,
    /// A descriptor that becomes readable when the process has ended.
    pub pidfd: std::os::fd::OwnedFd,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("a zero byte in {0}")]
    ZeroByte(&'static str),
    #[error("cannot open '{path}'")]
    Open { path: String, source: io::Error },
    #[error("'{0}' is not in the PATH of the container")]
    NotInPath(String),
    #[error("volumes need a container with a mount namespace")]
    SharedMounts,
    #[error(transparent)]
    Volume(crate::Error),
    #[error("cannot create a process")]
    Clone(#[source] io::Error),
    #[error("cannot enter the namespaces of the parent container")]
    EnterNamespaces(#[source] io::Error),
    /// A step of the child failed, and the child has ended.
    #[error("cannot {step}")]
    Child { step: &'static str, source: io::Error },
}

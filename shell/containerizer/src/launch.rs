//! The description of one container.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use ids::ContainerId;

use crate::{Bind, SealedProgram, User};

/// One container to start. Everything in it is already decided: nothing is inherited from this process.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Unique among live containers; each value is a name of a directory. A nested one needs its parent to run.
    pub id: ContainerId,
    /// What is run.
    pub program: Program,
    /// Including `argv[0]`.
    pub argv: Vec<OsString>,
    /// Used where the launcher cannot do without.
    pub init: Option<Init>,
    /// Complete.
    pub environment: Vec<(OsString, OsString)>,
    /// Absolute; the sandbox.
    pub working_directory: PathBuf,
    /// `None`: stay who we are.
    pub user: Option<User>,
    /// The limits to start with.
    pub limits: Limits,
    /// Resource limits of the first process; refused without the isolator `posix/rlimits`.
    pub rlimits: Vec<Rlimit>,
    /// Only for containers with mounts of their own ([`crate::Containerizer::separates_mounts`]).
    pub binds: Vec<Bind>,
    /// Where the standard output goes.
    pub stdout: Output,
    /// Where the standard error goes.
    pub stderr: Output,
}

/// The program of a container.
#[derive(Debug, Clone)]
pub enum Program {
    /// A path; relative to the working directory if it contains a `/`, else searched in the PATH of `environment`.
    Path(PathBuf),
    /// A copy that nobody can write to, whatever the container does (CVE-2019-0204).
    Sealed(Arc<SealedProgram>),
}

/// Who starts the program where it should not be the first process of its container itself. In a namespace of processes
/// the first one has to reap orphans, and signals that it does not handle do not reach it (pid_namespaces(7)); with the
/// posix launcher it has to keep together what leaves the session.
///
/// Its arguments are `argv`, then the number of a descriptor to which it writes the wait status of the program in decimal,
/// then the path of the program, then the program's own arguments.
#[derive(Debug, Clone)]
pub struct Init {
    /// One of our own programs.
    pub program: Arc<SealedProgram>,
    /// Its first arguments, `argv[0]` included.
    pub argv: Vec<OsString>,
}

/// Where a stream of the container goes.
#[derive(Debug, Clone)]
pub enum Output {
    /// A file, created if absent and always appended to.
    File {
        /// The file.
        path: PathBuf,
        /// How it is kept from growing for ever.
        rotation: Option<Rotation>,
    },
    /// An open descriptor.
    Descriptor(Arc<File>),
    /// `/dev/null`.
    Discard,
}

/// The beginning of `stdout` becomes `stdout.1` when it has grown to `max_bytes`, `stdout.1` becomes `stdout.2`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The size of each file beyond which it is rotated, in bytes; at least 8 KiB.
    pub max_bytes: u64,
    /// How many old files stay besides the one that is written to.
    pub max_files: u32,
}

/// How much a container may use. `cpus` and `memory` are what it was promised (Mesos' requests).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Processors, in parts of one.
    pub cpus: f64,
    /// The ceiling: `None` means `cpus` (and only with CFS enabled), infinity means none.
    pub cpu_limit: Option<f64>,
    /// Bytes.
    pub memory: u64,
    /// The ceiling: `None` means `memory`, `u64::MAX` means none.
    pub memory_limit: Option<u64>,
    /// At most this many processes and threads.
    pub pids: Option<u64>,
    /// Its processors are revocable: what others leave, and no more (Mesos' `--revocable_cpu_low_priority`).
    pub low_priority: bool,
}

/// One resource limit (getrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// Which resource.
    pub kind: RlimitKind,
    /// `None`: unlimited.
    pub soft: Option<u64>,
    /// What the soft limit can be raised to; `None`: unlimited.
    pub hard: Option<u64>,
}

/// The names of Mesos' `RLimitInfo.RLimit.Type` without `RLMT_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RlimitKind {
    /// Address space, in bytes.
    As,
    /// Size of a core file, in bytes.
    Core,
    /// Processor time, in seconds.
    Cpu,
    /// Data segment, in bytes.
    Data,
    /// Size of a file, in bytes.
    Fsize,
    /// Locked memory, in bytes.
    Memlock,
    /// POSIX message queues, in bytes.
    Msgqueue,
    /// 20 minus the lowest nice value.
    Nice,
    /// Number of open files.
    Nofile,
    /// Number of processes of the user.
    Nproc,
    /// Resident memory; without an effect on Linux.
    Rss,
    /// Real-time priority.
    Rtprio,
    /// Real-time processor time without a wait, in microseconds.
    Rttime,
    /// Number of queued signals.
    Sigpending,
    /// Stack, in bytes.
    Stack,
}

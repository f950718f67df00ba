//! The description of one container.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Bind, SealedProgram, User};

/// One container to start. Everything in it is already decided: nothing is inherited from this process.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Unique among live containers; a name of a directory (no `/`, not `.` or `..`).
    pub id: String,
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
    pub limits: Limits,
    pub rlimits: Vec<Rlimit>,
    /// Only for containers with mounts of their own ([`crate::Containerizer::separates_mounts`]).
    pub binds: Vec<Bind>,
    pub stdout: Output,
    pub stderr: Output,
}

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
    pub program: Arc<SealedProgram>,
    pub argv: Vec<OsString>,
}

/// Where a stream of the container goes.
#[derive(Debug, Clone)]
pub enum Output {
    /// A file, created if absent and always appended to.
    File { path: PathBuf, rotation: Option<Rotation> },
    /// An open descriptor.
    Descriptor(Arc<File>),
    /// `/dev/null`.
    Discard,
}

/// The beginning of `stdout` becomes `stdout.1` when it has grown to `max_bytes`, `stdout.1` becomes `stdout.2`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Of each file, in bytes; at least 8 KiB.
    pub max_bytes: u64,
    /// How many old files stay besides the one that is written to.
    pub max_files: u32,
}

/// How much a container may use. `cpus` and `memory` are what it was promised (Mesos' requests).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    pub kind: RlimitKind,
    /// `None`: unlimited.
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// The names of Mesos' `RLimitInfo.RLimit.Type` without `RLMT_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RlimitKind {
    As,
    Core,
    Cpu,
    Data,
    Fsize,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

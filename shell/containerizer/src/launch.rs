//! The description of one container.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use ids::ContainerId;

use crate::{Bind, Requests, SealedProgram, User};

/// The description of one container to launch. It is complete: the container inherits nothing from this process.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The id, unique among live containers. Each of its values is the name of a directory. A nested container needs
    /// its running parent.
    pub id: ContainerId,
    /// The program of the container.
    pub program: Program,
    /// The arguments, beginning with `argv[0]`.
    pub argv: Vec<OsString>,
    /// The init process, which is used if the isolation requires one.
    pub init: Option<Init>,
    /// The complete environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The absolute path of the sandbox.
    pub working_directory: PathBuf,
    /// The user of the container; `None` for that of this process.
    pub user: Option<User>,
    /// The initial limits.
    pub limits: Limits,
    /// The resource limits of the first process. They are refused without the isolator `posix/rlimits`.
    pub rlimits: Vec<Rlimit>,
    /// The bind mounts, for containers with mount namespaces ([`crate::Containerizer::separates_mounts`]).
    pub binds: Vec<Bind>,
    /// The requests to single isolators.
    pub requests: Requests,
    /// The source of the standard input.
    pub stdin: Input,
    /// The target of the standard output.
    pub stdout: Output,
    /// The target of the standard error.
    pub stderr: Output,
    /// The terminal of its program; `None` for a program without one.
    pub terminal: Option<TerminalOptions>,
    /// The relation to the containers around it, for nested and standalone containers; `None` for an executor's.
    pub nesting: Option<Nesting>,
}

/// The relation of a container that a call has launched to its parent and to later agents. Its program is started by
/// [`Launch::init`], which keeps its exit status.
#[derive(Debug, Clone, Default)]
pub struct Nesting {
    /// Whether it has limits of its own, instead of sharing those of its parent (`share_cgroups` is false).
    pub own_cgroups: bool,
    /// Whether it uses all namespaces of its parent (`ContainerClass::DEBUG` of Mesos).
    pub session: bool,
    /// The agent's description of it, which a later agent reads ([`Recovered::described`](crate::Recovered)).
    pub description: Vec<u8>,
}

/// The terminal of a container. The init owns it, or a sealed program, which is a helper of the agent and gets the argument
/// `--terminal=` with what an init gets. The owner writes the output to [`Launch::stdout`], and serves those that connect to
/// [`crate::Containerizer::connect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerminalOptions {
    /// The number of rows; zero for the default.
    pub rows: u16,
    /// The number of columns; zero for the default.
    pub columns: u16,
    /// Whether the output waits for its first reader.
    pub waits: bool,
}

/// The source of the standard input of a container.
#[derive(Debug, Clone, Default)]
pub enum Input {
    /// `/dev/null`.
    #[default]
    Nothing,
    /// An open descriptor.
    Descriptor(Arc<File>),
}

/// The program of a container.
#[derive(Debug, Clone)]
pub enum Program {
    /// A path, relative to the working directory if it contains a `/`, else searched in the PATH of `environment`.
    Path(PathBuf),
    /// A copy that nothing can write to, whatever the container does (CVE-2019-0204).
    Sealed(Arc<SealedProgram>),
}

/// The init process that starts the program where the program must not be the first process of its container. In a pid
/// namespace the first process has to reap orphans, and signals that it does not handle do not reach it
/// (pid_namespaces(7)); with the posix launcher it adopts processes that leave the session.
///
/// Its arguments are `argv`, then the number of a descriptor to which it writes the wait status of the program in
/// decimal, then the path of the program, then the program's own arguments.
#[derive(Debug, Clone)]
pub struct Init {
    /// The program, a helper of the agent.
    pub program: Arc<SealedProgram>,
    /// The first arguments, beginning with `argv[0]`.
    pub argv: Vec<OsString>,
}

/// The target of an output of the container.
#[derive(Debug, Clone)]
pub enum Output {
    /// A file, which is created if absent and always appended to.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The bound of the file; `None` to let it grow without limit.
        rotation: Option<Rotation>,
    },
    /// An open descriptor.
    Descriptor(Arc<File>),
    /// `/dev/null`.
    Discard,
}

/// The rotation of a file. When `stdout` has grown to `max_bytes`, its beginning becomes `stdout.1`, `stdout.1` becomes
/// `stdout.2`, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The size in bytes at which a file is rotated; at least 8 KiB.
    pub max_bytes: u64,
    /// The number of old files besides the current one.
    pub max_files: u32,
}

/// The resources that a container may use. `cpus` and `memory` are its allocation (requests in Mesos).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// The processors, with fractions.
    pub cpus: f64,
    /// The limit of processors: `None` means `cpus` (and only with CFS enabled), infinity means none.
    pub cpu_limit: Option<f64>,
    /// The memory in bytes.
    pub memory: u64,
    /// The limit of memory in bytes: `None` means `memory`, `u64::MAX` means none.
    pub memory_limit: Option<u64>,
    /// The maximum of processes and threads.
    pub pids: Option<u64>,
    /// The disk space of the sandbox in bytes; `None` for no limit.
    pub disk: Option<u64>,
    /// The ports in the network of the agent, as inclusive ranges.
    pub ports: Vec<(u16, u16)>,
    /// The number of GPUs.
    pub gpus: u64,
    /// Whether the processors are revocable, so that the container gets the processor time that others leave
    /// (`--revocable_cpu_low_priority` of Mesos).
    pub low_priority: bool,
}

/// One resource limit (getrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// The resource.
    pub kind: RlimitKind,
    /// The soft limit; `None` for unlimited.
    pub soft: Option<u64>,
    /// The hard limit, up to which the soft limit can be raised; `None` for unlimited.
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

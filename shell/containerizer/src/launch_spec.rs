//! What isolators and launcher have put together for one container; [`crate::spawn`] turns it into a process.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Bind, Init, Launch, Output, Program, Rlimit, User};

/// The namespaces that a container gets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Namespaces {
    /// With a `/proc` of its own.
    pub pid: bool,
    /// Mounts made inside stay inside.
    pub mount: bool,
}

/// Everything that the first process of a container begins with.
#[derive(Debug, Clone)]
pub(crate) struct LaunchSpec {
    pub program: Program,
    /// Including `argv[0]`.
    pub argv: Vec<OsString>,
    /// Complete.
    pub environment: Vec<(OsString, OsString)>,
    pub working_directory: PathBuf,
    pub user: Option<User>,
    pub stdout: Output,
    pub stderr: Output,
    pub namespaces: Namespaces,
    /// Directories to mount, in this order; only with a mount namespace.
    pub mounts: Vec<Bind>,
    pub rlimits: Vec<Rlimit>,
    /// The v2 cgroup that the process is born into.
    pub cgroup: Option<PathBuf>,
    /// The v1 cgroups that the process moves itself into.
    pub cgroups_v1: Vec<PathBuf>,
    /// Whether the program must not be the first process of its container.
    pub needs_init: bool,
    /// Who is the first process then, and the file for the wait status of the program.
    pub init: Option<(Init, PathBuf)>,
    /// Where the process writes its line of the process table before it runs anything.
    pub record: Option<PathBuf>,
}

impl LaunchSpec {
    /// Returns the launch without any isolation.
    pub(crate) fn new(launch: &Launch) -> Self {
        LaunchSpec {
            program: launch.program.clone(),
            argv: launch.argv.clone(),
            environment: launch.environment.clone(),
            working_directory: launch.working_directory.clone(),
            user: launch.user.clone(),
            stdout: launch.stdout.clone(),
            stderr: launch.stderr.clone(),
            namespaces: Namespaces::default(),
            mounts: Vec::new(),
            rlimits: Vec::new(),
            cgroup: None,
            cgroups_v1: Vec::new(),
            needs_init: false,
            init: None,
            record: None,
        }
    }
}

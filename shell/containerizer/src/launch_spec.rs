//! The result of isolators and launcher for one container, from which [`crate::spawn`] makes a process.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use executor::{ImageDevice, ImageIsolation, Privileges, SharedMemory, StagedVolume};
use rustix::process::Pid;

use crate::volumes::{Target, VolumeMount};
use crate::{AllowedDevice, Bind, Init, Input, Launch, Output, Program, Rlimit, TerminalOptions, User};

/// The new namespaces of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Namespaces {
    /// A pid namespace, with its own `/proc`.
    pub pid: bool,
    /// A mount namespace. Mounts made inside stay inside.
    pub mount: bool,
    /// An IPC namespace.
    pub ipc: bool,
    /// A UTS namespace, with its own host name.
    pub uts: bool,
}

/// Everything that the first process of a container starts with.
#[derive(Debug, Clone)]
pub(crate) struct LaunchSpec {
    /// The program.
    pub program: Program,
    /// The arguments, beginning with `argv[0]`.
    pub argv: Vec<OsString>,
    /// The complete environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory.
    pub working_directory: PathBuf,
    /// The user; `None` for that of this process.
    pub user: Option<User>,
    /// The source of the standard input.
    pub stdin: Input,
    /// The target of the standard output.
    pub stdout: Output,
    /// The target of the standard error.
    pub stderr: Output,
    /// The number of directories between an output and the sandbox of the top-level container. The users of the
    /// container control them, so no link is followed there.
    pub untrusted_directories: usize,
    /// The process whose mount namespace is entered, before a new one is made.
    pub enter_mounts: Option<Pid>,
    /// The process whose pid namespace is entered, in place of a new one.
    pub enter_pids: Option<Pid>,
    /// The process whose IPC namespace is entered, in place of a new one.
    pub enter_ipc: Option<Pid>,
    /// The network namespace that is entered.
    pub enter_network: Option<PathBuf>,
    /// The UTS namespace that is entered, in place of a new one.
    pub enter_host_name: Option<PathBuf>,
    /// The new namespaces.
    pub namespaces: Namespaces,
    /// The directories to mount in this order. They need a mount namespace.
    pub mounts: Vec<Bind>,
    /// The volumes to mount afterwards.
    pub volumes: Vec<VolumeMount>,
    /// The files by which the container resolves names, over those of the host. They need a mount namespace.
    pub name_files: Vec<VolumeMount>,
    /// The directory with these files, for the root of an image.
    pub names: Option<PathBuf>,
    /// An empty directory for the memory of volumes with secrets.
    pub secrets: PathBuf,
    /// The memory that is mounted on `/dev/shm`; `None` for that of the host, or the default of an image.
    pub shm: Option<SharedMemory>,
    /// The devices in the root of an image, besides those that every program expects.
    pub image_devices: Vec<ImageDevice>,
    /// The devices that the container may use, besides those of all containers.
    pub allowed_devices: Vec<AllowedDevice>,
    /// The number of volumes that the container has not asked for.
    pub injected_volumes: usize,
    /// The host name, in a UTS namespace.
    pub hostname: Option<String>,
    /// The resource limits.
    pub rlimits: Vec<Rlimit>,
    /// The privileges of the program.
    pub privileges: Privileges,
    /// The v2 cgroup that the process starts in.
    pub cgroup: Option<PathBuf>,
    /// The v1 cgroups that the process enters itself.
    pub cgroups_v1: Vec<PathBuf>,
    /// Whether the program must not be the first process of its container.
    pub needs_init: bool,
    /// The terminal that the init or the helper of the agent makes, and the socket that it serves.
    pub terminal: Option<(TerminalOptions, Arc<OwnedFd>)>,
    /// The init process, and the file for the wait status of the program.
    pub init: Option<(Init, PathBuf)>,
    /// The file into which the process writes its line of the process table before it executes the program.
    pub record: Option<PathBuf>,
    /// The lock of the agent's runtime directory. A process that is being started holds it until it can be found by the
    /// next agent.
    pub lock: Option<Arc<File>>,
}

impl LaunchSpec {
    /// Returns the specification of a launch without any isolation.
    pub(crate) fn new(launch: &Launch) -> Self {
        LaunchSpec {
            program: launch.program.clone(),
            argv: launch.argv.clone(),
            environment: launch.environment.clone(),
            working_directory: launch.working_directory.clone(),
            user: launch.user.clone(),
            stdin: launch.stdin.clone(),
            stdout: launch.stdout.clone(),
            stderr: launch.stderr.clone(),
            untrusted_directories: 2 * (launch.id.depth() - 1),
            enter_mounts: None,
            enter_pids: None,
            enter_ipc: None,
            enter_network: None,
            enter_host_name: None,
            namespaces: Namespaces::default(),
            mounts: Vec::new(),
            volumes: Vec::new(),
            name_files: Vec::new(),
            names: None,
            secrets: PathBuf::new(),
            shm: None,
            image_devices: Vec::new(),
            allowed_devices: Vec::new(),
            injected_volumes: 0,
            hostname: None,
            rlimits: Vec::new(),
            privileges: Privileges::default(),
            cgroup: None,
            cgroups_v1: Vec::new(),
            needs_init: false,
            terminal: None,
            init: None,
            record: None,
            lock: None,
        }
    }

    /// Returns the isolation that is carried out in the root of an image, and removes it from the work of the container's
    /// first process, which stages the volumes.
    pub(crate) fn take_image_isolation(&mut self) -> ImageIsolation {
        let staged = |volume: &VolumeMount| match &volume.target {
            Target::Image { path, staging } => Some(StagedVolume { staging: staging.clone(), path: path.clone() }),
            _ => None,
        };
        ImageIsolation {
            privileges: std::mem::take(&mut self.privileges),
            volumes: self.volumes.iter().filter_map(staged).collect(),
            shm: self.shm.take(),
            devices: std::mem::take(&mut self.image_devices),
            names: self.names.take(),
        }
    }
}

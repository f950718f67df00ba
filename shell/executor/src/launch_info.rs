//! The file that describes a container with images to its launcher (`launch_info`, as in Mesos' runtime directory).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::privileges::Privileges;

/// The launch of a program in the root file system of an image, or on the host with images as volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchInfo {
    /// The root file system; `None` for that of the host.
    pub root: Option<RootSource>,
    /// The images that are mounted as volumes.
    pub volumes: Vec<ImageVolume>,
    /// The sandbox on the host.
    pub sandbox: PathBuf,
    /// The sandbox in a container with a root of its own (`--sandbox_directory`).
    pub sandbox_directory: PathBuf,
    /// The working directory of the program, as a path in the container. It is created if it is missing.
    pub working_directory: PathBuf,
    /// The user that the program runs as; `None` for root.
    pub user: Option<UserIds>,
    /// The environment of the image, each variable as `NAME=value`. The variables of the task take precedence.
    pub environment: Vec<String>,
    /// The file in which the containerizer describes what isolates the program in the image ([`ImageIsolation`]); `None`
    /// if nothing does.
    #[serde(default)]
    pub isolation: Option<PathBuf>,
    /// The program, by path or name, and its arguments with `argv[0]`, combined from the task and the image.
    pub command: (String, Vec<String>),
    /// The directory with the files `hostname` and `hosts` of a container with a host name of its own.
    pub names: Option<PathBuf>,
    /// Whether the root file system is read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Memory that is mounted on paths of the root, a directory before those in it.
    #[serde(default)]
    pub tmpfs: Vec<TmpfsMount>,
}

/// Memory that is mounted on a path of the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsMount {
    /// The absolute path in the container.
    pub path: PathBuf,
    /// The size in bytes; `None` for half of the memory of the machine.
    pub size: Option<u64>,
    /// The permissions of the directory.
    pub mode: u32,
    /// Whether programs in it can be executed.
    pub exec: bool,
}

/// The files of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootSource {
    /// Layers that the kernel stacks.
    Overlay(OverlayDirectories),
    /// A directory with all files.
    Directory(PathBuf),
}

/// The directories of an overlay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayDirectories {
    /// The layers of the image, the lowest first.
    pub layers: Vec<PathBuf>,
    /// The directory of the files that the container writes.
    pub upper: PathBuf,
    /// The work directory of overlayfs.
    pub work: PathBuf,
    /// An empty directory of the host on which the overlay is mounted.
    pub target: PathBuf,
}

/// An image that is mounted as a volume. The files that the container writes to it are private copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageVolume {
    /// The files of the image.
    pub source: RootSource,
    /// The mount point: absolute in the container, or relative to the sandbox.
    pub container_path: PathBuf,
    /// Whether the mount is read-only.
    pub read_only: bool,
}

/// The decisions of isolators that are carried out in the root of an image, by the process that becomes the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIsolation {
    /// The privileges of the program.
    pub privileges: Privileges,
    /// The volumes, in the order in which they are mounted.
    #[serde(default)]
    pub volumes: Vec<StagedVolume>,
    /// The memory that is mounted on `/dev/shm`; `None` for a private one of 64 MB.
    #[serde(default)]
    pub shm: Option<SharedMemory>,
    /// The devices besides those that every program expects.
    #[serde(default)]
    pub devices: Vec<ImageDevice>,
    /// The directory with the files by which a container in networks of its own resolves names. It replaces that of the launch
    /// info.
    #[serde(default)]
    pub names: Option<PathBuf>,
}

/// The memory that is mounted on `/dev/shm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedMemory {
    /// A private memory.
    Private {
        /// The size in bytes.
        bytes: u64,
    },
    /// That of the host.
    Host,
}

/// A device node in the root of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDevice {
    /// The path below `/dev`.
    pub path: PathBuf,
    /// Whether it is a block device.
    pub is_block: bool,
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
    /// The permissions.
    pub mode: u32,
}

/// A volume that the containerizer has mounted on a path of the host in the mount namespace of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedVolume {
    /// The path of the host. Only the agent can write to the directories above it.
    pub staging: PathBuf,
    /// The absolute path in the container.
    pub path: PathBuf,
}

/// A user by numbers, because names are those of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// The user id.
    pub uid: u32,
    /// The id of its primary group.
    pub gid: u32,
    /// The ids of its other groups.
    pub groups: Vec<u32>,
}

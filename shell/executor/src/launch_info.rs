//! The file that describes a container with images to its launcher (`launch_info`, as in Mesos' runtime directory).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a program is started in the root file system of an image, or on the host with images as volumes.
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
    /// The program, by path or name, and its arguments with `argv[0]`, combined from the task and the image.
    pub command: (String, Vec<String>),
    /// The host name of the container; `None` for that of the host.
    pub hostname: Option<String>,
    /// The directory with the files `hostname` and `hosts` of a container with a host name of its own.
    pub names: Option<PathBuf>,
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

/// An image that is mounted as a volume. The container has a copy of its own of what it writes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageVolume {
    /// The files of the image.
    pub source: RootSource,
    /// The mount point: absolute in the container, or relative to the sandbox.
    pub container_path: PathBuf,
    /// Whether the mount is read-only.
    pub read_only: bool,
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

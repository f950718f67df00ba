//! The file that describes a container with an image to its launcher (`launch_info`, as in Mesos' runtime directory).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a program is started in the root file system of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchInfo {
    /// The layers of the image, the lowest first.
    pub layers: Vec<PathBuf>,
    /// The directory of the files that the container writes.
    pub upper: PathBuf,
    /// The work directory of overlayfs.
    pub work: PathBuf,
    /// An empty directory of the host on which the root is mounted.
    pub target: PathBuf,
    /// The sandbox on the host.
    pub sandbox: PathBuf,
    /// The sandbox in the container (`--sandbox_directory`).
    pub sandbox_directory: PathBuf,
    /// The working directory of the program, as a path in the container. It is created if it is missing.
    pub working_directory: PathBuf,
    /// The user that the program runs as; `None` for root.
    pub user: Option<UserIds>,
    /// The environment of the image, each variable as `NAME=value`. The variables of the task take precedence.
    pub environment: Vec<String>,
    /// The program, by path or name, and its arguments with `argv[0]`, combined from the task and the image.
    pub command: (String, Vec<String>),
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

//! What the agent tells the launcher of a container with an image, in a file (`launch_info`, as in Mesos' runtime directory).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a program is started in the root file system of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchInfo {
    /// The layers of the image, the lowest first.
    pub layers: Vec<PathBuf>,
    /// Where what the container writes is kept.
    pub upper: PathBuf,
    /// Overlayfs' own directory.
    pub work: PathBuf,
    /// An empty directory of the host to mount the root on.
    pub target: PathBuf,
    /// The sandbox on the host.
    pub sandbox: PathBuf,
    /// The sandbox in the container (`--sandbox_directory`).
    pub sandbox_directory: PathBuf,
    /// Where the program starts, a path in the container; made if it is not there.
    pub working_directory: PathBuf,
    /// Whom the program runs as; `None` for root.
    pub user: Option<UserIds>,
    /// The environment of the image, each as `NAME=value`; what the task says wins.
    pub environment: Vec<String>,
    /// The program of the task, by path or name, and its arguments with `argv[0]`: what the task and the image want, put together.
    pub command: (String, Vec<String>),
}

/// A user by numbers: names are those of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
}

//! What the agent writes to the standard input of the executor. It may have secrets, so that it is no argument and no file.

use std::io::{self, Read};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The container of an executor in Docker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DockerLaunch {
    /// The name of the container at Docker.
    pub name: String,
    /// The unix socket of the daemon.
    pub socket: String,
    /// The body of the request that creates the container.
    pub create: serde_json::Value,
    /// Whether the container is removed as soon as it ends.
    pub remove: bool,
    /// Whether it has a terminal, so that its output is one stream.
    pub terminal: bool,
    /// The description of the network in the task; its addresses are filled in.
    pub network_info: Option<Vec<u8>>,
    /// The time between the first signal and SIGKILL of a kill that names none; `None` for that of a SHUTDOWN.
    pub stop_timeout: Option<Duration>,
    /// Whether the container is itself an executor, which speaks with the agent.
    pub is_executor: bool,
}

/// The maximum length in bytes, more than any task has.
const MAX_LENGTH: u64 = 64 << 20;

impl DockerLaunch {
    /// Reads what the agent has written.
    ///
    /// # Errors
    /// It is not there, or was written by another version.
    pub fn read(input: impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        input.take(MAX_LENGTH).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

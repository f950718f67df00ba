//! The errors that keep an agent from starting.

use std::io;
use std::path::PathBuf;

/// The reason for which an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be started.
    #[error(transparent)]
    Edge(#[from] edge::Error),
    /// The containerizer cannot be started.
    #[error("cannot start the containerizer: {0}")]
    Containerizer(String),
    /// The container of executors that describe none cannot be carried out.
    #[error("--default_container_info: {0}")]
    DefaultContainerInfo(validation::ValidationError),
    /// The program of the executor cannot be copied.
    #[error("cannot copy the executor from {path}")]
    Executor {
        /// The path of the program.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The log of records fails.
    #[error("the agent's records cannot be used")]
    Records(#[source] store::log::LogError),
    /// The log of records is damaged and was renamed.
    #[error(
        "the records of this agent cannot be trusted and are kept as {}; put a good copy at {}, or start once with \
         --no-strict, as a new agent that knows of no tasks", kept.display(), path.display()
    )]
    RecordsDamaged {
        /// The path where the agent expects the records.
        path: PathBuf,
        /// The path of the damaged records.
        kept: PathBuf,
        /// The damage.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// One record is damaged.
    #[error("a record in {directory} cannot be read; start with --no-strict to skip it")]
    Record {
        /// The directory of the records.
        directory: PathBuf,
        /// The error of the decoder.
        source: wire::DecodeError,
    },
    /// The state of a Mesos agent cannot be read.
    #[error("cannot take over the state of a Mesos agent: {path}: {reason}; start with --no-strict to skip it")]
    Import {
        /// The file.
        path: PathBuf,
        /// The reason for which the file cannot be read.
        reason: String,
    },
    /// The configuration is incompatible with the recovered state. The text is that of Mesos, because operators search
    /// for it.
    #[error(
        "Failed to perform recovery: {reason}\nIf recovery failed due to a change in configuration and you want to\n\
         keep the current agent id, you might want to change the\n\
         `--reconfiguration_policy` flag to a more permissive value.\n\n\
         To restart this agent with a new agent id instead, start it once with\n\
         `--recover=cleanup`: that ends what runs here and forgets the old id. By hand:\nrm -rf {records}\n\
         This ensures that the agent does not recover old live executors."
    )]
    Recovery {
        /// The incompatibility.
        reason: String,
        /// The paths with the identity of the agent.
        records: String,
    },
    /// The value of `--master` is invalid.
    #[error(transparent)]
    Master(#[from] election::DetectorError),
}

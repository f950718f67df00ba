//! Why an agent does not start.

use std::io;
use std::path::PathBuf;

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be had.
    #[error(transparent)]
    Edge(#[from] edge::Error),
    /// The containerizer does not start.
    #[error("cannot start the containerizer: {0}")]
    Containerizer(String),
    /// The program of the executor cannot be copied.
    #[error("cannot copy the executor from {path}")]
    Executor {
        /// The program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log of records fails.
    #[error("the agent's records cannot be used")]
    Records(#[source] store::log::LogError),
    /// The log of records is damaged and was kept aside.
    #[error(
        "the records of this agent cannot be trusted and are kept as {}; put a good copy at {}, or start once with \
         --no-strict, as a new agent that knows of no tasks", kept.display(), path.display()
    )]
    RecordsDamaged {
        /// Where the records belong.
        path: PathBuf,
        /// Where the damaged ones are.
        kept: PathBuf,
        /// What is wrong with them.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// One record is damaged.
    #[error("a record in {directory} cannot be read; with --no-strict it is passed over")]
    Record {
        /// Where the records are.
        directory: PathBuf,
        /// What is wrong with it.
        source: wire::DecodeError,
    },
    /// The state of a Mesos agent cannot be read.
    #[error("cannot take over the state of a Mesos agent: {path}: {reason}; with --no-strict it is passed over")]
    Import {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The agent is configured so that it cannot go on with what it finds. The text is that of Mesos, since operators
    /// search for it.
    #[error(
        "Failed to perform recovery: {reason}\nIf recovery failed due to a change in configuration and you want to\n\
         keep the current agent id, you might want to change the\n\
         `--reconfiguration_policy` flag to a more permissive value.\n\n\
         To restart this agent with a new agent id instead, start it once with\n\
         `--recover=cleanup`: that ends what runs here and forgets the old id. By hand:\nrm -rf {records}\n\
         This ensures that the agent does not recover old live executors."
    )]
    Recovery {
        /// What is incompatible.
        reason: String,
        /// The paths that hold the agent's identity.
        records: String,
    },
    /// `--master` is wrong.
    #[error(transparent)]
    Master(#[from] election::DetectorError),
}

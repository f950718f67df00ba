//! Why a server did not start.

use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {address}: another process does; stop it or choose another --port")]
    AddressInUse { address: SocketAddrV4 },
    #[error("cannot listen on {address}: this machine does not have that address; choose another --ip")]
    NoSuchAddress { address: SocketAddrV4 },
    #[error("cannot listen on {address}: not permitted; ports below 1024 need root, choose another --port")]
    NotPermitted { address: SocketAddrV4 },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddrV4, source: io::Error },
    #[error("a server must be started inside a tokio runtime")]
    NoRuntime,
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("cannot get randomness from the operating system")]
    Randomness(#[source] io::Error),
    #[error("cannot create the directory {path}; choose another --work_dir or --runtime_dir")]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot start the containerizer: {0}")]
    Containerizer(String),
    #[error("cannot copy the executor from {path}")]
    Executor { path: PathBuf, source: io::Error },
    #[error("--registry=embedded keeps its file in the work directory: set --work_dir, or --registry=in_memory")]
    NoWorkDir,
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("cannot read the registry; it was left untouched")]
    Registry(#[source] ::master::CorruptRegistry),
    #[error("the agent's records cannot be used")]
    Records(#[source] store::log::LogError),
    #[error(
        "the records of this agent cannot be trusted and are kept as {}; put a good copy at {}, or start once with \
         --no-strict, as a new agent that knows of no tasks", kept.display(), path.display()
    )]
    RecordsDamaged { path: PathBuf, kept: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("a record in {directory} cannot be read; with --no-strict it is passed over")]
    Record { directory: PathBuf, source: wire::DecodeError },
    #[error("cannot take over the state of a Mesos agent: {path}: {reason}; with --no-strict it is passed over")]
    Import { path: PathBuf, reason: String },
    /// Mesos' words, as operators search for them.
    #[error(
        "Failed to perform recovery: {reason}\nIf recovery failed due to a change in configuration and you want to\n\
         keep the current agent id, you might want to change the\n\
         `--reconfiguration_policy` flag to a more permissive value.\n\n\
         To restart this agent with a new agent id instead, start it once with\n\
         `--recover=cleanup`: that ends what runs here and forgets the old id. By hand:\nrm -rf {records}\n\
         This ensures that the agent does not recover old live executors."
    )]
    Recovery { reason: String, records: String },
    #[error("--failure_sinks cannot be used")]
    FailureSinks(#[from] crate::master::InvalidSinks),
    #[error(transparent)]
    Master(#[from] election::DetectorError),
}

impl Error {
    /// Whether another attempt may go better.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::Store(store::Error::Fenced | store::Error::InUse { .. } | store::Error::Unavailable { .. })
        )
    }

    pub(crate) fn listen(address: SocketAddrV4, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Error::AddressInUse { address },
            io::ErrorKind::AddrNotAvailable => Error::NoSuchAddress { address },
            io::ErrorKind::PermissionDenied => Error::NotPermitted { address },
            _ => Error::Listen { address, source },
        }
    }
}

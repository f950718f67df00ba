//! The errors that keep a master from starting.

/// The reason for which a master does not start, or a term does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be started.
    #[error(transparent)]
    Edge(#[from] edge::Error),
    /// The embedded registry has no work directory.
    #[error("--registry=embedded keeps its file in the work directory: set --work_dir, or --registry=in_memory")]
    NoWorkDir,
    /// The store of the registry fails.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The content of the store cannot be read.
    #[error("cannot read the registry; it was left untouched")]
    Registry(#[source] ::master::CorruptRegistry),
    /// The value of `--failure_sinks` is invalid.
    #[error("--failure_sinks cannot be used")]
    FailureSinks(#[from] crate::InvalidSinks),
}

impl Error {
    /// Returns whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::Store(store::Error::Fenced | store::Error::InUse { .. } | store::Error::Unavailable { .. })
        )
    }
}

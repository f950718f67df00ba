//! Why a master does not start.

/// Why a master does not start, or why a term of it does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be had.
    #[error(transparent)]
    Edge(#[from] edge::Error),
    /// The embedded registry has no place.
    #[error("--registry=embedded keeps its file in the work directory: set --work_dir, or --registry=in_memory")]
    NoWorkDir,
    /// The registry's store fails.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What is in the store cannot be read.
    #[error("cannot read the registry; it was left untouched")]
    Registry(#[source] ::master::CorruptRegistry),
    /// `--failure_sinks` is wrong.
    #[error("--failure_sinks cannot be used")]
    FailureSinks(#[from] crate::InvalidSinks),
}

impl Error {
    /// Whether another attempt may go better.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::Store(store::Error::Fenced | store::Error::InUse { .. } | store::Error::Unavailable { .. })
        )
    }
}

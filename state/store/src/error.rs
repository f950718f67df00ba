//! The errors of stores.

use std::path::PathBuf;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The reason for which a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Error {
    /// Another master took over, so this one no longer leads.
    #[error("another master has taken over")]
    Fenced,
    #[error(
        "{} is in use by another process: stop it, or choose another --work_dir; masters that are to share a registry \
         need --zk", path.display()
    )]
    InUse { path: PathBuf },
    /// The store is unchanged, since an operator has to decide whether to restore or to delete it.
    #[error("{} is damaged; it was left untouched: restore it from a copy, or move it away to start anew", path.display())]
    Damaged { path: PathBuf, source: Source },
    /// No new store is created automatically, since the cluster would forget its agents and quota.
    #[error(
        "{} cannot be trusted and is kept as {}; put a good copy in its place, or remove {} and start anew, without agents, \
         quota and all else that it knew",
        path.display(), kept.display(), marker.display()
    )]
    DamagedKept { path: PathBuf, kept: PathBuf, marker: PathBuf, source: Source },
    #[error("{} was written by a later version of this program; it was left untouched", path.display())]
    TooNew { path: PathBuf },
    #[error("cannot use {}", path.display())]
    Unusable { path: PathBuf, source: Source },
    /// The same call may succeed later.
    #[error("the store does not answer")]
    Unavailable { source: Source },
}

impl Error {
    /// Returns whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }
}

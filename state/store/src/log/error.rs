//! What can go wrong with a log.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum LogError {
    #[error("cannot {doing} '{path}'")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("'{path}' is no log of this program")]
    Foreign { path: PathBuf },
    #[error("'{path}' was written by a later version of this program")]
    TooNew { path: PathBuf },
    #[error("another process uses '{path}': stop it, or choose another directory")]
    InUse { path: PathBuf },
    /// What follows is intact, so this is no write that was cut short.
    #[error("'{path}' is damaged at byte {offset}: what was written there cannot be read, what follows can")]
    Damaged { path: PathBuf, offset: u64 },
    #[error("'{path}' has been cut short: nothing that can be read is left of what it held")]
    CutShort { path: PathBuf },
    #[error("a record of {size} bytes is larger than a log takes ({limit} bytes)")]
    TooLarge { size: usize, limit: usize },
    /// After a failed flush nobody knows what is on the disk: the kernel may have dropped what it could not write and
    /// report the next flush as a success (fsync(2); "fsyncgate").
    #[error("an earlier flush of '{path}' failed")]
    Poisoned { path: PathBuf },
}

impl LogError {
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LogError {
        let path = path.into();
        move |source| LogError::Io { doing, path, source }
    }

    /// What is there cannot be read, now or later.
    pub fn is_damage(&self) -> bool {
        matches!(self, LogError::Foreign { .. } | LogError::Damaged { .. } | LogError::CutShort { .. })
    }

    /// The disk or the quota is full: worth trying again when somebody has made room.
    pub fn is_full(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        // A flush that fails for want of room has lost what it was to write.
        matches!(self, LogError::Io { doing, source, .. } if *doing == "write to" && full(source.kind()))
    }
}

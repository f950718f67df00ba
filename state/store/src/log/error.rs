//! The errors of a log.

use std::io;
use std::path::PathBuf;

/// The reason for which a log cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum LogError {
    #[error("cannot {doing} '{path}'")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("'{path}' is not a log of this program")]
    Foreign { path: PathBuf },
    #[error("'{path}' was written by a later version of this program")]
    TooNew { path: PathBuf },
    #[error("another process uses '{path}': stop it, or choose another directory")]
    InUse { path: PathBuf },
    /// The bytes after the offset are readable, so that no interrupted write is the cause.
    #[error("'{path}' is damaged at byte {offset}: the bytes there cannot be read, but later ones can")]
    Damaged { path: PathBuf, offset: u64 },
    #[error("'{path}' has been truncated: no record can be read any more")]
    CutShort { path: PathBuf },
    /// The file of the log was removed or moved away while it was written to.
    #[error(
        "the log in '{path}' has been replaced by another one while this process wrote to it: keep one of them, and start \
         the process again"
    )]
    Replaced { path: PathBuf },
    #[error("a record of {size} bytes is larger than the limit of a log ({limit} bytes)")]
    TooLarge { size: usize, limit: usize },
    /// After a failed flush the content of the disk is unknown: the kernel may have dropped data that it could not
    /// write, and may report the next flush as a success (fsync(2), "fsyncgate").
    #[error("an earlier flush of '{path}' failed")]
    Poisoned { path: PathBuf },
}

impl LogError {
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LogError {
        let path = path.into();
        move |source| LogError::Io { doing, path, source }
    }

    /// Returns whether the content cannot be read, now or later.
    pub fn is_damage(&self) -> bool {
        matches!(self, LogError::Foreign { .. } | LogError::Damaged { .. } | LogError::CutShort { .. })
    }

    /// Returns whether a file or a directory was missing that had just been made.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Returns whether the disk or the quota is full. A write may succeed once there is free space.
    pub fn is_full(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        // A flush that fails for lack of space has lost the data.
        matches!(self, LogError::Io { doing, source, .. } if *doing == "write to" && full(source.kind()))
    }
}

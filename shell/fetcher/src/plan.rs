//! What is to be fetched, and what was.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Plan {
    pub items: Vec<Item>,
    /// Absolute; an existing directory.
    pub sandbox: PathBuf,
    /// Whom the files belong to, and with whose rights they are read. `None`: the caller's own.
    pub owner: Option<Owner>,
    /// `--frameworks_home`: what relative URIs are relative to.
    pub frameworks_home: Option<PathBuf>,
    /// How long a download may stand still.
    pub stall_timeout: Duration,
    pub limits: Limits,
    /// Set when the task is killed meanwhile: the fetch ends soon after.
    pub cancelled: Arc<AtomicBool>,
}

/// One `CommandInfo.URI`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    pub uri: String,
    /// Relative to the sandbox; by default the last part of the URI.
    pub output_file: Option<String>,
    pub executable: bool,
    /// Ignored for executables, as in Mesos.
    pub extract: bool,
    /// Accepted, without effect: every file is fetched anew.
    pub cache: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
    pub supplementary: Vec<u32>,
}

/// What a task's files may cost at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of one file as it is downloaded or copied.
    pub file_bytes: u64,
    /// Of everything that one archive unpacks to.
    pub unpacked_bytes: u64,
    /// Members of one archive.
    pub entries: u64,
    pub redirects: u32,
    pub connect_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Limits {
            file_bytes: 256 * GIB,
            unpacked_bytes: 256 * GIB,
            entries: 1_000_000,
            redirects: 10,
            connect_timeout: Duration::from_secs(30),
        }
    }
}

impl Plan {
    /// Mesos' defaults.
    pub fn new(sandbox: impl Into<PathBuf>, items: Vec<Item>) -> Self {
        Plan {
            items,
            sandbox: sandbox.into(),
            owner: None,
            frameworks_home: None,
            stall_timeout: Duration::from_secs(60),
            limits: Limits::default(),
            cancelled: Arc::default(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub fetched: Vec<Fetched>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub uri: String,
    /// Absolute.
    pub path: PathBuf,
    pub bytes: u64,
    /// Whether it was an archive, and has been unpacked.
    pub extracted: bool,
    /// What of the archive was left out or changed, one line each; the file `stderr` of the sandbox has them, too.
    pub warnings: Vec<String>,
}

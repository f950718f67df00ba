//! The plan of a fetch, and its report.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::cache::Cache;

/// The files that are to be fetched, and the options.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The files to fetch, in order.
    pub items: Vec<Item>,
    /// The absolute path of the sandbox, an existing directory.
    pub sandbox: PathBuf,
    /// The user who owns the files, and with whose credentials they are read; `None` for the user of the caller.
    pub owner: Option<Owner>,
    /// The name of that user, which is part of the cache's keys; `None` if all tasks run as the same one.
    pub user: Option<String>,
    /// The cache for items that ask for it; `None` for none.
    pub cache: Option<Arc<Cache>>,
    /// `--fetcher_host_settings`: the file of headers and credentials for hosts ([`crate::HostSettings`]).
    pub host_settings: Option<PathBuf>,
    /// `--hadoop_home`: the directory of the Hadoop client; `None` for `HADOOP_HOME` or the path.
    pub hadoop_home: Option<PathBuf>,
    /// `--frameworks_home`: the directory that relative URIs refer to.
    pub frameworks_home: Option<PathBuf>,
    /// The time after which a download without progress fails.
    pub stall_timeout: Duration,
    /// The bounds on what the files may cost.
    pub limits: Limits,
    /// Set when the task is killed meanwhile. The fetch then ends soon.
    pub cancelled: Arc<AtomicBool>,
}

/// One file to fetch (`CommandInfo.URI` of Mesos).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The URI: `http://`, `https://`, `file://`, a path, or one that the Hadoop client knows. It may end with a
    /// checksum (`?checksum=sha256:…`).
    pub uri: String,
    /// The path of the file in the sandbox; `None` for the last part of the URI.
    pub output_file: Option<String>,
    /// Whether the file gets the mode of an executable.
    pub executable: bool,
    /// Whether an archive is unpacked. It has no effect on executables, as in Mesos.
    pub extract: bool,
    /// Whether the file is taken from the cache, and kept there for other tasks of the same user.
    pub cache: bool,
}

/// The user whose files they become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// The ids of the supplementary groups.
    pub supplementary: Vec<u32>,
}

/// The bounds on what the files of a task may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The maximum size of one file as downloaded or copied, in bytes.
    pub file_bytes: u64,
    /// The maximum size of everything that one archive unpacks to, in bytes.
    pub unpacked_bytes: u64,
    /// The maximum number of members of one archive.
    pub entries: u64,
    /// The maximum number of redirects of one download.
    pub redirects: u32,
    /// The time for a connection to a server.
    pub connect_timeout: Duration,
    /// The number of attempts of one download that may fail in a row without a new byte.
    pub attempts: u32,
    /// The delay before the second attempt; it doubles with each.
    pub retry_delay: Duration,
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
            attempts: 3,
            retry_delay: Duration::from_secs(1),
        }
    }
}

impl Plan {
    /// Returns a plan with the defaults of Mesos.
    pub fn new(sandbox: impl Into<PathBuf>, items: Vec<Item>) -> Self {
        Plan {
            items,
            sandbox: sandbox.into(),
            owner: None,
            user: None,
            cache: None,
            host_settings: None,
            hadoop_home: None,
            frameworks_home: None,
            stall_timeout: Duration::from_secs(60),
            limits: Limits::default(),
            cancelled: Arc::default(),
        }
    }
}

/// The result of a fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The fetched files, in the order of the plan.
    pub fetched: Vec<Fetched>,
}

/// One fetched file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The URI of the item.
    pub uri: String,
    /// The absolute path of the file.
    pub path: PathBuf,
    /// The size of the file in bytes, before it was unpacked.
    pub bytes: u64,
    /// Whether the file was an archive and was unpacked.
    pub extracted: bool,
    /// The members of the archive that were omitted or changed, one line each. The `stderr` of the sandbox has them as
    /// well.
    pub warnings: Vec<String>,
}

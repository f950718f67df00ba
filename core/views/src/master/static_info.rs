//! The facts about a master that are fixed from its start, and the leader, which no change describes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1;
use model::{Timestamp, Upid};
use resources::Name;

/// The running program.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Build {
    /// The Mesos release it is compatible with, e.g. `1.11.0`: clients compare it.
    pub version: String,
    /// The date of the build, for people.
    pub date: String,
    /// The time of the build, in seconds since the Unix epoch.
    pub time: f64,
    /// The user who built the program; empty if that is unknown.
    pub user: String,
    /// The commit that it was built from.
    pub git_sha: Option<String>,
    /// The branch that it was built from.
    pub git_branch: Option<String>,
    /// The tag of that commit.
    pub git_tag: Option<String>,
}

/// The facts about a master process and the leader that are not part of the core's changes.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticInfo {
    /// The running program.
    pub build: Build,
    /// The master's libprocess process.
    pub pid: Upid,
    /// The master's own description.
    pub info: v1::MasterInfo,
    /// The start of the process.
    pub started: Timestamp,
    /// The time at which this master was elected; `None` for a follower.
    pub elected: Option<Timestamp>,
    /// The leading master, which may be this one; `None` while there is none.
    pub leader: Option<v1::MasterInfo>,
    /// The time between two heartbeats on operators' streams.
    pub heartbeat_interval: Duration,
    /// Every flag that has a value, as text.
    pub flags: BTreeMap<String, String>,
    /// The flags that decide about answers.
    pub settings: Settings,
    /// The bounds of the histories that the view keeps.
    pub limits: Limits,
}

impl StaticInfo {
    /// Creates the facts about a follower with this process and this description. Everything else is empty or has the
    /// defaults of the flags.
    pub fn new(pid: Upid, info: v1::MasterInfo) -> Self {
        StaticInfo {
            build: Build::default(),
            pid,
            info,
            started: Timestamp::default(),
            elected: None,
            leader: None,
            heartbeat_interval: Duration::from_secs(15),
            flags: BTreeMap::new(),
            settings: Settings::default(),
            limits: Limits::default(),
        }
    }
}

/// The operator's settings for the answers of a master. The defaults are those of the flags.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `--roles`: the only roles of the cluster besides `*`; `None` if frameworks may be in any.
    pub roles: Option<BTreeSet<String>>,
    /// `--publish_per_framework_metrics`.
    pub publish_per_framework_metrics: bool,
    /// `--fair_sharing_excluded_resource_names`: they do not count in dominant shares.
    pub fair_sharing_excluded_resource_names: BTreeSet<Name>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            roles: None,
            publish_per_framework_metrics: true,
            fair_sharing_excluded_resource_names: BTreeSet::new(),
        }
    }
}

/// The bounds of the history (`--max_completed_frameworks` and its siblings).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `--max_completed_frameworks`: the number of frameworks.
    pub completed_frameworks: usize,
    /// `--max_completed_tasks_per_framework`: the number of tasks of each framework.
    pub completed_tasks_per_framework: usize,
    /// `--max_unreachable_tasks_per_framework`: the number of tasks of each framework.
    pub unreachable_tasks_per_framework: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { completed_frameworks: 50, completed_tasks_per_framework: 1000, unreachable_tasks_per_framework: 1000 }
    }
}

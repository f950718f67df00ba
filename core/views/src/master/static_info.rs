//! What a master knows about itself from the start, and no change tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1;
use model::{Timestamp, Upid};
use resources::Name;

/// Of the running program.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Build {
    /// The Mesos release it is compatible with, e.g. `1.11.0`: clients compare it.
    pub version: String,
    /// As people read it.
    pub date: String,
    /// Seconds since the epoch.
    pub time: f64,
    pub user: String,
    pub git_sha: Option<String>,
    pub git_branch: Option<String>,
    pub git_tag: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StaticInfo {
    pub build: Build,
    pub pid: Upid,
    pub info: v1::MasterInfo,
    pub started: Timestamp,
    pub elected: Option<Timestamp>,
    /// The leading master, which may be this one.
    pub leader: Option<v1::MasterInfo>,
    /// How often operators' streams carry a heartbeat.
    pub heartbeat_interval: Duration,
    /// Every flag that has a value, as text.
    pub flags: BTreeMap<String, String>,
    /// The flags that decide about answers.
    pub settings: Settings,
    pub limits: Limits,
}

/// What an operator chose about the answers of a master. The defaults are those of the flags.
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

/// How much history is kept (`--max_completed_frameworks` and its siblings).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub completed_frameworks: usize,
    pub completed_tasks_per_framework: usize,
    pub unreachable_tasks_per_framework: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { completed_frameworks: 50, completed_tasks_per_framework: 1000, unreachable_tasks_per_framework: 1000 }
    }
}

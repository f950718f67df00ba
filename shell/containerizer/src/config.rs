//! What an operator chose: launcher, isolators, roots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use ids::ContainerId;

use crate::Rotation;

/// How processes are started and tracked (`--launcher`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Launcher {
    /// `Linux` where this process may create cgroups, else `Posix`.
    #[default]
    Auto,
    /// Every container is a cgroup of its own: nothing in it can escape its end.
    Linux,
    /// Every container is a session and the tree of processes below it.
    Posix,
}

/// What the operator chose, and what the agent knows of its containers.
#[derive(Debug, Clone)]
pub struct Config {
    /// How processes are started and tracked (`--launcher`).
    pub launcher: Launcher,
    /// Names as in Mesos' `--isolation`: `cgroups/cpu`, `cgroups/mem`, `cgroups/pids`, `cgroups/all`, `namespaces/pid`,
    /// `filesystem/linux`, `posix/rlimits`, `posix/cpu`, `posix/mem`, and the old `process` and `cgroups`.
    pub isolation: Vec<String>,
    /// Where cgroup hierarchies are looked for (`--cgroups_hierarchy`).
    pub cgroups_hierarchy: PathBuf,
    /// The one cgroup, below the root of each hierarchy, in which everything of ours lives (`--cgroups_root`).
    pub cgroups_root: String,
    /// CFS quota: a container may not use more than its cpus even on an idle machine (`--cgroups_enable_cfs`).
    pub cgroups_enable_cfs: bool,
    /// Limit memory and swap together (`--cgroups_limit_swap`).
    pub cgroups_limit_swap: bool,
    /// A container that is not gone after this time is reported (`--cgroups_destroy_timeout`).
    pub destroy_timeout: Duration,
    /// Where running containers are remembered, so that a restarted agent finds them (`--runtime_dir`).
    pub runtime_dir: PathBuf,
    /// The agent's work directory. Processes in sandboxes below it are the agent's own, whatever has become of `runtime_dir`.
    pub work_dir: Option<PathBuf>,
    /// The containers that run by the agent's own records: they are found again wherever they are.
    pub expected: BTreeSet<ContainerId>,
    /// The rotated outputs of those containers by the agent's own records. They count for a container of which the runtime
    /// directory does not say how its outputs are rotated.
    pub outputs: BTreeMap<ContainerId, Vec<(PathBuf, Rotation)>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            launcher: Launcher::Auto,
            isolation: vec!["posix/cpu".into(), "posix/mem".into()],
            cgroups_hierarchy: "/sys/fs/cgroup".into(),
            cgroups_root: "mesos".into(),
            cgroups_enable_cfs: false,
            cgroups_limit_swap: false,
            destroy_timeout: Duration::from_secs(60),
            runtime_dir: "/var/run/mesos".into(),
            work_dir: None,
            expected: BTreeSet::new(),
            outputs: BTreeMap::new(),
        }
    }
}

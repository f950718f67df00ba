//! Determines which mounted hierarchy has which controller.
//!
//! A machine may have v1 (a hierarchy per controller), v2 (one for all controllers), or both, with the controllers
//! divided between them (the "hybrid" mode of systemd). Each controller is therefore located separately.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::kernel::Kernel;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Cpu,
    Cpuacct,
    Memory,
    Pids,
    Freezer,
    Blkio,
    Cpuset,
    Devices,
    Hugetlb,
    NetCls,
    NetPrio,
    PerfEvent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Controller {
    pub(crate) const ALL: [Controller; 12] = [
        Controller::Cpu,
        Controller::Cpuacct,
        Controller::Memory,
        Controller::Pids,
        Controller::Freezer,
        Controller::Blkio,
        Controller::Cpuset,
        Controller::Devices,
        Controller::Hugetlb,
        Controller::NetCls,
        Controller::NetPrio,
        Controller::PerfEvent,
    ];

    /// Returns the name in a v1 hierarchy.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Controller::Blkio => "blkio",
            Controller::Cpuset => "cpuset",
            Controller::Devices => "devices",
            Controller::Hugetlb => "hugetlb",
            Controller::NetCls => "net_cls",
            Controller::NetPrio => "net_prio",
            Controller::PerfEvent => "perf_event",
            Controller::Cpu => "cpu",
            Controller::Cpuacct => "cpuacct",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Freezer => "freezer",
        }
    }

    /// Returns the name in the v2 hierarchy.
    pub(crate) fn v2_name(self) -> &'static str {
        if self == Controller::Blkio { "io" } else { self.name() }
    }

    /// Returns whether every v2 cgroup has this function, without a controller of that name. Devices are limited by
    /// programs (cgroup v2 documentation, "Device controller").
    pub(crate) fn is_part_of_v2(self) -> bool {
        matches!(self, Controller::Cpuacct | Controller::Freezer | Controller::Devices | Controller::PerfEvent)
    }
}

/// The hierarchies of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// The mount point of the v2 hierarchy, with or without controllers.
    pub unified: Option<PathBuf>,
    /// The v2 cgroup that a service manager has delegated to this process, on a machine without v1. Nothing outside of it is
    /// changed.
    pub delegated: Option<PathBuf>,
    places: BTreeMap<Controller, (Version, PathBuf)>,
}

impl Hierarchies {
    /// Reads `/proc/self/mountinfo`. Only mounts at or below `root` count.
    pub(crate) fn detect(kernel: &dyn Kernel, root: &Path) -> std::io::Result<Self> {
        let mounts = kernel.read(Path::new("/proc/self/mountinfo"))?;
        let mut found = Hierarchies::default();
        let mut v1 = Vec::new();
        for (kind, path, options) in mounts.lines().filter_map(cgroup_mount).filter(|(_, p, _)| p.starts_with(root)) {
            match kind {
                Version::V2 => found.unified = Some(path),
                Version::V1 => v1.push((path, options)),
            }
        }
        if let Some(unified) = found.unified.clone() {
            let offered = kernel.read(&unified.join("cgroup.controllers")).unwrap_or_default();
            let has =
                |controller: Controller| offered.split_ascii_whitespace().any(|name| name == controller.v2_name());
            // If no v1 hierarchy is mounted, the functions that every v2 cgroup has are available.
            for controller in Controller::ALL {
                if has(controller) || (controller.is_part_of_v2() && v1.is_empty()) {
                    found.places.insert(controller, (Version::V2, unified.clone()));
                }
            }
        }
        if let Some(unified) = found.unified.as_deref().filter(|_| v1.is_empty()) {
            found.delegated = delegated(kernel, unified);
        }
        for controller in Controller::ALL {
            if let Some((path, _)) = v1.iter().find(|(_, options)| options.iter().any(|o| o == controller.name())) {
                found.places.entry(controller).or_insert_with(|| (Version::V1, path.clone()));
            }
        }
        // Events are counted in the v2 hierarchy unless a v1 hierarchy has taken the controller, which no file tells.
        if let Some(unified) = found.unified.clone() {
            found.places.entry(Controller::PerfEvent).or_insert((Version::V2, unified));
        }
        Ok(found)
    }

    /// Returns the v2 cgroup below which this agent makes cgroups.
    pub(crate) fn unified_base(&self) -> Option<&Path> {
        self.delegated.as_deref().or(self.unified.as_deref())
    }

    /// Returns the cgroup below which this agent makes cgroups of a controller.
    pub(crate) fn base(&self, controller: Controller) -> Option<(Version, &Path)> {
        match self.location(controller)? {
            (Version::V2, _) => Some((Version::V2, self.unified_base()?)),
            v1 => Some(v1),
        }
    }

    /// Returns the mount point of the hierarchy with a controller.
    pub(crate) fn location(&self, controller: Controller) -> Option<(Version, &Path)> {
        self.places.get(&controller).map(|(version, path)| (*version, path.as_path()))
    }
}

/// Returns the cgroup of a systemd unit with `Delegate=yes` that this process is in, or in a child of it, as with
/// `DelegateSubgroup=` (systemd's "Control Group APIs and Delegation").
fn delegated(kernel: &dyn Kernel, unified: &Path) -> Option<PathBuf> {
    let lines = kernel.read(Path::new("/proc/self/cgroup")).ok()?;
    let own = lines.lines().find_map(|line| line.strip_prefix("0::/"))?;
    if Path::new(own).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return None;
    }
    let own = unified.join(own);
    let candidates = own.ancestors().take(2).take_while(|path| *path != unified);
    candidates.into_iter().find(|path| kernel.is_delegated(path)).map(Path::to_owned)
}

/// Parses a line of mountinfo (proc_pid_mountinfo(5)) about cgroups: version, mount point, options of the hierarchy.
fn cgroup_mount(line: &str) -> Option<(Version, PathBuf, Vec<String>)> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    let version = match after.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = after.nth(1)?.split(',').map(str::to_owned).collect();
    let mount_point = before.split(' ').nth(4)?;
    Some((version, PathBuf::from(mount_point), options))
}

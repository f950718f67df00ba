//! The names of `--isolation`, and what of them this machine can give.

use std::collections::BTreeSet;

use crate::cgroups::{CgroupTree, Controller, Hierarchies};
use crate::kernel::Kernel;
use crate::spawn::Namespaces;
use crate::{Config, Error, Launcher};

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct RequestedIsolation {
    controllers: BTreeSet<Controller>,
    namespaces: Namespaces,
    rlimits: bool,
    /// Names that Mesos knows and we do not implement.
    unsupported: Vec<String>,
}

/// What containers get.
#[derive(Debug)]
pub(crate) struct Isolation {
    pub tracking: Tracking,
    pub namespaces: Namespaces,
    pub rlimits: bool,
    /// What is asked for and cannot be given, each a sentence.
    pub missing: Vec<String>,
}

/// How the processes of a container are found again.
#[derive(Debug, Clone)]
pub(crate) enum Tracking {
    /// The linux launcher.
    Cgroups(CgroupTree),
    /// The posix launcher.
    ProcessTree,
}

/// Names without an effect on containers of a plain command, which is all there is until images.
const WITHOUT_EFFECT: [&str; 6] =
    ["filesystem/posix", "posix/cpu", "posix/mem", "process", "environment_secret", "docker/runtime"];

/// Names of Mesos for which there is nothing here yet: the agent starts and says so, as it does for missing rights.
const NOT_IMPLEMENTED: [&str; 28] = [
    "appc/runtime",
    "cgroups/blkio",
    "cgroups/cpuset",
    "cgroups/devices",
    "cgroups/hugetlb",
    "cgroups/net_cls",
    "cgroups/net_prio",
    "cgroups/perf_event",
    "disk/du",
    "disk/xfs",
    "docker/volume",
    "filesystem/shared",
    "gpu/nvidia",
    "linux/capabilities",
    "linux/devices",
    "linux/nnp",
    "linux/seccomp",
    "namespaces/ipc",
    "network/cni",
    "network/port_mapping",
    "network/ports",
    "posix/disk",
    "volume/csi",
    "volume/host_path",
    "volume/image",
    "volume/sandbox_path",
    "volume/secret",
    "windows/cpu",
];

impl Isolation {
    /// Makes the launcher's roots and finds out what works.
    pub(crate) fn prepare(kernel: &dyn Kernel, config: &Config) -> Result<Self, Error> {
        let mut wanted = parse(&config.isolation)?;
        let mut missing: Vec<String> =
            wanted.unsupported.drain(..).map(|name| format!("isolation '{name}' is not implemented")).collect();

        let tracking = tracking(kernel, config, &wanted.controllers, &mut missing)?;
        if matches!(tracking, Tracking::ProcessTree) {
            for controller in &wanted.controllers {
                missing.push(format!("{} is not limited: that needs the linux launcher", described(*controller)));
            }
        }
        if wanted.namespaces != Namespaces::default() && !kernel.is_root() {
            missing.push("processes and mounts of containers are not separated: that needs root".into());
            wanted.namespaces = Namespaces::default();
        }
        if !kernel.is_root() {
            missing.push("tasks cannot run as other users: that needs root".into());
        }
        Ok(Isolation { tracking, namespaces: wanted.namespaces, rlimits: wanted.rlimits, missing })
    }
}

fn tracking(
    kernel: &dyn Kernel,
    config: &Config,
    controllers: &BTreeSet<Controller>,
    missing: &mut Vec<String>,
) -> Result<Tracking, Error> {
    if config.launcher == Launcher::Posix {
        return Ok(Tracking::ProcessTree);
    }
    match linux(kernel, config, controllers, missing) {
        Ok(tree) => Ok(Tracking::Cgroups(tree)),
        Err(error) if config.launcher == Launcher::Linux => Err(error),
        Err(error) => {
            let escape = "from which a process escapes that kills its executor and clears its environment";
            missing.push(format!("the posix launcher is used, {escape}: {}", with_source(&error)));
            Ok(Tracking::ProcessTree)
        }
    }
}

fn linux(
    kernel: &dyn Kernel,
    config: &Config,
    controllers: &BTreeSet<Controller>,
    missing: &mut Vec<String>,
) -> Result<CgroupTree, Error> {
    if !kernel.is_root() {
        return Err(Error::LinuxLauncher("it needs root".into()));
    }
    let hierarchies = Hierarchies::detect(kernel, &config.cgroups_hierarchy)
        .map_err(Error::io("cannot read", "/proc/self/mountinfo"))?;
    let mut wanted: Vec<Controller> = controllers.iter().copied().collect();
    if wanted.contains(&Controller::Cpu) {
        wanted.push(Controller::Cpuacct);
    }
    let (tree, lacking) = CgroupTree::prepare(kernel, &hierarchies, &config.cgroups_root, &wanted)?;
    for controller in lacking {
        let name = controller.name();
        missing.push(format!("{} is not limited: no usable cgroup controller '{name}'", described(controller)));
    }
    Ok(tree)
}

fn described(controller: Controller) -> &'static str {
    match controller {
        Controller::Cpu => "cpu",
        Controller::Cpuacct => "cpu time",
        Controller::Memory => "memory",
        Controller::Pids => "the number of processes",
        Controller::Freezer => "execution",
    }
}

fn parse(names: &[String]) -> Result<RequestedIsolation, Error> {
    let mut wanted = RequestedIsolation::default();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        match name {
            "cgroups/cpu" => drop(wanted.controllers.insert(Controller::Cpu)),
            "cgroups/mem" => drop(wanted.controllers.insert(Controller::Memory)),
            "cgroups/pids" => drop(wanted.controllers.insert(Controller::Pids)),
            "cgroups" => wanted.controllers.extend([Controller::Cpu, Controller::Memory]),
            "cgroups/all" => wanted.controllers.extend([Controller::Cpu, Controller::Memory, Controller::Pids]),
            // A /proc of its own needs mounts of its own.
            "namespaces/pid" => wanted.namespaces = Namespaces { pid: true, mount: true },
            "filesystem/linux" => wanted.namespaces.mount = true,
            "posix/rlimits" => wanted.rlimits = true,
            name if WITHOUT_EFFECT.contains(&name) => {}
            name if NOT_IMPLEMENTED.contains(&name) => wanted.unsupported.push(name.to_owned()),
            name => return Err(Error::UnknownIsolation(name.to_owned())),
        }
    }
    Ok(wanted)
}

pub(crate) fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], expect: RequestedIsolation) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(parse(&names).unwrap(), expect, "{names:?}");
    }

    #[test]
    fn names_are_those_of_mesos() {
        let both = BTreeSet::from([Controller::Cpu, Controller::Memory]);
        check(&["cgroups"], RequestedIsolation { controllers: both.clone(), ..RequestedIsolation::default() });
        check(
            &["cgroups/cpu", " cgroups/mem", ""],
            RequestedIsolation { controllers: both, ..RequestedIsolation::default() },
        );
        check(&["posix/cpu", "posix/mem", "process"], RequestedIsolation::default());
        check(&["posix/rlimits"], RequestedIsolation { rlimits: true, ..RequestedIsolation::default() });
        let namespaces = Namespaces { pid: true, mount: true };
        check(&["namespaces/pid"], RequestedIsolation { namespaces, ..RequestedIsolation::default() });
        check(
            &["disk/du"],
            RequestedIsolation { unsupported: vec!["disk/du".into()], ..RequestedIsolation::default() },
        );
    }

    #[test]
    fn a_wrong_name_is_an_error() {
        assert!(
            matches!(parse(&["cgroups/cpus".into()]), Err(Error::UnknownIsolation(name)) if name == "cgroups/cpus")
        );
    }
}

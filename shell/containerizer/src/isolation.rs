//! The isolation of containers on this machine: how their processes are tracked, and which isolators are in use.

use ids::ContainerId;
use model::with_sources;
use rustix::process::Pid;

use crate::cgroups::{CgroupTree, ContainerCgroups, Controller, Hierarchies};
use crate::isolators::{CgroupsPerfEvent, ContainerContext, DiskXfs, Isolators, Requested};
use crate::kernel::Kernel;
use crate::{Config, Error, Launcher};

/// The launcher and the isolators in use.
#[derive(Debug)]
pub(crate) struct Isolation {
    /// The way in which processes are tracked.
    pub tracking: Tracking,
    /// The isolators in use.
    pub isolators: Isolators,
    /// The mounted hierarchies, including those of a launcher that is not in use any more.
    pub hierarchies: Hierarchies,
    /// The requested isolators that are not available, each as a sentence for people.
    pub missing: Vec<String>,
}

/// The way in which the processes of a container are tracked.
#[derive(Debug, Clone)]
pub(crate) enum Tracking {
    /// The linux launcher.
    Cgroups(CgroupTree),
    /// The posix launcher.
    ProcessTree,
}

impl Isolation {
    /// Creates the roots of the launcher and determines what is available.
    ///
    /// # Errors
    /// Returns [`Error`] if the name of an isolator is unknown, or the requested launcher is not available.
    pub(crate) fn prepare(kernel: &dyn Kernel, config: &Config) -> Result<Self, Error> {
        let mut requested = Requested::parse(&config.isolation)?;
        let mut missing: Vec<String> =
            requested.unsupported.drain(..).map(|sentence| format!("isolation {sentence}")).collect();
        let hierarchies = Hierarchies::detect(kernel, &config.cgroups_hierarchy);

        let tracking = tracking(kernel, config, &hierarchies, &requested, &mut missing)?;
        if matches!(tracking, Tracking::ProcessTree) {
            for controller in requested.controllers() {
                missing.push(format!("{} is not limited: that needs the linux launcher", described(controller)));
            }
        }
        if matches!(tracking, Tracking::ProcessTree) && requested.has("network/ports") {
            missing.push("the ports of containers are not checked: that needs the linux launcher".into());
        }
        if requested.needs_root() && !kernel.is_root() {
            missing.push("processes and mounts of containers are not separated: that needs root".into());
        }
        if !kernel.is_root() {
            missing.push("tasks cannot run as other users: that needs root".into());
        }
        config.capabilities.check()?;
        if requested.has("cgroups/perf_event") {
            missing.extend(CgroupsPerfEvent::check(config)?);
        }
        if requested.has("disk/xfs") {
            DiskXfs::check(config, kernel.is_root())?;
        }
        let isolators = requested.make(config, kernel.is_root());
        Ok(Isolation { tracking, isolators, hierarchies: hierarchies.unwrap_or_default(), missing })
    }

    /// Returns the cgroups of a nested container that has limits of its own; `None` with the posix launcher.
    pub(crate) fn own_cgroups(&self, id: &ContainerId) -> Option<ContainerCgroups> {
        match &self.tracking {
            Tracking::Cgroups(tree) => Some(tree.limited_group(id)),
            Tracking::ProcessTree => None,
        }
    }

    /// Returns the cgroups of a new container; `None` with the posix launcher.
    pub(crate) fn cgroups(&self, id: &ContainerId) -> Option<ContainerCgroups> {
        match &self.tracking {
            Tracking::Cgroups(tree) => Some(tree.group(id)),
            Tracking::ProcessTree => None,
        }
    }

    /// Returns the properties of a container that isolators use.
    pub(crate) fn context<'a>(
        kernel: &'a dyn Kernel,
        id: &'a ContainerId,
        cgroups: Option<&'a ContainerCgroups>,
        pid: Option<Pid>,
    ) -> ContainerContext<'a> {
        ContainerContext { kernel, id, cgroups, pid, parent: None }
    }
}

fn tracking(
    kernel: &dyn Kernel,
    config: &Config,
    hierarchies: &std::io::Result<Hierarchies>,
    requested: &Requested,
    missing: &mut Vec<String>,
) -> Result<Tracking, Error> {
    if config.launcher == Launcher::Posix {
        return Ok(Tracking::ProcessTree);
    }
    match linux(kernel, config, hierarchies, requested, missing) {
        Ok(tree) => Ok(Tracking::Cgroups(tree)),
        Err(error) if config.launcher == Launcher::Linux => Err(error),
        Err(error) => {
            let escape = "from which a process escapes that kills its executor and clears its environment";
            missing.push(format!("the posix launcher is used, {escape}: {}", with_sources(&error)));
            Ok(Tracking::ProcessTree)
        }
    }
}

fn linux(
    kernel: &dyn Kernel,
    config: &Config,
    hierarchies: &std::io::Result<Hierarchies>,
    requested: &Requested,
    missing: &mut Vec<String>,
) -> Result<CgroupTree, Error> {
    if !kernel.is_root() {
        return Err(Error::LinuxLauncher("it needs root".into()));
    }
    let hierarchies = match hierarchies {
        Ok(hierarchies) => hierarchies,
        Err(error) => {
            let source = std::io::Error::new(error.kind(), error.to_string());
            return Err(Error::io("cannot read", "/proc/self/mountinfo")(source));
        }
    };
    let mut wanted: Vec<Controller> = requested.controllers().collect();
    if wanted.contains(&Controller::Cpu) {
        wanted.push(Controller::Cpuacct);
    }
    let (tree, lacking) = CgroupTree::prepare(kernel, hierarchies, &config.cgroups_root, &wanted)?;
    for controller in lacking.into_iter().filter(|controller| !requested.is_optional(*controller)) {
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
        Controller::Blkio => "the measurement of disk operations",
        Controller::Cpuset => "the set of processors",
        Controller::Devices => "the use of devices",
        Controller::Hugetlb => "the use of huge pages",
        Controller::NetCls => "the class of network packets",
        Controller::NetPrio => "the priority of network packets",
        Controller::PerfEvent => "the counting of performance events",
    }
}

//! The agent's root in each hierarchy, and the cgroups of containers below it. No other cgroup is ever changed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use ids::ContainerId;
use rustix::process::Pid;

use super::mounts::{Controller, Hierarchies, Version};
use crate::Error;
use crate::kernel::Kernel;

/// The hierarchies in use, and the name of the agent's root in them.
#[derive(Debug, Clone)]
pub(crate) struct CgroupTree {
    root: String,
    /// The hierarchy of each controller in use: its mount point, or the delegated cgroup in it.
    controllers: BTreeMap<Controller, (Version, PathBuf)>,
    /// Every hierarchy in which a container has a cgroup. The first one tracks its processes.
    hierarchies: Vec<(Version, PathBuf)>,
}

impl CgroupTree {
    /// Chooses hierarchies for these controllers and creates the agent's root in each. The v2 hierarchy tracks the
    /// processes of containers if it is mounted, because it can kill a cgroup as a whole; else the freezer's does.
    pub(crate) fn prepare(
        kernel: &dyn Kernel,
        hierarchies: &Hierarchies,
        root: &str,
        wanted: &[Controller],
    ) -> Result<(Self, Vec<Controller>), Error> {
        check_root(root)?;
        if let Some(delegated) = &hierarchies.delegated {
            leave_inner_cgroup(kernel, delegated)?;
        }
        let tracking = match hierarchies.unified_base() {
            Some(unified) => (Version::V2, unified.to_owned()),
            None => hierarchies
                .location(Controller::Freezer)
                .map(|(version, path)| (version, path.to_owned()))
                .ok_or_else(|| Error::LinuxLauncher("neither cgroup v2 nor the v1 freezer is mounted".into()))?,
        };
        let mut tree =
            CgroupTree { root: root.to_owned(), controllers: BTreeMap::new(), hierarchies: vec![tracking.clone()] };
        tree.make_root(kernel, &tracking.1)?;

        let mut missing = Vec::new();
        for controller in wanted {
            let place = tree.place(kernel, hierarchies, *controller);
            match place.as_ref().map(|(version, path)| (*version, path.as_path())) {
                Some((version, path)) if tree.enable(kernel, *controller, version, path).is_ok() => {
                    let location = (version, path.to_owned());
                    if !tree.hierarchies.contains(&location) {
                        tree.hierarchies.push(location.clone());
                    }
                    tree.controllers.insert(*controller, location);
                }
                _ => missing.push(*controller),
            }
        }
        Ok((tree, missing))
    }

    /// Returns the hierarchy in which containers have a cgroup of this controller. Every v2 cgroup measures processor time
    /// (cgroup v2 documentation, "cpu.stat"), so that a v1 hierarchy is not used for that alone: each one costs a launch a
    /// tenth of a millisecond.
    fn place(
        &self,
        kernel: &dyn Kernel,
        hierarchies: &Hierarchies,
        controller: Controller,
    ) -> Option<(Version, PathBuf)> {
        let (version, path) = hierarchies.base(controller)?;
        let found = (version, path.to_owned());
        let (tracking, v2) = self.hierarchies.first()?;
        let measures = || {
            let stat = kernel.read(&v2.join(&self.root).join("cpu.stat")).unwrap_or_default();
            stat.lines().any(|line| line.starts_with("user_usec"))
        };
        if controller == Controller::Cpuacct
            && *tracking == Version::V2
            && !self.hierarchies.contains(&found)
            && measures()
        {
            return Some((Version::V2, v2.clone()));
        }
        Some(found)
    }

    fn make_root(&self, kernel: &dyn Kernel, hierarchy: &Path) -> Result<(), Error> {
        let mut path = hierarchy.to_owned();
        for part in Path::new(&self.root) {
            path.push(part);
            make(kernel, &path).map_err(Error::io("cannot make the cgroup", &path))?;
        }
        Ok(())
    }

    /// Creates the roots again. An administrator, or another agent with the same root that has ended, may have removed
    /// them while they were empty.
    pub(crate) fn recreate_roots(&self, kernel: &dyn Kernel) -> Result<(), Error> {
        self.hierarchies.iter().try_for_each(|(_, path)| self.make_root(kernel, path))?;
        self.controllers
            .iter()
            .try_for_each(|(controller, (version, path))| self.enable(kernel, *controller, *version, path))
    }

    /// Removes the roots that are empty.
    pub(crate) fn remove_roots(&self, kernel: &dyn Kernel) {
        for (_, hierarchy) in &self.hierarchies {
            let mut root = hierarchy.join(&self.root);
            // A root that is not empty has containers of another agent, or of this one.
            while root != *hierarchy && kernel.remove_directory(&root).is_ok() {
                root.pop();
            }
        }
    }

    /// Enables the controller below the agent's root.
    fn enable(
        &self,
        kernel: &dyn Kernel,
        controller: Controller,
        version: Version,
        hierarchy: &Path,
    ) -> Result<(), Error> {
        self.make_root(kernel, hierarchy)?;
        if version == Version::V1 || controller.is_part_of_v2() {
            return Ok(());
        }
        // Controllers are enabled from the top (cgroup v2 documentation, "Enabling and Disabling"): a child has those
        // that its parent enables.
        let mut path = hierarchy.to_owned();
        enable_below(kernel, controller, &path)?;
        for part in Path::new(&self.root) {
            path.push(part);
            enable_below(kernel, controller, &path)?;
        }
        Ok(())
    }

    /// Returns the cgroups of one container, which need not exist. A nested container has a cgroup of its own only in
    /// the hierarchy that tracks processes, below that of its parent (`<parent>/mesos/<child>`, as in Mesos); it shares
    /// the limits of its root container.
    pub(crate) fn group(&self, id: &ContainerId) -> ContainerCgroups {
        let below = |hierarchy: &Path, id: &ContainerId| hierarchy.join(&self.root).join(id.path(NESTED));
        let directory = |(version, path): &(Version, PathBuf), id: &ContainerId| (*version, below(path, id));
        if id.parent().is_some() {
            let (tracking, others) = self.hierarchies.split_at(self.hierarchies.len().min(1));
            let directories: Vec<_> = tracking.iter().map(|location| directory(location, id)).collect();
            return ContainerCgroups {
                controllers: Arc::default(),
                between: parents(&directories),
                leaf: None,
                directories,
                shared: others.iter().map(|location| directory(location, &id.root())).collect(),
            };
        }
        let directories: Vec<_> = self.hierarchies.iter().map(|location| directory(location, id)).collect();
        ContainerCgroups {
            controllers: Arc::new(self.controllers.iter().map(|(c, location)| (*c, directory(location, id))).collect()),
            leaf: self.leaf(&directories),
            directories,
            shared: Vec::new(),
            between: Vec::new(),
        }
    }

    /// Returns the cgroup of the processes of a container whose cgroup may have limited children.
    fn leaf(&self, directories: &[(Version, PathBuf)]) -> Option<PathBuf> {
        self.v2_controllers().next()?;
        directories.iter().find(|(version, _)| *version == Version::V2).map(|(_, path)| path.join(LEAF))
    }

    /// Returns the controllers in use that a v2 cgroup has only if the one above passes them on.
    fn v2_controllers(&self) -> impl Iterator<Item = Controller> {
        let passed_on = |(controller, (version, _)): &(&Controller, &(Version, PathBuf))| {
            *version == Version::V2 && !controller.is_part_of_v2()
        };
        self.controllers.iter().filter(passed_on).map(|(controller, _)| *controller)
    }

    /// Returns the cgroups of a nested container with limits of its own (`share_cgroups` is false): it has one in every
    /// hierarchy, below that of its parent.
    pub(crate) fn limited_group(&self, id: &ContainerId) -> ContainerCgroups {
        let directory = |(version, path): &(Version, PathBuf)| (*version, path.join(&self.root).join(id.path(NESTED)));
        let directories: Vec<_> = self.hierarchies.iter().map(directory).collect();
        ContainerCgroups {
            controllers: Arc::new(self.controllers.iter().map(|(c, location)| (*c, directory(location))).collect()),
            between: parents(&directories),
            leaf: self.leaf(&directories),
            directories,
            shared: Vec::new(),
        }
    }

    /// Passes the v2 controllers on to the children of a container's parent, which are about to have limits of their own.
    fn pass_on_to_children(&self, kernel: &dyn Kernel, between: &Path) -> Result<(), Error> {
        for controller in self.v2_controllers() {
            for path in between.parent().into_iter().chain([between]) {
                enable_below(kernel, controller, path)?;
            }
        }
        Ok(())
    }

    /// Returns the top-level containers with a cgroup in the hierarchy that tracks processes.
    pub(crate) fn containers(&self, kernel: &dyn Kernel) -> Vec<ContainerId> {
        let root = self.hierarchies.first().map(|(_, path)| path.join(&self.root));
        let found = root.and_then(|root| kernel.subdirectories(&root).ok()).unwrap_or_default();
        found.iter().filter_map(|path| path.file_name()?.to_str()).map(ContainerId::new).collect()
    }
}

fn parents(directories: &[(Version, PathBuf)]) -> Vec<PathBuf> {
    directories.iter().filter_map(|(_, path)| path.parent().map(Path::to_owned)).collect()
}

/// The directory between the cgroup of a container and those of its children, as in Mesos.
const NESTED: &str = "mesos";

/// The name of the v2 cgroup with the processes of a container, as in Mesos: a cgroup with processes cannot have limited
/// children (cgroup v2 documentation, "No Internal Process Constraint").
const LEAF: &str = "leaf";

/// The number of times that new processes of a delegated cgroup are moved out of it.
const MOVE_ATTEMPTS: usize = 10;

/// The name of the cgroup that an agent moves itself to in a cgroup that is delegated to it.
const AGENT: &str = "agent";

/// The cgroups of one container, one in each hierarchy in use.
#[derive(Debug, Clone)]
pub(crate) struct ContainerCgroups {
    pub(super) controllers: Arc<BTreeMap<Controller, (Version, PathBuf)>>,
    /// The container's own cgroups. The first one tracks its processes.
    pub(super) directories: Vec<(Version, PathBuf)>,
    /// The cgroups of its root container, which it shares.
    pub(super) shared: Vec<(Version, PathBuf)>,
    /// The directories between its own cgroups and those of its parent. They are removed with the parent.
    pub(super) between: Vec<PathBuf>,
    /// The v2 cgroup below its own that its processes are in; `None` if they are in its own.
    pub(super) leaf: Option<PathBuf>,
}

impl ContainerCgroups {
    pub(crate) fn create(&self, kernel: &dyn Kernel, tree: &CgroupTree) -> Result<(), Error> {
        match self.make_directories(kernel, tree) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                tree.recreate_roots(kernel)?;
                self.make_directories(kernel, tree)
            }
            outcome => outcome,
        }
    }

    fn make_directories(&self, kernel: &dyn Kernel, tree: &CgroupTree) -> Result<(), Error> {
        let make_one = |path: &Path| make(kernel, path).map_err(Error::io("cannot make the cgroup", path));
        self.between.iter().try_for_each(|path| make_one(path))?;
        let is_limited = self.leaf.is_some();
        let v2 = self.directories.iter().filter(|(version, _)| *version == Version::V2 && is_limited);
        for between in v2.filter_map(|(_, path)| self.between.iter().find(|between| path.parent() == Some(between))) {
            tree.pass_on_to_children(kernel, between)?;
        }
        self.directories.iter().try_for_each(|(_, path)| make_one(path))?;
        self.leaf.iter().try_for_each(|path| make_one(path))
    }

    /// Returns the v2 cgroup that the first process starts in.
    pub(crate) fn v2_directory(&self) -> Option<&Path> {
        if let Some(leaf) = &self.leaf {
            return Some(leaf);
        }
        self.directories.iter().find(|(version, _)| *version == Version::V2).map(|(_, path)| path.as_path())
    }

    pub(crate) fn v1_directories(&self) -> impl Iterator<Item = &Path> {
        self.directories
            .iter()
            .chain(&self.shared)
            .filter(|(version, _)| *version == Version::V1)
            .map(|(_, path)| path.as_path())
    }

    /// Returns whether the cgroup that tracks the processes exists.
    pub(crate) fn exists(&self, kernel: &dyn Kernel) -> bool {
        self.directories.first().is_some_and(|(_, path)| kernel.subdirectories(path).is_ok())
    }

    /// Returns whether the container has a cgroup of this controller.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.location(controller).is_some()
    }

    /// Returns the container's cgroup of a controller; `None` if the controller is not in use.
    pub(crate) fn location(&self, controller: Controller) -> Option<(Version, &Path)> {
        self.controllers.get(&controller).map(|(version, path)| (*version, path.as_path()))
    }

    /// Sends SIGKILL to everything in the container once. Processes end later, and new ones may have started meanwhile,
    /// so callers repeat it until [`ContainerCgroups::is_empty`].
    pub(crate) fn kill(&self, kernel: &dyn Kernel) {
        let Some((version, path)) = self.directories.first() else { return };
        // The file exists since Linux 5.14. It kills all processes and prevents new ones.
        if *version == Version::V2 && kernel.write(&path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        let frozen = freeze(kernel, *version, path);
        for pid in pids(kernel, path) {
            let _ = kernel.signal(pid, rustix::process::Signal::KILL);
        }
        if frozen {
            thaw(kernel, *version, path);
        }
    }

    /// Returns whether no live process is in the container.
    pub(crate) fn is_empty(&self, kernel: &dyn Kernel) -> bool {
        self.pids(kernel).is_empty()
    }

    /// Returns the live processes of the container, including those in cgroups below its own.
    pub(crate) fn pids(&self, kernel: &dyn Kernel) -> Vec<Pid> {
        self.directories.first().map(|(_, path)| pids(kernel, path)).unwrap_or_default()
    }

    /// Removes the cgroups, including those that processes of the container created inside. Callers repeat it after an
    /// error, which means that a cgroup is still in use. That which tracks the processes comes last: by it, the next agent
    /// finds a container whose removal was interrupted.
    pub(crate) fn remove(&self, kernel: &dyn Kernel) -> io::Result<()> {
        self.directories.iter().rev().try_for_each(|(_, path)| remove_tree(kernel, path))
    }
}

/// Accepts only a relative path of plain names. Any other path could leave the hierarchy or be the root of all cgroups.
fn check_root(root: &str) -> Result<(), Error> {
    let plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    if root.is_empty() || !Path::new(root).components().all(plain) {
        return Err(Error::InvalidCgroupsRoot(root.into()));
    }
    Ok(())
}

/// Enables a controller for the children of a v2 cgroup.
fn enable_below(kernel: &dyn Kernel, controller: Controller, path: &Path) -> Result<(), Error> {
    let file = path.join("cgroup.subtree_control");
    let switch = format!("+{}", controller.v2_name());
    kernel.write(&file, &switch).map_err(Error::io("cannot enable the controller in", &file))
}

/// Moves the processes of a delegated cgroup, which are this agent and its helpers, to a cgroup below it. A cgroup with
/// processes cannot pass controllers on.
fn leave_inner_cgroup(kernel: &dyn Kernel, delegated: &Path) -> Result<(), Error> {
    let agent = delegated.join(AGENT);
    let processes = |path: &Path| {
        let file = path.join("cgroup.procs");
        kernel.read(&file).map_err(Error::io("cannot read", file))
    };
    for _ in 0..MOVE_ATTEMPTS {
        let inner = processes(delegated)?;
        if inner.trim().is_empty() {
            return Ok(());
        }
        make(kernel, &agent).map_err(Error::io("cannot make the cgroup", &agent))?;
        for pid in inner.lines() {
            let file = agent.join("cgroup.procs");
            match kernel.write(&file, pid.trim()) {
                // The process has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                outcome => outcome.map_err(Error::io("cannot move the agent with", &file))?,
            }
        }
    }
    Ok(())
}

fn make(kernel: &dyn Kernel, path: &Path) -> io::Result<()> {
    match kernel.make_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Returns the processes of the cgroup and of all cgroups below it.
fn pids(kernel: &dyn Kernel, path: &Path) -> Vec<Pid> {
    let own = kernel.read(&path.join("cgroup.procs")).unwrap_or_default();
    let mut found: Vec<Pid> = own.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)).collect();
    for below in kernel.subdirectories(path).unwrap_or_default() {
        found.extend(pids(kernel, &below));
    }
    found
}

fn freeze(kernel: &dyn Kernel, version: Version, path: &Path) -> bool {
    match version {
        Version::V1 => kernel.write(&path.join("freezer.state"), "FROZEN").is_ok(),
        Version::V2 => kernel.write(&path.join("cgroup.freeze"), "1").is_ok(),
    }
}

/// Thaws a v1 cgroup, since a frozen process does not even die from SIGKILL.
fn thaw(kernel: &dyn Kernel, version: Version, path: &Path) {
    let _ = match version {
        Version::V1 => kernel.write(&path.join("freezer.state"), "THAWED"),
        Version::V2 => kernel.write(&path.join("cgroup.freeze"), "0"),
    };
}

fn remove_tree(kernel: &dyn Kernel, path: &Path) -> io::Result<()> {
    match kernel.remove_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
        Ok(()) => return Ok(()),
    }
    for below in kernel.subdirectories(path)? {
        remove_tree(kernel, &below)?;
    }
    kernel.remove_directory(path)
}

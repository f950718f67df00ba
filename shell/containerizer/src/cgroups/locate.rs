//! Finds the cgroups of a process of an earlier agent, independent of the flags of that agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ids::ContainerId;
use rustix::process::Pid;

use super::mounts::{Controller, Hierarchies, Version};
use super::tree::ContainerCgroups;
use crate::kernel::Kernel;

impl ContainerCgroups {
    /// Returns the cgroups of the container that this process is in, by `/proc/<pid>/cgroup` (cgroups(7)); `None` if the
    /// container has no cgroup by which its processes are tracked.
    pub(crate) fn locate(
        kernel: &dyn Kernel,
        hierarchies: &Hierarchies,
        pid: Pid,
        id: &ContainerId,
    ) -> Option<ContainerCgroups> {
        let lines = kernel.read(&PathBuf::from(format!("/proc/{}/cgroup", pid.as_raw_nonzero()))).ok()?;
        let location = |controller: Controller| {
            let (version, mount) = hierarchies.location(controller)?;
            let directory = own_directory(&lines, version, Some(controller), mount, id)?;
            // A nested container without limits of its own has a v2 cgroup without controllers.
            let has_it = version == Version::V1 || controller.is_part_of_v2() || {
                let names = kernel.read(&directory.join("cgroup.controllers")).unwrap_or_default();
                names.split_ascii_whitespace().any(|name| name == controller.v2_name())
            };
            has_it.then_some((version, directory))
        };
        let unified = hierarchies
            .unified
            .as_deref()
            .and_then(|mount| Some((Version::V2, own_directory(&lines, Version::V2, None, mount, id)?)));
        let tracking = unified.or_else(|| location(Controller::Freezer))?;
        let controllers: BTreeMap<_, _> = Controller::ALL
            .into_iter()
            .filter(|controller| *controller != Controller::Freezer)
            .filter_map(|controller| Some((controller, location(controller)?)))
            .collect();
        let mut directories = vec![tracking];
        for location in controllers.values() {
            if !directories.contains(location) {
                directories.push(location.clone());
            }
        }
        Some(ContainerCgroups {
            controllers: Arc::new(controllers),
            directories,
            shared: Vec::new(),
            between: Vec::new(),
            leaf: None,
        })
    }
}

impl ContainerCgroups {
    /// Returns the cgroups that this process is in, whoever has made them; `None` if one of them is the root.
    pub(crate) fn of_process(kernel: &dyn Kernel, hierarchies: &Hierarchies, pid: Pid) -> Option<ContainerCgroups> {
        let lines = kernel.read(&PathBuf::from(format!("/proc/{}/cgroup", pid.as_raw_nonzero()))).ok()?;
        let location = |controller: Controller| {
            let (version, mount) = hierarchies.location(controller)?;
            let path = path_of(&lines, version, Some(controller))?.trim_matches('/');
            let is_own = !path.is_empty() && !path.split('/').any(|part| part == "..");
            is_own.then(|| (version, mount.join(path)))
        };
        let controllers: BTreeMap<_, _> =
            Controller::ALL.into_iter().filter_map(|controller| Some((controller, location(controller)?))).collect();
        (!controllers.is_empty()).then(|| ContainerCgroups {
            controllers: Arc::new(controllers),
            directories: Vec::new(),
            shared: Vec::new(),
            between: Vec::new(),
            leaf: None,
        })
    }
}

/// Returns the cgroup of a process in the hierarchy of a controller.
fn path_of(lines: &str, version: Version, controller: Option<Controller>) -> Option<&str> {
    lines.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = match (version, controller) {
            (Version::V2, _) => number == "0" && controllers.is_empty(),
            (Version::V1, Some(controller)) => controllers.split(',').any(|name| name == controller.name()),
            (Version::V1, None) => false,
        };
        is_it.then_some(path)
    })
}

/// Returns the part of the process's path that ends with the container. The process may be in a cgroup below it.
fn own_directory(
    lines: &str,
    version: Version,
    controller: Option<Controller>,
    mount: &Path,
    id: &ContainerId,
) -> Option<PathBuf> {
    let path = path_of(lines, version, controller)?;
    let mut directory = mount.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // A path that leaves the hierarchy belongs to another cgroup namespace.
        if part == ".." {
            return None;
        }
        directory.push(part);
        if part == id.value() {
            return Some(directory);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_that_of_the_container() {
        let lines = "9:name=systemd:/\n4:memory:/m/c\n3:cpu,cpuacct:/m/c/inner\n2:freezer:/other\n0::/m/c/leaf\n";
        let check = |version, controller, expect: Option<&str>| {
            let found = own_directory(lines, version, controller, Path::new("/h"), &ContainerId::new("c"));
            assert_eq!(found.as_deref(), expect.map(Path::new), "{version:?} {controller:?}");
        };
        check(Version::V1, Some(Controller::Memory), Some("/h/m/c"));
        check(Version::V1, Some(Controller::Cpuacct), Some("/h/m/c"));
        check(Version::V1, Some(Controller::Freezer), None);
        check(Version::V1, Some(Controller::Pids), None);
        check(Version::V2, None, Some("/h/m/c"));
    }
}

//! Finds the containers of earlier processes of this agent: by the runtime directory, by their cgroups, and by the
//! environment of their processes, which names the sandbox.
//!
//! Directories, flags and launchers may have changed meanwhile, and each of the three sources may be incomplete: a
//! runtime directory in memory is empty after a cleanup, cgroups may be below another root, and a process may clear its
//! environment. Every container that is found is either recovered or destroyed before the agent reports about it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use ids::ContainerId;
use rustix::process::Pid;

use crate::cgroups::ContainerCgroups;
use crate::isolation::{Isolation, Tracking};
use crate::kernel::{Kernel, ProcessEntry};
use crate::process_tree::ProcessTree;
use crate::runtime_dir::{ContainerState, RuntimeDir};
use crate::{Config, Rotation};

/// The remains of one container.
#[derive(Debug)]
pub(crate) struct FoundContainer {
    /// The id of the container.
    pub id: ContainerId,
    /// The first process, if it runs. A container without its first process does not continue.
    pub leader: Option<ContainerState>,
    /// The cgroups that the container is or may be in.
    pub cgroups: Option<ContainerCgroups>,
    /// The processes that no cgroup tracks, if the first process has ended.
    pub orphans: Option<ProcessTree>,
    /// The outputs that are rotated while it runs, or once more if it has ended.
    pub outputs: Vec<(PathBuf, Rotation)>,
}

/// Finds everything that an earlier process of this agent may have left.
pub(crate) fn find(
    kernel: &dyn Kernel,
    isolation: &Isolation,
    runtime: &RuntimeDir,
    config: &Config,
) -> Vec<FoundContainer> {
    let remembered: BTreeMap<ContainerId, Option<ContainerState>> = runtime.all().into_iter().collect();
    let table = kernel.processes();
    let own = std::process::id().cast_signed();
    let mut processes: BTreeMap<ContainerId, Vec<ProcessEntry>> = BTreeMap::new();
    let mut in_sandboxes: BTreeMap<i32, Sandbox> = BTreeMap::new();
    for entry in table.iter().filter(|entry| !entry.zombie && entry.pid != own) {
        let Some(sandbox) = Sandbox::of(&kernel.environment(entry.pid)) else { continue };
        if is_ours(&sandbox, &remembered, config) {
            processes.entry(sandbox.container.clone()).or_default().push(*entry);
        }
        in_sandboxes.insert(entry.pid, sandbox);
    }

    let mut ids: BTreeSet<ContainerId> = remembered.keys().chain(processes.keys()).cloned().collect();
    if let Tracking::Cgroups(tree) = &isolation.tracking {
        for id in tree.containers(kernel).into_iter().filter(|id| !remembered.contains_key(id)) {
            let pids = tree.group(&id).pids(kernel);
            match owner(&id, &pids, &in_sandboxes, &remembered, config) {
                Owner::Us => drop(ids.insert(id)),
                Owner::Another(work_dir) => {
                    let work_dir = work_dir.display();
                    tracing::warn!(%id, %work_dir, "a container below this agent's cgroup root belongs to the agent with this work directory and is left alone");
                }
                Owner::Nobody => {}
            }
        }
    }
    ids.into_iter()
        .map(|id| {
            let known = processes.get(&id).map(Vec::as_slice).unwrap_or_default();
            found(kernel, isolation, &table, remembered.get(&id), known, config, id)
        })
        .collect()
}

/// Returns the outputs on the agent's records of which nothing else is left: their containers ended while no agent ran.
pub(crate) fn outputs_without_container<'a>(
    found: &[FoundContainer],
    config: &'a Config,
) -> impl Iterator<Item = (&'a ContainerId, &'a Vec<(PathBuf, Rotation)>)> {
    let found: BTreeSet<ContainerId> = found.iter().map(|container| container.id.clone()).collect();
    config.outputs.iter().filter(move |(id, _)| !found.contains(*id))
}

fn found(
    kernel: &dyn Kernel,
    isolation: &Isolation,
    table: &[ProcessEntry],
    remembered: Option<&Option<ContainerState>>,
    processes: &[ProcessEntry],
    config: &Config,
    id: ContainerId,
) -> FoundContainer {
    // The agent's own records know more than a runtime directory that was lost.
    let rotated = remembered.and_then(|state| state.as_ref()?.rotated.clone());
    let outputs = rotated.or_else(|| config.outputs.get(&id).cloned()).unwrap_or_default();
    let leader = match remembered {
        // A first process that is known to have ended has no successor.
        Some(Some(state)) => Some(state.clone()).filter(ContainerState::is_alive),
        Some(None) | None => first_process(processes),
    };
    let located = leader
        .as_ref()
        .and_then(|leader| ContainerCgroups::locate(kernel, &isolation.hierarchies, Pid::from_raw(leader.pid)?, &id));
    match leader {
        Some(_) => {
            // A process that the agent was just starting may be about to enter the cgroups that were created for it.
            let made = || isolation.cgroups(&id).filter(|cgroups| cgroups.exists(kernel));
            let cgroups = located.or_else(made);
            FoundContainer { id, leader, cgroups, orphans: None, outputs }
        }
        None => {
            let seeds = processes.iter().map(|entry| (entry.pid, entry.started));
            let mut orphans = ProcessTree::of_orphans(seeds);
            let orphans = (!orphans.members(table).is_empty()).then_some(orphans);
            // The flags may have changed, so the cgroup may differ from the one that would be created now.
            let elsewhere = processes.first().and_then(|entry| {
                ContainerCgroups::locate(kernel, &isolation.hierarchies, Pid::from_raw(entry.pid)?, &id)
            });
            let cgroups = elsewhere.or_else(|| isolation.cgroups(&id));
            FoundContainer { id, leader: None, cgroups, orphans, outputs }
        }
    }
}

/// Returns the process that no other process of the list has started; the oldest if there are several.
fn first_process(processes: &[ProcessEntry]) -> Option<ContainerState> {
    let pids: BTreeSet<i32> = processes.iter().map(|entry| entry.pid).collect();
    let outermost = processes.iter().filter(|entry| !pids.contains(&entry.parent));
    let first = outermost.min_by_key(|entry| (entry.started, entry.pid))?;
    Some(ContainerState { pid: first.pid, started: first.started, rotated: None })
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Us,
    /// The agent with this work directory, which still exists.
    Another(PathBuf),
    /// No agent: no process runs in it, and no record names it.
    Nobody,
}

/// Determines who may destroy the content of a cgroup below the agent's root. Agents may share a root, so a container
/// that is not in this agent's records belongs to the agent in whose work directory its sandbox is, as long as that
/// directory exists.
fn owner(
    id: &ContainerId,
    pids: &[Pid],
    in_sandboxes: &BTreeMap<i32, Sandbox>,
    remembered: &BTreeMap<ContainerId, Option<ContainerState>>,
    config: &Config,
) -> Owner {
    if config.expected.contains(id) {
        return Owner::Us;
    }
    if pids.is_empty() {
        return Owner::Nobody;
    }
    let named = pids.iter().filter_map(|pid| in_sandboxes.get(&pid.as_raw_nonzero().get()));
    let sandboxes: Vec<&Sandbox> = named.filter(|sandbox| sandbox.container.root() == *id).collect();
    let ours = |sandbox: &&Sandbox| is_ours(sandbox, remembered, config);
    match sandboxes.iter().find(|sandbox| !ours(sandbox) && sandbox.work_dir.join("slaves").is_dir()) {
        Some(sandbox) if !sandboxes.iter().any(ours) => Owner::Another(sandbox.work_dir.clone()),
        _ => Owner::Us,
    }
}

fn is_ours(sandbox: &Sandbox, remembered: &BTreeMap<ContainerId, Option<ContainerState>>, config: &Config) -> bool {
    config.expected.contains(&sandbox.container)
        || remembered.contains_key(&sandbox.container)
        || config.work_dir.as_deref().is_some_and(|own| is_same(own, &sandbox.work_dir))
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The sandbox of a process according to its `MESOS_DIRECTORY`:
/// `<work_dir>/slaves/<id>/frameworks/<id>/executors/<id>/runs/<container>`, and `containers/<child>` for nested ones.
#[derive(Debug, PartialEq, Eq)]
struct Sandbox {
    work_dir: PathBuf,
    container: ContainerId,
}

/// The names of the directories from the container up to the work directory, where they are fixed.
const LAYOUT: [Option<&str>; 7] =
    [Some("runs"), None, Some("executors"), None, Some("frameworks"), None, Some("slaves")];

impl Sandbox {
    fn of(environment: &[u8]) -> Option<Self> {
        let mut path = sandbox_path(environment)?;
        let mut values = vec![take_last(&mut path)?];
        while values.len() < ContainerId::MAX_DEPTH && path.ends_with("containers") {
            path.pop();
            values.push(take_last(&mut path)?);
        }
        for part in LAYOUT {
            let name = take_last(&mut path)?;
            if part.is_some_and(|part| part != name) {
                return None;
            }
        }
        let root = ContainerId::new(values.pop()?);
        let container = values.iter().rev().try_fold(root, |parent, value| parent.child(value)).ok()?;
        Some(Sandbox { work_dir: path, container })
    }
}

/// Returns the sandbox that the environment of a process names.
pub(crate) fn sandbox_path(environment: &[u8]) -> Option<PathBuf> {
    let variable = environment.split(|byte| *byte == 0).find_map(|text| text.strip_prefix(b"MESOS_DIRECTORY="))?;
    Some(PathBuf::from(OsStr::from_bytes(variable))).filter(|path| path.is_absolute())
}

fn take_last(path: &mut PathBuf) -> Option<String> {
    let Component::Normal(name) = path.components().next_back()? else { return None };
    let name = name.to_str()?.to_owned();
    path.pop();
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_names_its_container_and_work_directory() {
        let check = |environment: &str, expect: Option<(&str, &str)>| {
            let expect =
                expect.map(|(work_dir, id)| Sandbox { work_dir: work_dir.into(), container: ContainerId::new(id) });
            assert_eq!(Sandbox::of(environment.as_bytes()), expect, "{environment:?}");
        };
        let run = "/w/d/slaves/S/frameworks/F/executors/e/runs/c";
        check(&format!("A=b\0MESOS_DIRECTORY={run}\0"), Some(("/w/d", "c")));
        check(&format!("MESOS_DIRECTORY={run}/containers/n/containers/m"), Some(("/w/d", "c.n.m")));
        check("MESOS_DIRECTORY=/w/slaves/S/frameworks/F/runs/c", None);
        check("MESOS_DIRECTORY=runs/c", None);
        check("MESOS_DIRECTORY=", None);
        check("MESOS_SANDBOX=/w", None);
    }

    #[test]
    fn a_cgroup_belongs_to_the_agent_with_the_sandbox() {
        let other = tempfile::tempdir().unwrap();
        std::fs::create_dir(other.path().join("slaves")).unwrap();
        let sandbox = |work_dir: &Path| Sandbox { work_dir: work_dir.into(), container: ContainerId::new("c") };
        let config = Config {
            work_dir: Some("/w".into()),
            expected: BTreeSet::from([ContainerId::new("known")]),
            ..Config::default()
        };
        let check = |id: &str, pids: &[i32], sandboxes: Vec<(i32, Sandbox)>, expect: Owner| {
            let pids: Vec<Pid> = pids.iter().filter_map(|pid| Pid::from_raw(*pid)).collect();
            let sandboxes = sandboxes.into_iter().collect();
            assert_eq!(owner(&ContainerId::new(id), &pids, &sandboxes, &BTreeMap::new(), &config), expect);
        };
        check("known", &[], vec![], Owner::Us);
        check("c", &[], vec![], Owner::Nobody);
        check("c", &[7], vec![(7, sandbox(Path::new("/w")))], Owner::Us);
        check("c", &[7], vec![(7, sandbox(other.path()))], Owner::Another(other.path().into()));
        // The agent of this container cannot return.
        check("c", &[7], vec![(7, sandbox(Path::new("/no/such/directory")))], Owner::Us);
        // The executor has ended, and the other processes do not show to whom they belong.
        check("c", &[7], vec![], Owner::Us);
    }

    #[test]
    fn the_first_process_is_the_outermost() {
        let entry = |pid, parent, started| ProcessEntry {
            pid,
            parent,
            session: pid,
            zombie: false,
            started,
            user_ticks: 0,
            system_ticks: 0,
            threads: 1,
            resident_pages: 0,
        };
        // Process 12 has lost its parent and is younger.
        let processes = [entry(12, 1, 30), entry(11, 10, 20), entry(10, 1, 10)];
        assert_eq!(first_process(&processes).map(|state| state.pid), Some(10));
        assert_eq!(first_process(&[]), None);
    }
}

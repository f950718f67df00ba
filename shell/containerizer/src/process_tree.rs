//! The container of the posix launcher: its session, all descendants of its first process, and the sessions that those
//! began. The first process adopts orphans ([`crate::Init`]), so that daemons are its descendants, too. If a process
//! has killed the first one, processes that left the session are recognised by their environment, which names the
//! sandbox. A process that has also cleared its environment escapes; cgroups prevent that.

use std::collections::{BTreeMap, BTreeSet};

use ids::ContainerId;
use rustix::process::{Pid, Signal};

use crate::Usage;
use crate::kernel::{Kernel, ProcessEntry, TICKS_PER_SECOND};
use crate::runtime_dir::names_container;

#[derive(Debug, Default)]
pub(crate) struct ProcessTree {
    /// The container, and the start of its first process in ticks since boot.
    name: Option<(ContainerId, u64)>,
    leader: i32,
    /// The members whose parents have ended, with their starts.
    orphans: BTreeMap<i32, u64>,
    known: BTreeSet<i32>,
    leader_reaped: bool,
    /// Whether an earlier attempt has stopped the first process.
    stopped: bool,
}

impl ProcessTree {
    pub(crate) fn of(leader: Pid) -> Self {
        let leader = leader.as_raw_nonzero().get();
        ProcessTree { leader, known: BTreeSet::from([leader]), ..ProcessTree::default() }
    }

    /// Returns the tree of processes whose first process has ended: pids with their starts.
    pub(crate) fn of_orphans(orphans: impl IntoIterator<Item = (i32, u64)>) -> Self {
        ProcessTree { orphans: orphans.into_iter().collect(), ..ProcessTree::default() }
    }

    /// Makes the tree recognise processes by their environment, too.
    pub(crate) fn named(self, id: &ContainerId, started: u64) -> Self {
        ProcessTree { name: Some((id.clone(), started)), ..self }
    }

    /// Notes that a later process with the leader's pid is another one. The kernel does not reuse the number of a
    /// session that has members (they share a `struct pid`), so it also means that this session is over.
    pub(crate) fn leader_reaped(&mut self) {
        self.leader_reaped = true;
    }

    /// Returns the live processes of the container.
    pub(crate) fn members(&mut self, table: &[ProcessEntry]) -> Vec<i32> {
        if self.leader_reaped && table.iter().any(|entry| entry.pid == self.leader) {
            self.known.remove(&self.leader);
        }
        let mut members = BTreeSet::new();
        loop {
            let before = (members.len(), self.known.len());
            for entry in table.iter().filter(|entry| !entry.zombie) {
                let is_leader = entry.pid == self.leader && !self.leader_reaped;
                let is_orphan = self.orphans.get(&entry.pid) == Some(&entry.started);
                if is_leader || is_orphan || members.contains(&entry.parent) || self.known.contains(&entry.session) {
                    members.insert(entry.pid);
                    // A session that a member began belongs to the container; a session that it shares with other
                    // processes does not.
                    if entry.session == entry.pid {
                        self.known.insert(entry.session);
                    }
                }
            }
            if before == (members.len(), self.known.len()) {
                return members.into_iter().collect();
            }
        }
    }

    /// Kills the members, and returns whether there were any.
    ///
    /// The first process must not see the others die, because an executor would report the end of its task. It is
    /// stopped first, and killed by a later attempt that finds no other member: processes that it started just before
    /// it was stopped are missing in this table, and orphans that an init adopts would escape with its end.
    pub(crate) fn kill(&mut self, kernel: &dyn Kernel, table: &[ProcessEntry]) -> bool {
        let mut members = self.members(table);
        if members.is_empty() {
            members = self.escaped(kernel, table);
        }
        let leader = Pid::from_raw(self.leader).filter(|pid| members.contains(&pid.as_raw_nonzero().get()));
        let others: Vec<Pid> =
            members.iter().filter(|pid| **pid != self.leader).filter_map(|pid| Pid::from_raw(*pid)).collect();
        if let Some(leader) = leader {
            let last = std::mem::replace(&mut self.stopped, true) && others.is_empty();
            let _ = kernel.signal(leader, if last { Signal::KILL } else { Signal::STOP });
        }
        for pid in others {
            let _ = kernel.signal(pid, Signal::KILL);
        }
        !members.is_empty()
    }
}

impl ProcessTree {
    /// Returns the processes of the container that have left its tree. Their parent is an older process that adopts
    /// orphans; children of this process are the first processes of containers.
    fn escaped(&self, kernel: &dyn Kernel, table: &[ProcessEntry]) -> Vec<i32> {
        let Some((id, started)) = &self.name else { return Vec::new() };
        let own = std::process::id().cast_signed();
        let older: BTreeSet<i32> =
            table.iter().filter(|entry| entry.started < *started).map(|entry| entry.pid).collect();
        let may_be = |entry: &&ProcessEntry| {
            !entry.zombie && entry.started >= *started && entry.parent != own && older.contains(&entry.parent)
        };
        let named = |entry: &&ProcessEntry| names_container(&kernel.environment(entry.pid), id);
        table.iter().filter(may_be).filter(named).map(|entry| entry.pid).collect()
    }
}

/// Returns the summed usage of a container's processes. Shared pages count for each of them.
pub(crate) fn usage(kernel: &dyn Kernel, leader: Pid) -> Usage {
    let table = kernel.processes();
    let members: BTreeSet<i32> = ProcessTree::of(leader).members(&table).into_iter().collect();
    let own = || table.iter().filter(|entry| members.contains(&entry.pid));
    let seconds = |ticks: u64| ticks as f64 / TICKS_PER_SECOND;
    let resident = own().map(|entry| entry.resident_pages).sum::<u64>() * rustix::param::page_size() as u64;
    Usage {
        processes: Some(own().count() as u64),
        threads: Some(own().map(|entry| entry.threads).sum()),
        cpus_user_secs: Some(seconds(own().map(|entry| entry.user_ticks).sum())),
        cpus_system_secs: Some(seconds(own().map(|entry| entry.system_ticks).sum())),
        mem_total_bytes: Some(resident),
        mem_rss_bytes: Some(resident),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::fake::FakeKernel;

    use super::*;

    fn entry(pid: i32, parent: i32, session: i32) -> ProcessEntry {
        ProcessEntry {
            pid,
            parent,
            session,
            zombie: false,
            started: 0,
            user_ticks: 0,
            system_ticks: 0,
            threads: 1,
            resident_pages: 0,
        }
    }

    fn process_tree(leader: i32) -> ProcessTree {
        ProcessTree::of(Pid::from_raw(leader).unwrap())
    }

    #[test]
    fn children_their_sessions_and_orphans_of_the_session_belong() {
        let table = [
            entry(1, 0, 1),
            entry(10, 1, 10),
            entry(11, 10, 10),
            // The first is a child that began a session, the second a grandchild in it that lost its parent.
            entry(12, 11, 12),
            entry(13, 1, 12),
            // The process is an orphan that stayed in the session.
            entry(14, 1, 10),
            entry(20, 1, 20),
        ];
        assert_eq!(process_tree(10).members(&table), [10, 11, 12, 13, 14]);
    }

    #[test]
    fn orphans_are_recognised_by_pid_and_start_time() {
        let table = [ProcessEntry { started: 5, ..entry(10, 1, 3) }, entry(11, 10, 3), entry(12, 1, 3)];
        assert_eq!(ProcessTree::of_orphans([(10, 5), (12, 9)]).members(&table), [10, 11]);
    }

    #[test]
    fn a_zombie_does_not_belong() {
        let table = [ProcessEntry { zombie: true, ..entry(10, 1, 10) }];
        assert!(process_tree(10).members(&table).is_empty());
    }

    #[test]
    fn a_new_process_with_the_same_pid_does_not_belong() {
        let mut process_tree = process_tree(10);
        process_tree.leader_reaped();
        assert_eq!(process_tree.members(&[entry(11, 1, 10)]), [11]);
        assert!(process_tree.members(&[entry(10, 1, 10), entry(12, 10, 10)]).is_empty());
    }

    #[test]
    fn the_first_process_is_killed_last() {
        let kernel = FakeKernel::with_mounts("");
        let mut process_tree = process_tree(10);
        let alone = [entry(10, 1, 10)];
        // The process was started after the table was read, and before the first process was stopped.
        let child = [entry(10, 1, 10), entry(11, 10, 11)];
        for table in [&alone[..], &child, &alone, &[]] {
            process_tree.kill(&kernel, table);
        }
        assert_eq!(kernel.log(), ["kill 10 19", "kill 10 19", "kill 11 9", "kill 10 9"]);
    }
}

//! One container from its first process to nothing.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::cgroups::{ContainerCgroups, memory_report};
use crate::kernel::{Kernel, ProcessEntry};
use crate::process_tree::ProcessTree;
use crate::spawn::Spawned;
use crate::{Event, Limitation, LimitationKind};

/// Processes need a moment to die; the first looks come soon, since most have died by then.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is left.
    Over,
    Later,
}

#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    /// `None` for what an earlier agent left behind without a process.
    process: Option<Spawned>,
    ended: bool,
    status: Option<i32>,
    group: Option<ContainerCgroups>,
    process_tree: Option<ProcessTree>,
    pub(super) memory: Option<OwnedFd>,
    limitation: Option<Limitation>,
    destruction: Option<Destruction>,
}

#[derive(Debug)]
struct Destruction {
    begun: Instant,
    next: Instant,
    pause: Duration,
    reported: bool,
}

impl Destruction {
    fn from(now: Instant) -> Self {
        Destruction { begun: now, next: now, pause: FIRST_PAUSE, reported: false }
    }
}

impl Container {
    /// `started`: its first process, in ticks since boot.
    pub(super) fn running(
        id: &str,
        process: Spawned,
        started: u64,
        group: Option<ContainerCgroups>,
        memory: Option<OwnedFd>,
    ) -> Self {
        Container {
            id: id.to_owned(),
            process_tree: group.is_none().then(|| ProcessTree::of(process.pid).named(id, started)),
            process: Some(process),
            ended: false,
            status: None,
            group,
            memory,
            limitation: None,
            destruction: None,
        }
    }

    /// What an earlier agent left of a container that has no process any more, or had none yet.
    pub(super) fn orphan(id: &str, group: Option<ContainerCgroups>) -> Self {
        Container {
            id: id.to_owned(),
            process: None,
            ended: true,
            status: None,
            group,
            process_tree: None,
            memory: None,
            limitation: None,
            destruction: Some(Destruction::from(Instant::now())),
        }
    }

    pub(super) fn pidfd(&self) -> Option<&OwnedFd> {
        self.process.as_ref().map(|process| &process.pidfd)
    }

    /// The container is to end now.
    pub(super) fn destroy(&mut self, now: Instant) {
        self.destruction.get_or_insert(Destruction::from(now));
    }

    /// With its first process a container is over: whatever else is in it has lost its purpose.
    pub(super) fn first_process_ended(&mut self, kernel: &dyn Kernel, now: Instant) {
        if self.group.as_ref().is_some_and(|group| group.oom_kills(kernel) > 0) {
            self.record_limitation(kernel);
        }
        self.ended = true;
        self.status = self.process.as_ref().and_then(|process| kernel.reap(process.pid));
        if let Some(process_tree) = &mut self.process_tree {
            process_tree.leader_reaped();
        }
        let destruction = self.destruction.get_or_insert(Destruction::from(now));
        (destruction.next, destruction.pause) = (now, FIRST_PAUSE);
    }

    /// The kernel says something about the container's memory.
    pub(super) fn memory_notified(&mut self, kernel: &dyn Kernel, now: Instant) {
        let (Some(group), Some(watch)) = (&self.group, &self.memory) else { return };
        if super::oom::is_out_of_memory(kernel, group, watch) {
            self.record_limitation(kernel);
            self.destroy(now);
        }
    }

    /// The first breach is the cause; what the counters say after we kill is not.
    fn record_limitation(&mut self, kernel: &dyn Kernel) {
        if self.limitation.is_some() || self.destruction.is_some() {
            return;
        }
        self.limitation = self
            .group
            .as_ref()
            .and_then(|group| memory_report(group, kernel))
            .map(|(limit, message)| Limitation { kind: LimitationKind::Memory { limit }, message });
    }

    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.destruction.as_ref().map(|destruction| destruction.next)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_attempt().is_some_and(|next| next <= now)
    }

    /// Whether its end has begun longer ago than `patience`; says so once.
    pub(super) fn becomes_overdue(&mut self, now: Instant, patience: Duration) -> bool {
        match &mut self.destruction {
            Some(destruction)
                if !destruction.reported && now.saturating_duration_since(destruction.begun) >= patience =>
            {
                destruction.reported = true;
                true
            }
            _ => false,
        }
    }

    /// Kills what is there and removes what can be removed.
    pub(super) fn attempt<'t>(
        &mut self,
        kernel: &dyn Kernel,
        processes: impl FnOnce() -> &'t [ProcessEntry],
        now: Instant,
    ) -> Progress {
        let empty = match (&self.group, &mut self.process_tree) {
            (Some(group), _) => {
                let empty = self.ended && group.is_empty(kernel);
                if !empty {
                    group.kill(kernel);
                }
                empty
            }
            (None, Some(process_tree)) => !process_tree.kill(kernel, processes()),
            (None, None) => true,
        };
        let removed = empty && self.ended && self.group.as_ref().is_none_or(|group| group.remove(kernel).is_ok());
        if removed {
            return Progress::Over;
        }
        if let Some(destruction) = &mut self.destruction {
            destruction.next = now + destruction.pause;
            destruction.pause = (destruction.pause * 2).min(LONGEST_PAUSE);
        }
        Progress::Later
    }

    /// What is on record is the status of the program: the first process may have been its init, or not our child.
    pub(super) fn set_exit_status(&mut self, look_up: impl FnOnce(&str) -> Option<i32>) {
        self.status = look_up(&self.id).or(self.status);
    }

    /// What to tell once nothing is left; an orphan is nobody's business.
    pub(super) fn exit_event(self) -> Option<Event> {
        self.process?;
        Some(Event::Exited { id: self.id, status: self.status, limitation: self.limitation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_does_not_end_is_overdue_once() {
        let now = Instant::now();
        let patience = Duration::from_secs(60);
        let mut container = Container::orphan("c", None);
        assert!(!container.becomes_overdue(now + patience / 2, patience));
        assert!(container.becomes_overdue(now + patience * 2, patience));
        assert!(!container.becomes_overdue(now + patience * 3, patience));
    }
}

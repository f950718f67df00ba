//! The life of one container from its first process to the removal of its last trace.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ids::ContainerId;

use crate::cgroups::ContainerCgroups;
use crate::isolation::Isolation;
use crate::isolators::{Cause, ContainerContext, Isolators};
use crate::kernel::{Kernel, ProcessEntry};
use crate::process_tree::ProcessTree;
use crate::runtime_dir::Termination;
use crate::spawn::Spawned;
use crate::{Event, Limitation};

/// The pause before the first check after a kill. It is short, since most processes die at once.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing of the container is left on the machine.
    Over,
    Later,
}

#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: ContainerId,
    /// `None` for the remains of a container of an earlier agent without a process.
    process: Option<Spawned>,
    ended: bool,
    status: Option<i32>,
    cgroups: Option<ContainerCgroups>,
    /// The processes of a container without cgroups.
    process_tree: Option<ProcessTree>,
    /// The descriptors of the isolators. One becomes readable when a limit may be violated.
    pub(super) watches: Vec<OwnedFd>,
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
    /// Makes a running container. `started` is the start of its first process, in ticks since boot.
    pub(super) fn running(
        id: &ContainerId,
        process: Spawned,
        started: u64,
        cgroups: Option<ContainerCgroups>,
        watches: Vec<OwnedFd>,
    ) -> Self {
        Container {
            id: id.clone(),
            process_tree: cgroups.is_none().then(|| ProcessTree::of(process.pid).named(id, started)),
            process: Some(process),
            ended: false,
            status: None,
            cgroups,
            watches,
            limitation: None,
            destruction: None,
        }
    }

    /// Makes a container from the remains of one that an earlier agent left, whose first process has ended or never
    /// started.
    pub(super) fn orphan(id: &ContainerId, cgroups: Option<ContainerCgroups>, orphans: Option<ProcessTree>) -> Self {
        Container {
            id: id.clone(),
            process: None,
            ended: true,
            status: None,
            cgroups,
            process_tree: orphans,
            watches: Vec::new(),
            limitation: None,
            destruction: Some(Destruction::from(Instant::now())),
        }
    }

    /// Returns whether only the remains of the container are being removed.
    pub(super) fn is_orphan(&self) -> bool {
        self.process.is_none()
    }

    fn context<'a>(&'a self, kernel: &'a dyn Kernel) -> ContainerContext<'a> {
        let pid = self.process.as_ref().map(|process| process.pid);
        Isolation::context(kernel, &self.id, self.cgroups.as_ref(), pid)
    }

    pub(super) fn pidfd(&self) -> Option<&OwnedFd> {
        self.process.as_ref().map(|process| &process.pidfd)
    }

    /// Makes another attempt later: containers that are nested in it have not ended yet.
    pub(super) fn postpone(&mut self, now: Instant) {
        if let Some(destruction) = &mut self.destruction {
            destruction.next = now + destruction.pause;
            destruction.pause = (destruction.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Begins the destruction of the container.
    pub(super) fn destroy(&mut self, now: Instant) {
        self.destruction.get_or_insert(Destruction::from(now));
    }

    /// Notes the end of the first process, with which the whole container ends.
    pub(super) fn first_process_ended(&mut self, kernel: &dyn Kernel, isolators: &Isolators, now: Instant) {
        self.look_for_limitation(kernel, isolators, Cause::Ended);
        self.ended = true;
        self.status = self.process.as_ref().and_then(|process| kernel.reap(process.pid));
        if let Some(process_tree) = &mut self.process_tree {
            process_tree.leader_reaped();
        }
        let destruction = self.destruction.get_or_insert(Destruction::from(now));
        (destruction.next, destruction.pause) = (now, FIRST_PAUSE);
    }

    /// Handles a notification of the kernel about what an isolator watches.
    pub(super) fn notified(&mut self, kernel: &dyn Kernel, isolators: &Isolators, now: Instant) {
        let watches = std::mem::take(&mut self.watches);
        let mut broken = false;
        for watch in &watches {
            let found = isolators.limitation(&self.context(kernel), Cause::Notified(watch));
            broken |= found.is_some();
            self.record_limitation(found);
        }
        self.watches = watches;
        if broken {
            self.destroy(now);
        }
    }

    fn look_for_limitation(&mut self, kernel: &dyn Kernel, isolators: &Isolators, cause: Cause<'_>) {
        if self.limitation.is_none() && self.destruction.is_none() {
            let found = isolators.limitation(&self.context(kernel), cause);
            self.record_limitation(found);
        }
    }

    /// Keeps the first violated limit, which is the cause. Counters after the kill are not.
    fn record_limitation(&mut self, found: Option<Limitation>) {
        if self.limitation.is_none() && self.destruction.is_none() {
            self.limitation = found;
        }
    }

    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.destruction.as_ref().map(|destruction| destruction.next)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_attempt().is_some_and(|next| next <= now)
    }

    /// Returns, once, whether the destruction began longer ago than `timeout`.
    pub(super) fn becomes_overdue(&mut self, now: Instant, timeout: Duration) -> bool {
        match &mut self.destruction {
            Some(destruction)
                if !destruction.reported && now.saturating_duration_since(destruction.begun) >= timeout =>
            {
                destruction.reported = true;
                true
            }
            _ => false,
        }
    }

    /// Kills the processes and removes the files that can be removed.
    pub(super) fn attempt<'t>(
        &mut self,
        kernel: &dyn Kernel,
        isolators: &Isolators,
        processes: impl FnOnce() -> &'t [ProcessEntry],
        now: Instant,
    ) -> Progress {
        let in_cgroups = self.cgroups.as_ref().is_some_and(|cgroups| {
            let empty = self.ended && cgroups.is_empty(kernel);
            if !empty {
                cgroups.kill(kernel);
            }
            !empty
        });
        let in_tree = self.process_tree.as_mut().is_some_and(|tree| tree.kill(kernel, processes()));
        let cleaned_up = || isolators.cleanup(&self.context(kernel)).is_ok();
        let removed = || self.cgroups.as_ref().is_none_or(|cgroups| cgroups.remove(kernel).is_ok());
        if self.ended && !in_cgroups && !in_tree && cleaned_up() && removed() {
            return Progress::Over;
        }
        self.postpone(now);
        Progress::Later
    }

    /// Sets the status of the program if it was written, because the first process may have been an init, or not a
    /// child.
    pub(super) fn set_exit_status(&mut self, look_up: impl FnOnce(&ContainerId) -> Option<i32>) {
        self.status = look_up(&self.id).or(self.status);
    }

    /// Returns how the container has ended.
    pub(super) fn termination(&self) -> Termination {
        Termination { status: self.status, limitation: self.limitation.clone() }
    }

    /// Returns the event for the end of the container; `None` for an orphan, whose end no caller waits for.
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
        let timeout = Duration::from_secs(60);
        let mut container = Container::orphan(&ContainerId::new("c"), None, None);
        assert!(!container.becomes_overdue(now + timeout / 2, timeout));
        assert!(container.becomes_overdue(now + timeout * 2, timeout));
        assert!(!container.becomes_overdue(now + timeout * 3, timeout));
    }
}

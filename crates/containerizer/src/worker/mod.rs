//! The one thread that owns all containers: launches them one after the other, waits for all of them at once (epoll over
//! pidfds and memory notifications), and ends them.

mod container;
mod oom;
mod poller;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::cgroups::{Group, LimitOptions};
use crate::isolation::{Isolation, Tracking, with_source};
use crate::kernel::{Kernel, ProcessEntry};
use crate::rotation::Rotator;
use crate::runtime::{Runtime, State};
use crate::spawn::{SpawnPlan, Spawned};
use crate::{Event, Launch, Limits};
use container::{Container, Progress};
use poller::Source;

pub(crate) use poller::{Poller, Waker};

#[derive(Debug)]
pub(crate) enum Command {
    Launch(Box<Launch>),
    Destroy(String),
}

/// What callers of the handle may look at.
pub(crate) type Shared = Arc<Mutex<BTreeMap<String, Known>>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// `None` until it runs.
    pub pid: Option<Pid>,
    pub group: Option<Group>,
    pub limits: Limits,
}

pub(crate) struct Worker {
    kernel: Arc<dyn Kernel>,
    isolation: Isolation,
    options: LimitOptions,
    runtime: Runtime,
    rotator: Rotator,
    poller: Poller,
    commands: Receiver<Command>,
    shared: Shared,
    events: Box<dyn FnMut(Event) + Send>,
    containers: BTreeMap<u64, Container>,
    by_id: BTreeMap<String, u64>,
    next: u64,
}

impl Worker {
    pub(crate) fn new(
        kernel: Arc<dyn Kernel>,
        isolation: Isolation,
        options: LimitOptions,
        runtime: Runtime,
        poller: Poller,
        commands: Receiver<Command>,
        shared: Shared,
        events: Box<dyn FnMut(Event) + Send>,
    ) -> Self {
        Worker {
            kernel,
            isolation,
            options,
            runtime,
            rotator: Rotator::default(),
            poller,
            commands,
            shared,
            events,
            containers: BTreeMap::new(),
            by_id: BTreeMap::new(),
            next: 0,
        }
    }

    /// Until the handle is dropped. Containers live on: their processes do not depend on ours.
    pub(crate) fn run(mut self) {
        loop {
            let timeout = self.until_next_attempt();
            let ready = match self.poller.wait(timeout) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "cannot wait for containers any more");
                    break;
                }
            };
            for source in ready {
                self.ready(source);
            }
            if self.take_commands().is_break() {
                break;
            }
            self.attempt_endings();
        }
        self.rotator.stop();
        if let Tracking::Cgroups(tree) = &self.isolation.tracking {
            tree.dismantle(&*self.kernel);
        }
    }

    /// Takes up the containers of an earlier process of this agent and cleans up what is left of those that ended
    /// meanwhile. Returns the live ones.
    pub(crate) fn recover(&mut self) -> Vec<(String, u32)> {
        let mut alive = Vec::new();
        for (id, state) in self.runtime.all() {
            let adopted = state.filter(State::is_alive).and_then(|state| {
                let pid = Pid::from_raw(state.pid)?;
                let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
                // It may have ended and its pid be another's by the time of the open.
                state.is_alive().then_some((state, Spawned { pid, pidfd }))
            });
            let group = self.group(&id);
            let Some((state, process)) = adopted else {
                self.sweep(&id, group.as_ref());
                continue;
            };
            let pid = process.pid;
            if let Err(error) = self.rotator.watch(&id, state.rotated) {
                tracing::warn!(%id, %error, "outputs are not rotated");
            }
            self.admit(&id, process, group, Limits::default());
            alive.push((id, pid.as_raw_nonzero().get().cast_unsigned()));
        }
        alive
    }

    /// Removes what a container left of which no process is known.
    fn sweep(&mut self, id: &str, group: Option<&Group>) {
        let key = self.key(id);
        self.containers.insert(key, Container::leftover(id, group.cloned()));
        self.attempt_endings();
    }

    fn group(&self, id: &str) -> Option<Group> {
        match &self.isolation.tracking {
            Tracking::Cgroups(tree) => Some(tree.group(id)),
            Tracking::Sessions => None,
        }
    }

    fn key(&mut self, id: &str) -> u64 {
        self.next += 1;
        self.by_id.insert(id.to_owned(), self.next);
        self.next
    }

    fn take_commands(&mut self) -> std::ops::ControlFlow<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Launch(launch)) => self.launch(*launch),
                Ok(Command::Destroy(id)) => self.destroy(&id),
                Err(TryRecvError::Empty) => return std::ops::ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => return std::ops::ControlFlow::Break(()),
            }
        }
    }

    fn launch(&mut self, launch: Launch) {
        let id = launch.id.clone();
        let group = self.group(&id);
        match self.start(launch, group.as_ref()) {
            Ok(pid) => {
                (self.events)(Event::Launched { id, pid: pid.as_raw_nonzero().get().cast_unsigned() });
            }
            Err(reason) => {
                if let Some(error) = group.and_then(|group| group.remove(&*self.kernel).err()) {
                    tracing::warn!(%id, %error, "a cgroup without processes stays");
                }
                let _ = self.runtime.forget(&id);
                self.forget(&id);
                (self.events)(Event::LaunchFailed { id, reason });
            }
        }
    }

    fn start(&mut self, mut launch: Launch, group: Option<&Group>) -> Result<Pid, String> {
        if !self.isolation.rlimits {
            launch.rlimits.clear();
        }
        self.runtime.begin(&launch.id).map_err(|error| format!("cannot remember the container: {error}"))?;
        if let (Some(group), Tracking::Cgroups(tree)) = (group, &self.isolation.tracking) {
            group.create(&*self.kernel, tree).map_err(|error| with_source(&error))?;
            group.limit(&*self.kernel, &launch.limits, self.options, true).map_err(|error| with_source(&error))?;
        }
        let process = self.plan(&launch, group).and_then(|plan| self.kernel.spawn(&plan));
        let process = process.map_err(|error| with_source(&error))?;

        let pid = process.pid;
        let state = State::of(pid.as_raw_nonzero().get(), [&launch.stdout, &launch.stderr]);
        // The container runs; what cannot be remembered is only missed after a restart.
        if let Err(error) = self.runtime.remember(&launch.id, &state) {
            tracing::warn!(id = %launch.id, %error, "a restarted agent will not find the container");
        }
        if let Err(error) = self.rotator.watch(&launch.id, state.rotated) {
            tracing::warn!(id = %launch.id, %error, "outputs are not rotated");
        }
        self.admit(&launch.id, process, group.cloned(), launch.limits);
        Ok(pid)
    }

    fn plan(&self, launch: &Launch, group: Option<&Group>) -> Result<SpawnPlan, crate::spawn::SpawnError> {
        let mut plan = SpawnPlan::new(launch, self.isolation.namespaces)?;
        if let Some(group) = group {
            if let Some(directory) = group.v2_directory() {
                plan.set_cgroup(directory)?;
            }
            for directory in group.v1_directories() {
                plan.add_cgroup_tasks(directory)?;
            }
        }
        Ok(plan)
    }

    fn admit(&mut self, id: &str, process: Spawned, group: Option<Group>, limits: Limits) {
        let key = self.key(id);
        let known = Known { pid: Some(process.pid), group: group.clone(), limits };
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), known);
        if let Err(error) = self.poller.watch_end(key, &process.pidfd) {
            tracing::error!(%id, %error, "the end of the container will not be noticed");
        }
        let memory = group.as_ref().and_then(|group| match oom::watch(&*self.kernel, group) {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(%id, %error, "want of memory is only noticed at the end of the container");
                None
            }
        });
        if let Some(watch) = &memory
            && let Err(error) = self.poller.watch_memory(key, watch)
        {
            tracing::warn!(%id, %error, "want of memory is only noticed at the end of the container");
        }
        self.containers.insert(key, Container::running(id, process, group, memory));
    }

    fn destroy(&mut self, id: &str) {
        if let Some(container) = self.by_id.get(id).and_then(|key| self.containers.get_mut(key)) {
            container.end(Instant::now());
        }
    }

    fn ready(&mut self, source: Source) {
        let now = Instant::now();
        match source {
            Source::Wake => {}
            Source::End(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    self.poller.forget(container.pidfd());
                    container.first_process_ended(&*self.kernel, now);
                }
            }
            Source::Memory(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.memory_notified(&*self.kernel, now);
                }
            }
        }
    }

    /// One attempt for each container that is to end and whose time has come. All share one look at the process table.
    fn attempt_endings(&mut self) {
        let now = Instant::now();
        let kernel = Arc::clone(&self.kernel);
        let table: OnceCell<Vec<ProcessEntry>> = OnceCell::new();
        let due: Vec<u64> = self.containers.iter().filter(|(_, c)| c.is_due(now)).map(|(key, _)| *key).collect();
        for key in due {
            let Some(container) = self.containers.get_mut(&key) else { continue };
            let processes = || table.get_or_init(|| kernel.processes()).as_slice();
            if container.attempt(&*kernel, processes, now) == Progress::Over
                && let Some(container) = self.containers.remove(&key)
            {
                self.over(container);
            }
        }
    }

    fn over(&mut self, container: Container) {
        if let Some(watch) = &container.memory {
            self.poller.forget(Some(watch));
        }
        if let Err(error) = self.runtime.forget(&container.id) {
            tracing::warn!(id = %container.id, %error, "a container that is over stays remembered");
        }
        self.rotator.forget(&container.id);
        self.forget(&container.id);
        if let Some(event) = container.farewell() {
            (self.events)(event);
        }
    }

    fn forget(&mut self, id: &str) {
        self.by_id.remove(id);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn until_next_attempt(&self) -> Option<Duration> {
        let now = Instant::now();
        self.containers.values().filter_map(|c| c.next_attempt()).min().map(|at| at.saturating_duration_since(now))
    }
}

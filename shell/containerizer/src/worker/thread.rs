//! The thread itself: commands in, events out, everything else waited for.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::container::{Container, Progress};
use super::oom;
use super::poller::{Poller, Source};
use super::starter::{Started, Starter, Starters};
use crate::cgroups::{ContainerCgroups, LimitOptions};
use crate::isolation::{Isolation, Tracking};
use crate::kernel::{Kernel, ProcessEntry};
use crate::rotation::Rotator;
use crate::runtime_dir::{ContainerState, RuntimeDir};
use crate::spawn::Spawned;
use crate::{Event, Launch, Limits};

#[derive(Debug)]
pub(crate) enum Command {
    Launch(Box<Launch>),
    Destroy(String),
}

/// What an earlier process of this agent has left.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The containers that run, with the pid of their first process.
    pub alive: Vec<(String, u32)>,
    /// Those that do not, with the wait status of their first process. Only who was its parent has learned it, so
    /// most are missing here.
    pub ended: Vec<(String, i32)>,
}

/// What callers of the handle may look at.
pub(crate) type SharedContainers = Arc<Mutex<BTreeMap<String, ContainerHandle>>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct ContainerHandle {
    /// `None` until it runs.
    pub pid: Option<Pid>,
    pub group: Option<ContainerCgroups>,
    pub limits: Limits,
}

/// Launches under way and waiting, also those whose outcome waits to be looked at. At the bound a launch waits: it is
/// reached only by an agent that accepts work faster than the kernel makes processes.
pub(crate) const QUEUE: usize = 4096;

pub(crate) struct Worker {
    starter: Arc<Starter>,
    starters: Starters,
    started: Receiver<Started>,
    rotator: Rotator,
    poller: Poller,
    commands: Receiver<Command>,
    shared: SharedContainers,
    events: Box<dyn FnMut(Event) + Send>,
    containers: BTreeMap<u64, Container>,
    by_id: BTreeMap<String, u64>,
    /// Being started, and whether to be destroyed as soon as they are.
    starting: BTreeMap<String, bool>,
    next: u64,
    destroy_timeout: Duration,
}

impl Worker {
    pub(crate) fn new(
        kernel: Arc<dyn Kernel>,
        isolation: Isolation,
        options: LimitOptions,
        runtime: RuntimeDir,
        poller: Poller,
        commands: Receiver<Command>,
        shared: SharedContainers,
        events: Box<dyn FnMut(Event) + Send>,
    ) -> std::io::Result<Self> {
        let starter = Arc::new(Starter { kernel, isolation, options, runtime });
        let (starters, started) = Starters::new(&starter, QUEUE, &poller)?;
        Ok(Worker {
            starter,
            starters,
            started,
            rotator: Rotator::default(),
            poller,
            commands,
            shared,
            events,
            containers: BTreeMap::new(),
            by_id: BTreeMap::new(),
            starting: BTreeMap::new(),
            next: 0,
            destroy_timeout: Duration::MAX,
        })
    }

    /// How long a container may take to be gone before that is reported.
    pub(crate) fn with_destroy_timeout(mut self, timeout: Duration) -> Self {
        self.destroy_timeout = timeout;
        self
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
            let stop = self.take_commands().is_break();
            self.take_started();
            if stop {
                break;
            }
            self.attempt_destructions();
        }
        self.starters.finish();
        self.rotator.stop();
        if let Tracking::Cgroups(tree) = &self.starter.isolation.tracking {
            tree.remove_roots(&*self.starter.kernel);
        }
    }

    /// Takes up the containers of an earlier process of this agent and cleans up what is left of those that ended
    /// meanwhile.
    pub(crate) fn recover(&mut self) -> Recovered {
        let mut recovered = Recovered::default();
        for (id, state) in self.starter.runtime.all() {
            let outputs = state.as_ref().map(|state| state.rotated.clone()).unwrap_or_default();
            let adopted = state.filter(ContainerState::is_alive).and_then(|state| {
                let pid = Pid::from_raw(state.pid)?;
                let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
                // It may have ended and its pid be another's by the time of the open.
                state.is_alive().then_some((state, Spawned { pid, pidfd }))
            });
            let group = self.starter.group(&id);
            let Some((state, process)) = adopted else {
                recovered.ended.extend(self.starter.runtime.exit_status(&id).map(|status| (id.clone(), status)));
                // What it wrote while nobody rotated.
                match self.rotator.watch(&id, outputs) {
                    Ok(()) => self.rotator.end(&id),
                    Err(error) => tracing::warn!(%id, %error, "outputs are not rotated"),
                }
                self.destroy_orphan(&id, group.as_ref());
                continue;
            };
            let pid = process.pid;
            self.add_running(&id, process, group, Limits::default(), state);
            recovered.alive.push((id, pid.as_raw_nonzero().get().cast_unsigned()));
        }
        recovered
    }

    /// Removes what a container left of which no process is known.
    fn destroy_orphan(&mut self, id: &str, group: Option<&ContainerCgroups>) {
        let key = self.key(id);
        self.containers.insert(key, Container::orphan(id, group.cloned()));
        self.attempt_destructions();
    }

    fn key(&mut self, id: &str) -> u64 {
        self.next += 1;
        self.by_id.insert(id.to_owned(), self.next);
        self.next
    }

    fn take_commands(&mut self) -> std::ops::ControlFlow<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Launch(launch)) => self.launch(launch),
                Ok(Command::Destroy(id)) => self.destroy(&id),
                Err(TryRecvError::Empty) => return std::ops::ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => return std::ops::ControlFlow::Break(()),
            }
        }
    }

    fn launch(&mut self, launch: Box<Launch>) {
        // Room for the outcomes of all that wait, so that nobody waits for anybody in a circle.
        while self.starting.len() >= QUEUE {
            match self.started.recv() {
                Ok(started) => self.finish_start(started),
                Err(_) => return,
            }
        }
        self.starting.insert(launch.id.clone(), false);
        self.starters.start(launch);
    }

    fn take_started(&mut self) {
        while let Ok(started) = self.started.try_recv() {
            self.finish_start(started);
        }
    }

    fn finish_start(&mut self, Started { id, limits, group, outcome }: Started) {
        let destroy = self.starting.remove(&id).unwrap_or(false);
        match outcome {
            Ok((process, state)) => {
                let pid = process.pid.as_raw_nonzero().get().cast_unsigned();
                self.add_running(&id, process, group, limits, state);
                (self.events)(Event::Launched { id: id.clone(), pid });
                if destroy {
                    self.destroy(&id);
                }
            }
            Err(reason) => {
                self.forget(&id);
                (self.events)(Event::LaunchFailed { id, reason });
            }
        }
    }

    fn add_running(
        &mut self,
        id: &str,
        process: Spawned,
        group: Option<ContainerCgroups>,
        limits: Limits,
        state: ContainerState,
    ) {
        let started = state.started;
        if let Err(error) = self.rotator.watch(id, state.rotated) {
            tracing::warn!(%id, %error, "outputs are not rotated");
        }
        let key = self.key(id);
        self.publish_running(id, ContainerHandle { pid: Some(process.pid), group: group.clone(), limits });
        if let Err(error) = self.poller.watch_exit(key, &process.pidfd) {
            tracing::error!(%id, %error, "the end of the container will not be noticed");
        }
        let memory = group.as_ref().and_then(|group| match oom::watch(&*self.starter.kernel, group) {
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
        self.containers.insert(key, Container::running(id, process, started, group, memory));
    }

    /// Lets callers see a container that runs. Limits that changed while it was being started are caught up with.
    fn publish_running(&self, id: &str, mut known: ContainerHandle) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = shared.get(id).map_or(known.limits, |earlier| earlier.limits);
        if let Some(group) = known.group.as_ref().filter(|_| wanted != known.limits)
            && let Err(error) = group.limit(&*self.starter.kernel, &wanted, self.starter.options, false)
        {
            tracing::warn!(%id, %error, "the limits of a container are those of its launch");
        }
        known.limits = wanted;
        shared.insert(id.to_owned(), known);
    }

    fn destroy(&mut self, id: &str) {
        if let Some(destroy) = self.starting.get_mut(id) {
            *destroy = true;
        }
        if let Some(container) = self.by_id.get(id).and_then(|key| self.containers.get_mut(key)) {
            container.destroy(Instant::now());
        }
    }

    fn ready(&mut self, source: Source) {
        let now = Instant::now();
        match source {
            Source::Wake => {}
            Source::Exit(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    self.poller.forget(container.pidfd());
                    container.first_process_ended(&*self.starter.kernel, now);
                }
            }
            Source::Memory(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.memory_notified(&*self.starter.kernel, now);
                }
            }
        }
    }

    /// One attempt for each container that is to end and whose time has come. All share one look at the process table.
    fn attempt_destructions(&mut self) {
        let now = Instant::now();
        let kernel = Arc::clone(&self.starter.kernel);
        let table: OnceCell<Vec<ProcessEntry>> = OnceCell::new();
        let due: Vec<u64> = self.containers.iter().filter(|(_, c)| c.is_due(now)).map(|(key, _)| *key).collect();
        for key in due {
            let Some(container) = self.containers.get_mut(&key) else { continue };
            let processes = || table.get_or_init(|| kernel.processes()).as_slice();
            match container.attempt(&*kernel, processes, now) {
                Progress::Over => {
                    if let Some(container) = self.containers.remove(&key) {
                        self.finish_destruction(container);
                    }
                }
                Progress::Later if container.becomes_overdue(now, self.destroy_timeout) => {
                    let (id, timeout) = (&container.id, self.destroy_timeout);
                    tracing::error!(%id, ?timeout, "the container does not end, killing goes on");
                }
                Progress::Later => {}
            }
        }
    }

    fn finish_destruction(&mut self, mut container: Container) {
        container.set_exit_status(|id| self.starter.runtime.exit_status(id));
        if let Some(watch) = &container.memory {
            self.poller.forget(Some(watch));
        }
        if let Err(error) = self.starter.runtime.forget(&container.id) {
            tracing::warn!(id = %container.id, %error, "a container that is over stays remembered");
        }
        self.rotator.end(&container.id);
        self.forget(&container.id);
        if let Some(event) = container.exit_event() {
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

//! The worker's thread: takes commands, reports events, and waits for everything else.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ids::ContainerId;
use rustix::process::Pid;

use super::container::{Container, Progress};
use super::poller::{Poller, Source};
use super::starter::{StartRequest, Started, Starter, Starters};
use crate::cgroups::ContainerCgroups;
use crate::cni::JoinedNetwork;
use crate::isolation::{Isolation, Tracking};
use crate::kernel::{Kernel, ProcessEntry};
use crate::recovery::FoundContainer;
use crate::rotation::Rotator;
use crate::runtime_dir::{ContainerState, RuntimeDir, Termination};
use crate::spawn::Spawned;
use crate::{Error, Event, Limitation, Limits, Rotation};

#[derive(Debug)]
pub(crate) enum Command {
    Launch(Box<StartRequest>),
    Destroy(ContainerId),
}

/// The containers of an earlier process of this agent.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The containers that run, with the pid of their first process.
    pub alive: Vec<(ContainerId, u32)>,
    /// The containers that have ended, with the wait status of their first process. Only the parent of that process
    /// learns the status, so most containers are missing here.
    pub ended: Vec<(ContainerId, i32)>,
    /// The networks of those that run and do not use the network of the agent.
    pub networks: BTreeMap<ContainerId, Vec<JoinedNetwork>>,
    /// The nested and standalone containers, those included that have ended and are not removed, parents first.
    pub described: Vec<DescribedContainer>,
}

/// A nested or standalone container of an earlier process of this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedContainer {
    /// The container.
    pub id: ContainerId,
    /// The earlier agent's description of it ([`crate::Nesting::description`]).
    pub description: Vec<u8>,
    /// The pid of its first process if it runs.
    pub pid: Option<u32>,
    /// The wait status of its program if it has ended. A program whose init was killed counts as killed, too.
    pub status: Option<i32>,
    /// The limit that ended it.
    pub limitation: Option<Limitation>,
}

/// The wait status of a program that SIGKILL has ended (wait(2)).
const KILLED: i32 = 9;

/// The data of the containers that callers of the handle can read.
pub(crate) type SharedContainers = Arc<Mutex<BTreeMap<ContainerId, ContainerHandle>>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct ContainerHandle {
    /// The first process; `None` until it runs.
    pub pid: Option<Pid>,
    /// The cgroups; `None` with the posix launcher.
    pub cgroups: Option<ContainerCgroups>,
    /// The limits that were requested last.
    pub limits: Limits,
    /// Whether these limits are in force. Those that an earlier agent has set are not known.
    pub limits_in_force: bool,
}

/// The maximum of launches that wait, are in progress, or wait for their result to be handled. At the bound a launch
/// waits, which happens only if an agent accepts tasks faster than the kernel creates processes.
pub(crate) const QUEUE: usize = 4096;

/// The time for which a starting agent waits for the end of the containers that it does not recover.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(30);

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
    by_id: BTreeMap<ContainerId, u64>,
    /// The containers being started, and whether they have to be destroyed afterwards.
    starting: BTreeMap<ContainerId, bool>,
    next: u64,
    destroy_timeout: Duration,
}

impl Worker {
    pub(crate) fn new(
        kernel: Arc<dyn Kernel>,
        isolation: Arc<Isolation>,
        runtime: Arc<RuntimeDir>,
        poller: Poller,
        commands: Receiver<Command>,
        shared: SharedContainers,
        events: Box<dyn FnMut(Event) + Send>,
    ) -> std::io::Result<Self> {
        let starter = Arc::new(Starter { kernel, isolation, runtime, many_volumes: Mutex::default() });
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

    /// Sets the time after which a container that has not ended is reported.
    pub(crate) fn with_destroy_timeout(mut self, timeout: Duration) -> Self {
        self.destroy_timeout = timeout;
        self
    }

    /// Runs until the handle is dropped. Containers continue, because their processes do not depend on the agent.
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

    /// Recovers the containers that were found of an earlier process of this agent, and destroys the rest. It returns
    /// when nothing of the rest runs any more, so that reports about them are true.
    pub(crate) fn recover(&mut self, found: Vec<FoundContainer>) -> Recovered {
        let mut recovered = Recovered::default();
        for FoundContainer { id, leader, cgroups, orphans, outputs } in found {
            let adopted = leader.and_then(|mut state| {
                state.rotated = Some(outputs.clone());
                let pid = Pid::from_raw(state.pid)?;
                let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
                // The process may have ended, and the pid may belong to another process, by the time of the open.
                state.is_alive().then_some((state, Spawned { pid, pidfd }))
            });
            let Some((state, process)) = adopted else {
                let status = self.starter.runtime.exit_status(&id);
                recovered.ended.extend(status.map(|status| (id.clone(), status)));
                if id.parent().is_some() {
                    self.keep(&id, &Termination { status: Some(status.unwrap_or(KILLED)), limitation: None });
                }
                self.rotate_once(&id, outputs);
                let key = self.key(&id);
                self.containers.insert(key, Container::orphan(&id, cgroups, orphans));
                continue;
            };
            let pid = process.pid;
            self.checkpoint(&id, &state);
            let kernel = Arc::clone(&self.starter.kernel);
            let context = Isolation::context(&*kernel, &id, cgroups.as_ref(), Some(pid));
            self.starter.isolation.isolators.recover(&context);
            self.add_running(&id, process, cgroups, Limits::default(), state, false);
            recovered.alive.push((id, pid.as_raw_nonzero().get().cast_unsigned()));
        }
        self.end_orphans();
        let isolators = &self.starter.isolation.isolators;
        isolators.recovered(&recovered.alive.iter().map(|(id, _)| id.clone()).collect());
        let networks = |(id, _): &(ContainerId, u32)| (id.clone(), isolators.networks(id));
        recovered.networks = recovered.alive.iter().map(networks).filter(|(_, joined)| !joined.is_empty()).collect();
        recovered.described = self.described(&recovered.alive);
        recovered
    }

    /// Returns the nested and standalone containers that are left after the others have been destroyed.
    fn described(&self, alive: &[(ContainerId, u32)]) -> Vec<DescribedContainer> {
        let runtime = &self.starter.runtime;
        let one = |id: ContainerId| {
            let description = runtime.description(&id)?;
            let pid = alive.iter().find(|(other, _)| *other == id).map(|(_, pid)| *pid);
            let termination = runtime.termination(&id);
            let Termination { status, limitation } = match (pid, termination) {
                (Some(_), _) => Termination::default(),
                (None, termination) => termination?,
            };
            Some(DescribedContainer { id, description, pid, status, limitation })
        };
        runtime.ids().into_iter().filter_map(one).collect()
    }

    /// Keeps the end of a nested container until its parent ends or it is removed.
    fn keep(&self, id: &ContainerId, termination: &Termination) {
        if let Err(error) = self.starter.runtime.keep(id, termination) {
            tracing::warn!(%id, %error, "a restarted agent will not know how the container has ended");
        }
    }

    /// Rotates the outputs of a container that has ended while no agent rotated them.
    pub(crate) fn rotate_once(&self, id: &ContainerId, outputs: Vec<(PathBuf, Rotation)>) {
        match self.rotator.watch(id.as_str(), outputs) {
            Ok(()) => self.rotator.end(id.as_str()),
            Err(error) => tracing::warn!(%id, %error, "outputs are not rotated"),
        }
    }

    /// Checkpoints a container, which may have been found without the runtime directory that the next agent will use.
    fn checkpoint(&self, id: &ContainerId, state: &ContainerState) {
        let runtime = &self.starter.runtime;
        if let Err(error) = runtime.create(id).and_then(|()| runtime.checkpoint(id, state)) {
            tracing::warn!(%id, %error, "a restarted agent will not find the container");
        }
    }

    fn end_orphans(&mut self) {
        let deadline = Instant::now() + self.destroy_timeout.min(ORPHAN_TIMEOUT);
        loop {
            self.attempt_destructions();
            let left = self.containers.values().filter(|container| container.is_orphan());
            let Some(next) = left.filter_map(Container::next_attempt).min() else { return };
            if Instant::now() >= deadline {
                tracing::error!("containers of an earlier agent have not ended yet; they are killed again");
                return;
            }
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn key(&mut self, id: &ContainerId) -> u64 {
        self.next += 1;
        self.by_id.insert(id.clone(), self.next);
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

    fn launch(&mut self, request: Box<StartRequest>) {
        let id = request.launch.id.clone();
        // The parent may have begun to end after the launch was accepted.
        if let Some(parent) = id.parent().filter(|parent| !self.runs(parent)) {
            self.forget(&id);
            let reason = Error::NoParent(parent.to_string()).to_string();
            return (self.events)(Event::LaunchFailed { id, reason });
        }
        // There has to be room for the results of all launches, so that no two threads wait for each other.
        while self.starting.len() >= QUEUE {
            match self.started.recv() {
                Ok(started) => self.finish_start(started),
                Err(_) => return,
            }
        }
        self.starting.insert(id, false);
        self.starters.start(request);
    }

    fn runs(&self, id: &ContainerId) -> bool {
        let container = self.by_id.get(id).and_then(|key| self.containers.get(key));
        container.is_some_and(|container| container.next_attempt().is_none())
    }

    /// Returns whether a container inside this one has not ended.
    fn has_nested(&self, id: &ContainerId) -> bool {
        self.by_id.keys().chain(self.starting.keys()).any(|other| other.is_inside(id))
    }

    fn take_started(&mut self) {
        while let Ok(started) = self.started.try_recv() {
            self.finish_start(started);
        }
    }

    fn finish_start(&mut self, Started { id, limits, cgroups, outcome }: Started) {
        let destroy = self.starting.remove(&id).unwrap_or(false);
        match outcome {
            Ok((process, state)) => {
                let pid = process.pid;
                let context = Isolation::context(&*self.starter.kernel, &id, cgroups.as_ref(), Some(pid));
                let isolated = self.starter.isolation.isolators.isolate(&context);
                self.add_running(&id, process, cgroups, limits, state, true);
                let networks = self.starter.isolation.isolators.networks(&id);
                let pid = pid.as_raw_nonzero().get().cast_unsigned();
                (self.events)(Event::Launched { id: id.clone(), pid, networks });
                if let Err(error) = &isolated {
                    tracing::error!(%id, %error, "a container that cannot be isolated is destroyed");
                }
                if destroy || isolated.is_err() {
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
        id: &ContainerId,
        process: Spawned,
        cgroups: Option<ContainerCgroups>,
        limits: Limits,
        state: ContainerState,
        limits_in_force: bool,
    ) {
        let started = state.started;
        if let Err(error) = self.rotator.watch(id.as_str(), state.rotated.unwrap_or_default()) {
            tracing::warn!(%id, %error, "outputs are not rotated");
        }
        let key = self.key(id);
        let known = ContainerHandle { pid: Some(process.pid), cgroups: cgroups.clone(), limits, limits_in_force };
        self.publish_running(id, known);
        if let Err(error) = self.poller.watch_exit(key, &process.pidfd) {
            tracing::error!(%id, %error, "the end of the container will not be noticed");
        }
        let context = Isolation::context(&*self.starter.kernel, id, cgroups.as_ref(), Some(process.pid));
        let watches = self.starter.isolation.isolators.watch(&context);
        for watch in &watches {
            if let Err(error) = self.poller.watch_limit(key, watch) {
                tracing::warn!(%id, %error, "a violated limit is noticed only at the end of the container");
            }
        }
        self.containers.insert(key, Container::running(id, process, started, cgroups, watches));
    }

    /// Lets callers see a container that runs, and applies limits that changed while it was being started.
    fn publish_running(&self, id: &ContainerId, mut known: ContainerHandle) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = shared.get(id).map_or_else(|| known.limits.clone(), |earlier| earlier.limits.clone());
        let context = Isolation::context(&*self.starter.kernel, id, known.cgroups.as_ref(), known.pid);
        if wanted != known.limits {
            let updated = self.starter.isolation.isolators.update(&context, &wanted);
            known.limits_in_force = updated.is_ok();
            if let Err(error) = updated {
                tracing::warn!(%id, %error, "the limits of a container are those of its launch");
            }
        }
        known.limits = wanted;
        shared.insert(id.clone(), known);
    }

    fn destroy(&mut self, id: &ContainerId) {
        for (_, destroy) in self.starting.iter_mut().filter(|(other, _)| *other == id || other.is_inside(id)) {
            *destroy = true;
        }
        let now = Instant::now();
        // Nested containers end with their parent.
        for container in self.containers.values_mut().filter(|other| other.id == *id || other.id.is_inside(id)) {
            container.destroy(now);
        }
    }

    fn ready(&mut self, source: Source) {
        let now = Instant::now();
        match source {
            Source::Wake => {}
            Source::Exit(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    self.poller.forget(container.pidfd());
                    container.first_process_ended(&*self.starter.kernel, &self.starter.isolation.isolators, now);
                    let id = container.id.clone();
                    self.destroy_nested(&id);
                }
            }
            Source::Limit(key) => {
                if let Some(container) = self.containers.get_mut(&key) {
                    container.notified(&*self.starter.kernel, &self.starter.isolation.isolators, now);
                }
            }
        }
    }

    /// Destroys the containers nested in one that has ended.
    fn destroy_nested(&mut self, id: &ContainerId) {
        for (_, destroy) in self.starting.iter_mut().filter(|(other, _)| other.is_inside(id)) {
            *destroy = true;
        }
        let now = Instant::now();
        for container in self.containers.values_mut().filter(|other| other.id.is_inside(id)) {
            container.destroy(now);
        }
    }

    /// Makes one attempt for each container whose destruction is due. All attempts share one read of the process table.
    fn attempt_destructions(&mut self) {
        let now = Instant::now();
        let kernel = Arc::clone(&self.starter.kernel);
        let isolation = Arc::clone(&self.starter.isolation);
        let isolators = &isolation.isolators;
        let table: OnceCell<Vec<ProcessEntry>> = OnceCell::new();
        let mut due: Vec<u64> = self.containers.iter().filter(|(_, c)| c.is_due(now)).map(|(key, _)| *key).collect();
        // Nested containers come first.
        due.sort_by_key(|key| self.containers.get(key).map(|container| std::cmp::Reverse(container.id.clone())));
        for key in due {
            let Some(container) = self.containers.get_mut(&key) else { continue };
            let processes = || table.get_or_init(|| kernel.processes()).as_slice();
            match container.attempt(&*kernel, isolators, processes, now) {
                Progress::Over => self.end(key, now),
                Progress::Later if container.becomes_overdue(now, self.destroy_timeout) => {
                    let (id, timeout) = (&container.id, self.destroy_timeout);
                    tracing::error!(%id, ?timeout, "the container has not ended yet; it is killed again");
                }
                Progress::Later => {}
            }
        }
    }

    /// Ends a container of which nothing is left. A parent ends after the containers in it, as in Mesos.
    fn end(&mut self, key: u64, now: Instant) {
        let has_nested = self.containers.get(&key).is_some_and(|container| self.has_nested(&container.id));
        match self.containers.get_mut(&key) {
            Some(container) if has_nested => container.postpone(now),
            Some(_) => {
                if let Some(container) = self.containers.remove(&key) {
                    self.finish_destruction(container);
                }
            }
            None => {}
        }
    }

    fn finish_destruction(&mut self, mut container: Container) {
        container.set_exit_status(|id| self.starter.runtime.exit_status(id));
        for watch in &container.watches {
            self.poller.forget(Some(watch));
        }
        if container.id.parent().is_some() {
            // An orphan's end has been kept already.
            if !container.is_orphan() {
                self.keep(&container.id, &container.termination());
            }
        } else if let Err(error) = self.starter.runtime.forget(&container.id) {
            tracing::warn!(id = %container.id, %error, "cannot remove the checkpoint of a container that has ended");
        }
        self.rotator.end(container.id.as_str());
        self.forget(&container.id);
        if let Some(event) = container.exit_event() {
            (self.events)(event);
        }
    }

    fn forget(&mut self, id: &ContainerId) {
        self.by_id.remove(id);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn until_next_attempt(&self) -> Option<Duration> {
        let now = Instant::now();
        self.containers.values().filter_map(|c| c.next_attempt()).min().map(|at| at.saturating_duration_since(now))
    }
}

//! Starting containers, several at once: making cgroups and waiting for a program to run is mostly waiting, for locks of
//! the kernel, for the disk the program is on, and for a processor.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::{Poller, Waker};
use crate::cgroups::{ContainerCgroups, LimitOptions};
use crate::isolation::{Isolation, Tracking, with_source};
use crate::kernel::Kernel;
use crate::runtime_dir::{ContainerState, RuntimeDir};
use crate::spawn::{SpawnError, SpawnPlan, Spawned};
use crate::{Launch, Limits};

const MAX_THREADS: usize = 4;

/// What starting needs to know; the same for all containers.
pub(super) struct Starter {
    pub(super) kernel: Arc<dyn Kernel>,
    pub(super) isolation: Isolation,
    pub(super) options: LimitOptions,
    pub(super) runtime: RuntimeDir,
}

/// A launch that has been tried.
pub(super) struct Started {
    pub(super) id: String,
    pub(super) limits: Limits,
    pub(super) group: Option<ContainerCgroups>,
    pub(super) outcome: Result<(Spawned, ContainerState), String>,
}

impl Starter {
    pub(super) fn group(&self, id: &str) -> Option<ContainerCgroups> {
        match &self.isolation.tracking {
            Tracking::Cgroups(tree) => Some(tree.group(id)),
            Tracking::ProcessTree => None,
        }
    }

    /// Starts a container, or leaves nothing of it.
    fn start(&self, launch: Launch) -> Started {
        let group = self.group(&launch.id);
        let (id, limits) = (launch.id.clone(), launch.limits);
        let outcome = self.try_start(launch, group.as_ref());
        if outcome.is_err() {
            if let Some(error) = group.as_ref().and_then(|group| group.remove(&*self.kernel).err()) {
                tracing::warn!(%id, %error, "a cgroup without processes stays");
            }
            let _ = self.runtime.forget(&id);
        }
        Started { id, limits, group, outcome }
    }

    fn try_start(
        &self,
        mut launch: Launch,
        group: Option<&ContainerCgroups>,
    ) -> Result<(Spawned, ContainerState), String> {
        if !self.isolation.rlimits {
            launch.rlimits.clear();
        }
        self.runtime.create(&launch.id).map_err(|error| format!("cannot remember the container: {error}"))?;
        if let (Some(group), Tracking::Cgroups(tree)) = (group, &self.isolation.tracking) {
            group.create(&*self.kernel, tree).map_err(|error| with_source(&error))?;
            group.limit(&*self.kernel, &launch.limits, self.options, true).map_err(|error| with_source(&error))?;
        }
        let process = self.plan(&launch, group).and_then(|plan| self.kernel.spawn(&plan));
        let process = process.map_err(|error| with_source(&error))?;

        let state = ContainerState::of(process.pid.as_raw_nonzero().get(), [&launch.stdout, &launch.stderr]);
        // The container runs; what cannot be remembered is only missed after a restart.
        if let Err(error) = self.runtime.checkpoint(&launch.id, &state) {
            tracing::warn!(id = %launch.id, %error, "a restarted agent will not find the container");
        }
        Ok((process, state))
    }

    fn needs_init(&self) -> bool {
        self.isolation.namespaces.pid || matches!(self.isolation.tracking, Tracking::ProcessTree)
    }

    fn plan(&self, launch: &Launch, group: Option<&ContainerCgroups>) -> Result<SpawnPlan, SpawnError> {
        let mut plan = SpawnPlan::new(launch, self.isolation.namespaces)?;
        plan.set_record(&self.runtime.process_record(&launch.id))?;
        if let Some(init) = launch.init.as_ref().filter(|_| self.needs_init()) {
            plan.set_init(init, &self.runtime.status_file(&launch.id))?;
        }
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
}

/// The threads that start containers.
pub(super) struct Starters {
    /// `None` once no more are to be started.
    launches: Option<SyncSender<Box<Launch>>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Starters {
    /// At most `bound` launches may be under way.
    pub(super) fn new(
        starter: &Arc<Starter>,
        bound: usize,
        poller: &Poller,
    ) -> std::io::Result<(Self, Receiver<Started>)> {
        let (launches, queue) = sync_channel::<Box<Launch>>(bound);
        let (results, started) = sync_channel(bound);
        let queue = Arc::new(Mutex::new(queue));
        let stopping = Arc::new(AtomicBool::new(false));
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get).clamp(2, MAX_THREADS);
        let threads = (0..count)
            .map(|_| {
                let (starter, queue, stopping) = (Arc::clone(starter), Arc::clone(&queue), Arc::clone(&stopping));
                let (results, waker) = (results.clone(), poller.waker());
                thread::Builder::new()
                    .name("start-container".into())
                    .spawn(move || work(&starter, &queue, &stopping, &results, &waker))
            })
            .collect::<Result<_, _>>()?;
        Ok((Starters { launches: Some(launches), stopping, threads }, started))
    }

    pub(super) fn start(&self, launch: Box<Launch>) {
        if let Some(launches) = &self.launches {
            // The threads end after this sender does.
            let _ = launches.send(launch);
        }
    }

    /// Waits for what is being started; what is not will not be.
    pub(super) fn finish(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.launches = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(
    starter: &Starter,
    queue: &Mutex<Receiver<Box<Launch>>>,
    stopping: &AtomicBool,
    results: &SyncSender<Started>,
    waker: &Waker,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(launch) = next else { return };
        if stopping.load(Ordering::Acquire) || results.send(starter.start(*launch)).is_err() {
            return;
        }
        waker.wake();
    }
}

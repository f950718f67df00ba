//! Starts containers, several at once: a start mostly waits, for locks of the kernel, for the disk with the program,
//! and for a processor.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use executor::ImageIsolation;
use ids::ContainerId;
use model::with_sources;
use rustix::process::Pid;

use super::{Poller, Waker};
use crate::cgroups::ContainerCgroups;
use crate::isolation::{Isolation, Tracking};
use crate::isolators::ContainerContext;
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::runtime_dir::{ContainerState, RuntimeDir};
use crate::spawn::{SpawnPlan, Spawned};
use crate::{Launch, Limits};

const MAX_THREADS: usize = 4;
/// The number of threads that start containers in networks of their own. They wait for plugins, which other containers must
/// not wait for.
const NETWORK_THREADS: usize = 4;
/// The pause between attempts to clean up after a container that did not start.
const CLEAN_UP_PAUSE: Duration = Duration::from_millis(5);
/// Each volume is an open descriptor from before the start of its container until after it.
const MANY_VOLUMES: usize = 16;

/// The parts that all starts use.
pub(super) struct Starter {
    pub(super) kernel: Arc<dyn Kernel>,
    pub(super) isolation: Arc<Isolation>,
    pub(super) runtime: Arc<RuntimeDir>,
    /// Held while a container with more than [`MANY_VOLUMES`] volumes is started, so that the agent has the descriptors
    /// of one such container only.
    pub(super) many_volumes: Mutex<()>,
}

/// A container to start.
#[derive(Debug)]
pub(crate) struct StartRequest {
    pub(crate) launch: Launch,
    /// The first process of its parent; `None` for a top-level container.
    pub(crate) parent: Option<Pid>,
}

/// The result of a launch.
pub(super) struct Started {
    pub(super) id: ContainerId,
    pub(super) limits: Limits,
    pub(super) cgroups: Option<ContainerCgroups>,
    pub(super) outcome: Result<(Spawned, ContainerState), String>,
}

impl Starter {
    /// Starts a container, or leaves nothing of it.
    fn start(&self, request: &StartRequest) -> Started {
        let launch = &request.launch;
        let (id, limits) = (launch.id.clone(), launch.limits.clone());
        let own_cgroups = launch.nesting.as_ref().is_some_and(|nesting| nesting.own_cgroups) && id.parent().is_some();
        let cgroups = if own_cgroups { self.isolation.own_cgroups(&id) } else { self.isolation.cgroups(&id) };
        let outcome = self.try_start(request, cgroups.as_ref());
        if outcome.is_err() {
            let context = Isolation::context(&*self.kernel, &id, cgroups.as_ref(), None);
            if let Err(error) = self.clean_up(&context) {
                tracing::warn!(%id, %error, "cannot clean up after a container that did not start");
            }
            if let Some(error) = cgroups.as_ref().and_then(|cgroups| cgroups.remove(&*self.kernel).err()) {
                tracing::warn!(%id, %error, "cannot remove a cgroup without processes");
            }
            let _ = self.runtime.forget(&id);
        }
        Started { id, limits, cgroups, outcome }
    }

    /// Calls the isolators until those that work on other threads are done. They have deadlines.
    fn clean_up(&self, context: &ContainerContext<'_>) -> std::io::Result<()> {
        loop {
            match self.isolation.isolators.cleanup(context) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => thread::sleep(CLEAN_UP_PAUSE),
                result => return result,
            }
        }
    }

    fn try_start(
        &self,
        request: &StartRequest,
        cgroups: Option<&ContainerCgroups>,
    ) -> Result<(Spawned, ContainerState), String> {
        let launch = &request.launch;
        let created = self.runtime.create(&launch.id).and_then(|()| match &launch.nesting {
            Some(nesting) => self.runtime.describe(&launch.id, &nesting.description),
            None => Ok(()),
        });
        created.map_err(|error| format!("cannot remember the container: {error}"))?;
        let spec = self.spec(request, cgroups).map_err(|error| with_sources(&error))?;
        let _turn = (spec.volumes.len() > MANY_VOLUMES)
            .then(|| self.many_volumes.lock().unwrap_or_else(PoisonError::into_inner));
        let process = SpawnPlan::new(&spec).and_then(|plan| self.kernel.spawn(&plan));
        let process = process.map_err(|error| with_sources(&error))?;

        let state = ContainerState::of(process.pid.as_raw_nonzero().get(), [&launch.stdout, &launch.stderr]);
        // The container runs. Without its checkpoint only a restarted agent misses it.
        if let Err(error) = self.runtime.checkpoint(&launch.id, &state) {
            tracing::warn!(id = %launch.id, %error, "a restarted agent will not find the container");
        }
        Ok((process, state))
    }

    /// Creates the container's cgroups, and lets the isolators add to its specification.
    fn spec(&self, request: &StartRequest, cgroups: Option<&ContainerCgroups>) -> Result<LaunchSpec, crate::Error> {
        let launch = &request.launch;
        let mut spec = LaunchSpec::new(launch);
        spec.record = Some(self.runtime.process_record(&launch.id));
        spec.lock = Some(self.runtime.lock());
        spec.secrets = self.runtime.secrets(&launch.id);
        spec.init = launch.init.clone().map(|init| (init, self.runtime.status_file(&launch.id)));
        match (cgroups, &self.isolation.tracking) {
            (Some(cgroups), Tracking::Cgroups(tree)) => {
                cgroups.create(&*self.kernel, tree)?;
                spec.cgroup = cgroups.v2_directory().map(Into::into);
                spec.cgroups_v1 = cgroups.v1_directories().map(Into::into).collect();
            }
            // The first process has to adopt processes that leave the session.
            _ => spec.needs_init = true,
        }
        // The exit status is known to a later agent only if an init has written it.
        spec.needs_init |= launch.nesting.is_some();
        // The process in the image is another one than the first, which later programs are started beside.
        spec.needs_init |= launch.terminal.is_some() || launch.requests.image.is_some();
        if let Some(terminal) = launch.terminal {
            let socket = self.runtime.listen(&launch.id);
            let socket = socket.map_err(crate::Error::system("cannot make the socket of the terminal"))?;
            spec.terminal = Some((terminal, Arc::new(socket)));
        }
        let context =
            ContainerContext { parent: request.parent, ..Isolation::context(&*self.kernel, &launch.id, cgroups, None) };
        self.isolation.isolators.prepare(&context, launch, &mut spec)?;
        if let Some(image) = &launch.requests.image {
            write_image_isolation(&image.isolation, &spec.take_image_isolation())?;
        }
        Ok(spec)
    }
}

/// Writes the file for the process that enters the image. Only the agent may write it.
fn write_image_isolation(path: &Path, isolation: &ImageIsolation) -> Result<(), crate::Error> {
    let failed = crate::Error::io("cannot write", path);
    let written =
        serde_json::to_vec(isolation).map_err(std::io::Error::from).and_then(|bytes| std::fs::write(path, bytes));
    written.map_err(failed)
}

/// The threads that start containers.
pub(super) struct Starters {
    /// `None` after the stop.
    launches: Option<SyncSender<Box<StartRequest>>>,
    /// Those of containers in networks of their own.
    network_launches: Option<SyncSender<Box<StartRequest>>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Starters {
    /// Starts the threads, which accept at most `bound` launches at once.
    pub(super) fn new(
        starter: &Arc<Starter>,
        bound: usize,
        poller: &Poller,
    ) -> std::io::Result<(Self, Receiver<Started>)> {
        let (results, started) = sync_channel(bound);
        let stopping = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        let mut pool = |name: &str, count: usize| {
            let (launches, queue) = sync_channel::<Box<StartRequest>>(bound);
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..count {
                let (starter, queue, stopping) = (Arc::clone(starter), Arc::clone(&queue), Arc::clone(&stopping));
                let (results, waker) = (results.clone(), poller.waker());
                let run = move || work(&starter, &queue, &stopping, &results, &waker);
                threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
            }
            Ok::<_, std::io::Error>(launches)
        };
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get).clamp(2, MAX_THREADS);
        let launches = Some(pool("start-container", count)?);
        let network_launches = Some(pool("start-network", NETWORK_THREADS)?);
        Ok((Starters { launches, network_launches, stopping, threads }, started))
    }

    pub(super) fn start(&self, request: Box<StartRequest>) {
        let launches = match request.launch.requests.networks.is_empty() {
            true => &self.launches,
            false => &self.network_launches,
        };
        if let Some(launches) = launches {
            // The threads end after this sender is dropped.
            let _ = launches.send(request);
        }
    }

    /// Waits for the launches in progress. Queued launches are not started.
    pub(super) fn finish(&mut self) {
        self.stopping.store(true, Ordering::Release);
        (self.launches, self.network_launches) = (None, None);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(
    starter: &Starter,
    queue: &Mutex<Receiver<Box<StartRequest>>>,
    stopping: &AtomicBool,
    results: &SyncSender<Started>,
    waker: &Waker,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(launch) = next else { return };
        if stopping.load(Ordering::Acquire) || results.send(starter.start(&launch)).is_err() {
            return;
        }
        waker.wake();
    }
}

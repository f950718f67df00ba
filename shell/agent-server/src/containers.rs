//! Connects the core's container commands to the containerizer. Sandboxes and fetches come first, on threads that may
//! block, and a container may be destroyed meanwhile.

mod choice;
mod nested;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::agent::{ContainerEvent, ContainerExit, ContainerLaunch, ContainerVolume, Input, Limitation};
use containerizer::{Containerizer, Event, LimitationKind, Limits, Recovered, User};
use messages::v1;
use model::{ContainerId, TaskId};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::docker::{DockerContainerizer, helper_limits};
use super::fetch::{self, Fetches};
use super::host::AgentHost;
use super::images::{self, Images};
use super::launch::{self, Settings};
use super::sessions::Sessions;
use super::volumes::{self, SandboxMount, VolumeError};
use super::worker::Worker;
use super::{networks, sandbox, unacknowledged_updates};
use edge::core_thread::{Inbox, InboxItem};

/// The containers of an agent, from the command to launch them to their end.
pub struct Containers {
    containerizer: Containerizer,
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    images: Arc<Images>,
    runtime: Handle,
    worker: Worker,
    /// The containerizers in their order (`--containerizers`).
    order: Vec<ContainerizerName>,
    preparations: Semaphore,
    downloads: Semaphore,
    /// The counters of succeeded and failed fetches.
    pub fetches: Fetches,
    /// The sessions whose streams their callers have.
    pub sessions: Sessions,
}

pub use choice::{ContainerizerName, choose};
pub use nested::recovered_nested;

/// The maximum of sandboxes that are made at once. More of them would wait for the same disk.
const MAX_PREPARATIONS: usize = 4;

/// The maximum of containers whose files and images are fetched at once. A fetch takes as long as its server does.
const MAX_DOWNLOADS: usize = 64;

/// The part that the containerizer's thread uses, too.
struct Shared {
    sessions: Sessions,
    inbox: Arc<Inbox<AgentHost>>,
    images: Arc<Images>,
    /// The containers at Docker; `None` if it is not one of the containerizers.
    docker: Option<Arc<DockerContainerizer>>,
    runtime: Handle,
    worker: Worker,
    /// The containers that have not ended. The core's thread takes this lock, so no thread holds it while blocking.
    live: Mutex<HashMap<ContainerId, LiveContainer>>,
    /// The lock that is held while the owner of a volume is determined and written.
    ownership: Mutex<()>,
}

/// What the records of the agent say about a container that runs.
#[derive(Debug)]
pub struct RecoveredContainer {
    /// The sandbox; `None` for a container that no record names.
    pub sandbox: Option<PathBuf>,
    /// Who has launched it.
    pub containerizer: ContainerizerName,
    /// The task whose executor the agent has generated.
    pub task: Option<TaskId>,
}

/// The new limits and volumes of a running container.
pub struct ContainerChange {
    /// The container to change.
    pub container: ContainerId,
    /// The resources that the container is allocated from now on.
    pub resources: Vec<v1::Resource>,
    /// Upper bounds of `cpus` and `mem`, where they differ.
    pub limits: Vec<v1::Resource>,
    /// The volumes that the container has to see.
    pub volumes: Vec<ContainerVolume>,
}

/// The reason why new tasks of a custom executor at Docker cannot have volumes.
const NO_FURTHER_VOLUMES: &str = "a container of Docker cannot get further persistent volumes while it runs";

/// Calls a function when it is dropped.
struct Finally<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Finally<F> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done();
        }
    }
}

struct LiveContainer {
    containerizer: ContainerizerName,
    phase: Phase,
    cancelled: Arc<AtomicBool>,
    sandbox: PathBuf,
    /// Whether the container runs as another user than the agent.
    switches_user: bool,
    /// The volumes that the container has to see. It sees them once it has been prepared.
    volumes: Vec<ContainerVolume>,
    /// The sources of the shared volumes that the container uses.
    shared_volumes: Vec<PathBuf>,
}

enum Phase {
    /// The sandbox is being prepared. The value has the limits to start with.
    Preparing(Limits),
    Started,
    /// An earlier process of the agent has started the container. The core is about to report its volumes.
    Recovered,
}

impl Containers {
    /// Starts the containerizers and returns the containers that were recovered. `recovered_of` returns what the
    /// records say about a container. Without `docker`, there are no containers at Docker.
    ///
    /// # Errors
    /// Returns the error of the containerizer if it cannot start.
    pub fn start(
        config: containerizer::Config,
        settings: Arc<Settings>,
        images: Arc<Images>,
        runtime: Handle,
        inbox: Arc<Inbox<AgentHost>>,
        worker: Worker,
        order: Vec<ContainerizerName>,
        docker: Option<Arc<DockerContainerizer>>,
        recovered_of: impl Fn(&ContainerId) -> RecoveredContainer,
    ) -> Result<(Arc<Self>, Recovered), containerizer::Error> {
        let sessions = Sessions::default();
        let shared = Arc::new(Shared {
            sessions: sessions.clone(),
            inbox,
            images: Arc::clone(&images),
            docker,
            runtime: runtime.clone(),
            worker: worker.clone(),
            live: Mutex::new(HashMap::new()),
            ownership: Mutex::new(()),
        });
        let reporter = shared.clone();
        // The lock is held until the recovered containers are entered, so that reports about them wait.
        let mut live = shared.lock();
        let containerizer = Containerizer::new(config, move |event| reporter.report(event))?;
        let recovered = containerizer.recovered();
        for (id, _) in &recovered.alive {
            let RecoveredContainer { sandbox, containerizer, task } = recovered_of(id);
            if let Some(docker) = shared.docker.as_ref().filter(|_| containerizer == ContainerizerName::Docker) {
                docker.recover(id, task);
            }
            let found = LiveContainer {
                containerizer,
                phase: Phase::Recovered,
                cancelled: Arc::default(),
                sandbox: sandbox.unwrap_or_default(),
                switches_user: true,
                volumes: Vec::new(),
                shared_volumes: Vec::new(),
            };
            live.insert(id.clone(), found);
        }
        drop(live);
        images.recover(&recovered.alive.iter().map(|(id, _)| id.to_string()).collect());
        for missing in containerizer.missing_isolation() {
            warn!("{missing}");
        }
        let fetches = Fetches::new(&settings.fetch);
        let containers = Containers {
            preparations: Semaphore::new(MAX_PREPARATIONS),
            downloads: Semaphore::new(MAX_DOWNLOADS),
            worker,
            containerizer,
            shared,
            order,
            settings,
            images,
            runtime,
            fetches,
            sessions,
        };
        Ok((Arc::new(containers), recovered))
    }

    /// Changes a container on the worker's thread, after earlier changes, and then calls `done`.
    pub fn update(self: &Arc<Self>, change: ContainerChange, done: impl FnOnce() + Send + 'static) {
        let containers = self.clone();
        // `done` is called even if the change panics.
        let done = Finally(Some(done));
        self.worker.run(move || {
            let _done = done;
            containers.update_resources(&change.container, &change.resources, &change.limits);
            containers.update_volumes(&change.container, change.volumes);
        });
    }

    /// Destroys a container after earlier changes. A container that is being prepared is not started any more.
    pub fn destroy(self: &Arc<Self>, container: ContainerId) {
        match self.shared.lock().get(container.as_str()) {
            None => return,
            Some(entry) => entry.cancelled.store(true, Ordering::Release),
        }
        let containers = self.clone();
        self.worker.run(move || containers.destroy_started(&container));
    }

    /// Prepares for the end of the agent: containers that are being prepared are not started, and running containers
    /// continue.
    pub fn stop(&self) {
        self.containerizer.stop();
    }

    /// Returns the images of the agent.
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// Returns the usage of a container; `None` if it has ended or has not started.
    pub fn usage(&self, container: &ContainerId) -> Option<containerizer::Usage> {
        match self.shared.docker_of(container) {
            Some(docker) => docker.usage(&self.containerizer, container),
            None => self.containerizer.usage(container).ok(),
        }
    }

    /// Returns the networks of a container; none for the network of the agent.
    pub fn networks(&self, container: &ContainerId) -> Vec<v1::NetworkInfo> {
        networks::network_infos(&self.containerizer.networks(container))
    }

    /// Returns the ids of all containers that have not ended.
    pub fn live(&self) -> Vec<ContainerId> {
        self.shared.lock().keys().cloned().collect()
    }

    /// Prepares and starts a container, on threads that may block.
    pub fn launch(self: &Arc<Self>, launch: Box<ContainerLaunch>) {
        let limits = self.settings.limits(&launch.resources, &launch.limits);
        let chosen = choose(&self.order, &launch);
        let containerizer = chosen.unwrap_or(ContainerizerName::Mesos);
        let cancelled = self.begin(&launch.container, containerizer, limits, &launch.sandbox, launch.volumes.clone());
        let is_docker = containerizer == ContainerizerName::Docker;
        let waits_for_network = is_docker || fetch::has_files(&launch) || images::has_images(&launch);
        self.run_blocking(waits_for_network, move |containers| {
            let prepared = match chosen {
                Some(ContainerizerName::Mesos) => containers.prepare(&launch, &cancelled),
                Some(ContainerizerName::Docker) => containers.prepare_docker(&launch, &cancelled),
                None => Err(choice::none_of(&containers.order)),
            };
            let started = prepared.and_then(|prepared| containers.start_prepared(prepared, &launch.volumes));
            if let Err(reason) = started {
                containers.shared.failed(&launch.container, reason);
            }
        });
    }

    /// Records a container that is being prepared. Returns the flag that its end sets.
    fn begin(
        &self,
        container: &ContainerId,
        containerizer: ContainerizerName,
        limits: Limits,
        sandbox: &Path,
        volumes: Vec<ContainerVolume>,
    ) -> Arc<AtomicBool> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let live = LiveContainer {
            containerizer,
            phase: Phase::Preparing(limits),
            cancelled: cancelled.clone(),
            sandbox: sandbox.to_owned(),
            switches_user: true,
            volumes,
            shared_volumes: Vec::new(),
        };
        self.shared.lock().insert(container.clone(), live);
        cancelled
    }

    /// Runs the preparation of a container on a thread that may block, when fewer than the bound are running. Those that
    /// wait for the network have a bound of their own, so that they do not delay the others.
    fn run_blocking(self: &Arc<Self>, waits_for_network: bool, work: impl FnOnce(&Self) + Send + 'static) {
        let containers = self.clone();
        self.runtime.spawn(async move {
            let permits = if waits_for_network { &containers.downloads } else { &containers.preparations };
            // The semaphore is never closed; without a permit the limit would not apply.
            let _permit = permits.acquire().await;
            let containers = containers.clone();
            // The task fails only if the runtime ends.
            let _ = tokio::task::spawn_blocking(move || work(&containers)).await;
        });
    }

    /// Checks that this agent can carry out the container of executors that describe none.
    pub(crate) fn check_default(&self, container: &v1::ContainerInfo) -> Result<(), validation::ValidationError> {
        let executor = v1::ExecutorInfo { container: Some(Box::new(container.clone())), ..v1::ExecutorInfo::default() };
        validation::supported::check_executor(&executor, &self.containerizer.isolators())
    }

    /// Makes the sandbox, its volumes and its files. It blocks for as long as the downloads take.
    fn prepare(&self, launch: &ContainerLaunch, cancelled: &Arc<AtomicBool>) -> Result<containerizer::Launch, String> {
        launch::check(launch, &self.containerizer.isolators()).map_err(|error| error.to_string())?;
        let user = launch.user.as_deref().map(resolve_user).transpose()?.flatten();
        if let Some(live) = self.shared.lock().get_mut(&launch.container) {
            live.switches_user = user.is_some();
        }
        sandbox::create(&launch.sandbox, user.as_ref())
            .map_err(|error| format!("Failed to create sandbox '{}': {error}", launch.sandbox.display()))?;
        // Volumes come before fetched files, so that a file cannot take the place of a volume.
        self.update_sandbox(&launch.container, &launch.sandbox, &[], &launch.volumes)?;
        self.fetches.fetch(&self.settings.fetch, launch, user.as_ref(), cancelled)?;
        let report = self.shared.progress_of(&launch.container);
        let images =
            self.images.provide(launch, user.as_ref(), cancelled, &report).map_err(|error| error.to_string())?;
        // A link to a volume leads to nothing in an image.
        if images.as_ref().is_some_and(|images| images.has_root)
            && !launch.volumes.is_empty()
            && !self.containerizer.separates_mounts()
        {
            return Err("persistent volumes in a container with an image need an agent that is root, with the isolator 'filesystem/linux'".to_owned());
        }
        launch::describe(&self.settings, launch, user, images.as_ref()).map_err(|error| error.to_string())
    }

    /// Makes the sandbox, its volumes and its files, and pulls the image, for a container at Docker.
    fn prepare_docker(
        &self,
        launch: &ContainerLaunch,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<containerizer::Launch, String> {
        let docker = self.shared.docker.as_ref().ok_or_else(|| choice::none_of(&self.order))?;
        launch::check_docker(launch).map_err(|error| error.to_string())?;
        images::check_labels(launch).map_err(|error| error.to_string())?;
        let user = launch.user.as_deref().map(resolve_user).transpose()?.flatten();
        sandbox::create(&launch.sandbox, user.as_ref())
            .map_err(|error| format!("Failed to create sandbox '{}': {error}", launch.sandbox.display()))?;
        self.update_sandbox(&launch.container, &launch.sandbox, &[], &launch.volumes)?;
        self.fetches.fetch(&self.settings.fetch, launch, user.as_ref(), cancelled)?;
        docker.prepare(launch, user.as_ref(), cancelled)
    }

    /// Starts a prepared container. A `destroy` may come before, which is seen here, or after, which finds the
    /// container. A `destroy` in between has found no container, so that the container is destroyed here.
    fn start_prepared(&self, mut prepared: containerizer::Launch, shown: &[ContainerVolume]) -> Result<(), String> {
        let id = prepared.id.clone();
        let destroyed = || "Container destroyed while preparing".to_owned();
        let (cancelled, volumes, is_docker) = {
            let mut live = self.shared.lock();
            let entry = live.get_mut(&id).ok_or_else(destroyed)?;
            if entry.cancelled.load(Ordering::Acquire) {
                return Err(destroyed());
            }
            let is_docker = entry.containerizer == ContainerizerName::Docker;
            if let Phase::Preparing(limits) = std::mem::replace(&mut entry.phase, Phase::Started) {
                prepared.limits = if is_docker { helper_limits(&limits) } else { limits };
            }
            (entry.cancelled.clone(), entry.volumes.clone(), is_docker)
        };
        let sandbox = prepared.working_directory.clone();
        if is_docker && volumes.iter().any(|volume| !shown.contains(volume)) {
            return Err(NO_FURTHER_VOLUMES.to_owned());
        }
        self.update_sandbox(&id, &sandbox, shown, &volumes)?;
        // Docker mounts the volumes of its containers.
        if self.containerizer.separates_mounts() && !is_docker {
            prepared.binds = volumes.iter().map(|volume| volumes::bind(&sandbox, volume)).collect();
        }
        // The lock is released, because the launch may wait for the containerizer, whose reports need the lock.
        self.containerizer.launch(prepared).map_err(|error| error.to_string())?;
        if cancelled.load(Ordering::Acquire)
            && let Err(error) = self.containerizer.destroy(&id)
        {
            debug!(container = %id, %error, "cannot destroy a container");
        }
        Ok(())
    }

    fn update_resources(&self, container: &ContainerId, resources: &[v1::Resource], ceilings: &[v1::Resource]) {
        let limits = self.settings.limits(resources, ceilings);
        let docker = self.shared.docker_of(container).cloned();
        let mut live = self.shared.lock();
        let Some(entry) = live.get_mut(container) else { return };
        match &mut entry.phase {
            Phase::Preparing(waiting) => *waiting = limits,
            Phase::Started | Phase::Recovered => {
                drop(live);
                let own = if docker.is_some() { helper_limits(&limits) } else { limits };
                if let Some(docker) = docker {
                    // A daemon that hangs delays the other containers by no more than one question.
                    docker.update(container, resources, ceilings);
                }
                if let Err(error) = self.containerizer.update(container, own) {
                    // The container has probably just ended.
                    debug!(%container, %error, "cannot change the limits of a container");
                }
            }
        }
    }

    /// Shows a container the volumes of its current tasks. New tasks are delivered afterwards.
    fn update_volumes(&self, container: &ContainerId, wanted: Vec<ContainerVolume>) {
        let (sandbox, shown) = {
            let mut live = self.shared.lock();
            let Some(entry) = live.get_mut(container) else { return };
            if matches!(entry.phase, Phase::Recovered) {
                let shared = wanted.iter().filter(|volume| volume.shared);
                entry.shared_volumes = shared.map(|volume| volume.source.clone()).collect();
                (entry.phase, entry.volumes) = (Phase::Started, wanted.clone());
                let sandbox = entry.sandbox.clone();
                drop(live);
                for volume in &wanted {
                    if let Err(error) = self.containerizer.add_volume(container, &volumes::bind(&sandbox, volume)) {
                        warn!(%container, %error, "the disk space of a volume is not limited");
                    }
                }
                return;
            }
            if entry.volumes == wanted {
                return;
            }
            let shown = std::mem::replace(&mut entry.volumes, wanted.clone());
            if !matches!(entry.phase, Phase::Started) {
                return;
            }
            (entry.sandbox.clone(), shown)
        };
        if let Err(reason) = self.show_volumes(container, &sandbox, &shown, &wanted) {
            // The data of a task without its volume would be deleted with the sandbox, so the task must not continue.
            warn!(%container, reason, "the volumes of a container cannot be shown in its sandbox");
            self.shared.notify(ContainerEvent::UpdateFailed { container: container.clone(), reason });
        }
    }

    fn show_volumes(
        &self,
        container: &ContainerId,
        sandbox: &Path,
        shown: &[ContainerVolume],
        wanted: &[ContainerVolume],
    ) -> Result<(), String> {
        if self.shared.docker_of(container).is_some() {
            return match wanted.iter().any(|volume| !shown.contains(volume)) {
                true => Err(NO_FURTHER_VOLUMES.to_owned()),
                false => Ok(()),
            };
        }
        // Mounts of the container's first process do not reach those of a program in an image.
        if self.images.has_container(container) && wanted.iter().any(|volume| !shown.contains(volume)) {
            return Err("a container with an image cannot get further persistent volumes while it runs".to_owned());
        }
        self.update_sandbox(container, sandbox, shown, wanted)?;
        let separates_mounts = self.containerizer.separates_mounts();
        wanted.iter().filter(|volume| !shown.contains(volume)).try_for_each(|volume| {
            let bind = volumes::bind(sandbox, volume);
            let shown = match separates_mounts {
                true => self.containerizer.bind(container, &bind),
                false => self.containerizer.add_volume(container, &bind),
            };
            shown.map_err(|error| error.to_string())
        })
    }

    /// Removes the mount points or links of volumes that are not wanted any more from a sandbox, and adds those of new
    /// ones.
    fn update_sandbox(
        &self,
        id: &ContainerId,
        sandbox: &Path,
        shown: &[ContainerVolume],
        wanted: &[ContainerVolume],
    ) -> Result<(), String> {
        let is_docker = self.shared.docker_of(id).is_some();
        let separates_mounts = self.containerizer.separates_mounts() || is_docker;
        let mount = if separates_mounts { SandboxMount::Directory } else { SandboxMount::Link };
        for volume in shown.iter().filter(|volume| !wanted.contains(volume)) {
            if mount == SandboxMount::Directory
                && let Err(error) = self.containerizer.unbind(id, &volumes::bind(sandbox, volume))
            {
                debug!(container = %id, %error, "cannot unmount a volume from a container");
            }
            self.shared.release_volume(id, volume);
            volumes::remove_from_sandbox(sandbox, volume, mount).map_err(|error| error.to_string())?;
        }
        let switches_user = self.shared.lock().get(id).is_none_or(|live| live.switches_user);
        for volume in wanted.iter().filter(|volume| !shown.contains(volume)) {
            // An absolute path is one in the image of Docker, and not on the agent.
            if !is_docker {
                volumes::check_mount(volume, mount, switches_user).map_err(|error| error.to_string())?;
            }
            self.shared.acquire_volume(id, sandbox, volume).map_err(|error| error.to_string())?;
            volumes::add_to_sandbox(sandbox, volume, mount).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn destroy_started(&self, container: &ContainerId) {
        let started = match self.shared.lock().get(container) {
            None => return,
            Some(entry) => matches!(entry.phase, Phase::Started | Phase::Recovered),
        };
        if started && let Err(error) = self.containerizer.destroy(container) {
            debug!(%container, %error, "cannot destroy a container");
        }
    }
}

impl Shared {
    /// Returns the containers at Docker, if this is one of them.
    fn docker_of(&self, container: &ContainerId) -> Option<&Arc<DockerContainerizer>> {
        let is_docker = |live: &LiveContainer| live.containerizer == ContainerizerName::Docker;
        self.docker.as_ref().filter(|_| self.lock().get(container).is_some_and(is_docker))
    }

    /// Sets the owner of a volume for a container. As in Mesos, a shared volume in use keeps its owner. Of two
    /// containers that begin to use a volume together, the first determines the owner, and the second waits until the
    /// owner is written.
    fn acquire_volume(&self, id: &ContainerId, sandbox: &Path, volume: &ContainerVolume) -> Result<(), VolumeError> {
        let _deciding = self.ownership.lock().unwrap_or_else(PoisonError::into_inner);
        let others_use = {
            let mut live = self.lock();
            let others_use =
                live.iter().any(|(other, entry)| other != id && entry.shared_volumes.contains(&volume.source));
            if let Some(entry) =
                live.get_mut(id).filter(|entry| volume.shared && !entry.shared_volumes.contains(&volume.source))
            {
                entry.shared_volumes.push(volume.source.clone());
            }
            others_use
        };
        if volume.shared && others_use { Ok(()) } else { volumes::set_owner(sandbox, volume) }
    }

    /// Notes that the container does not use the volume any more.
    fn release_volume(&self, id: &ContainerId, volume: &ContainerVolume) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.shared_volumes.retain(|source| *source != volume.source);
        }
    }

    fn report(self: &Arc<Self>, event: Event) {
        match event {
            Event::Launched { id, pid, networks } => {
                if self.lock().contains_key(&id) {
                    let networks = networks::network_infos(&networks);
                    self.notify(ContainerEvent::Launched { container: id, pid, networks });
                }
            }
            Event::LaunchFailed { id, reason } => self.failed(&id, reason),
            Event::Exited { id, status, limitation } => {
                let docker = self.docker_of(&id).cloned();
                let ended = self.lock().remove(&id);
                self.remove_root(&id);
                self.sessions.end(&id);
                if let Some(ended) = ended {
                    let limitation = limitation.map(describe_limitation);
                    // Only an executor writes updates to its sandbox.
                    let last_updates = match id.parent() {
                        None => unacknowledged_updates::read(&ended.sandbox),
                        Some(_) => Vec::new(),
                    };
                    let exit = ContainerExit { status, limitation, last_updates };
                    match docker {
                        None => self.notify(ContainerEvent::Exited { container: id, exit }),
                        Some(docker) => self.end_at_docker(docker, id, exit),
                    }
                }
            }
        }
    }

    /// Ends the container at Docker, whose process has ended, before the core gives its resources to others.
    fn end_at_docker(self: &Arc<Self>, docker: Arc<DockerContainerizer>, id: ContainerId, mut exit: ContainerExit) {
        let shared = self.clone();
        self.runtime.spawn(async move {
            let (own, container) = (docker.clone(), id.clone());
            // The task fails only if the runtime ends.
            let ended = tokio::task::spawn_blocking(move || own.end(&container)).await;
            if exit.last_updates.is_empty() && exit.limitation.is_none() {
                exit.last_updates.extend(ended.ok().flatten());
            }
            shared.notify(ContainerEvent::Exited { container: id.clone(), exit });
            docker.remove_ended(&id).await;
        });
    }

    fn failed(&self, id: &ContainerId, reason: String) {
        if let Some(docker) = self.docker_of(id) {
            docker.forget(id);
        }
        self.remove_root(id);
        self.sessions.end(id);
        if self.lock().remove(id).is_some() {
            self.notify(ContainerEvent::LaunchFailed { container: id.clone(), reason });
        }
    }

    /// Removes what the container has written into its image, on the thread for such work.
    fn remove_root(&self, id: &ContainerId) {
        let (images, id) = (Arc::clone(&self.images), id.clone());
        self.worker.run(move || images.destroy(&id));
    }

    /// Returns what reports to the core how far the launch of a container is.
    fn progress_of(&self, container: &ContainerId) -> impl Fn(String) + Sync {
        move |message| self.notify(ContainerEvent::Progress { container: container.clone(), message })
    }

    /// Queues an event for the core. There are at most two for each container, and one every few seconds while its images are
    /// pulled.
    fn notify(&self, event: ContainerEvent) {
        self.inbox.send_control(InboxItem::Input(Input::Container(event)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, LiveContainer>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the user to run a container as; `None` if that is the user of the agent, or if the agent is not root. An
/// agent without root runs all tasks as its own user.
fn resolve_user(name: &str) -> Result<Option<User>, String> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        debug!(user = name, "running a container as the user of the agent, because only root may switch users");
        return Ok(None);
    }
    let user = containerizer::resolve_user(name).map_err(|error| format!("Failed to get user '{name}': {error}"))?;
    Ok((user.uid != own.as_raw()).then_some(user))
}

pub(super) fn describe_limitation(limitation: containerizer::Limitation) -> Limitation {
    use v1::task_status::Reason;
    let scalar = |name: &str, bytes: u64| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value: bytes as f64 / (1024.0 * 1024.0) }),
        ..Default::default()
    };
    let (reason, resource) = match limitation.kind {
        LimitationKind::Memory { limit } => (Reason::ContainerLimitationMemory, scalar("mem", limit)),
        LimitationKind::Disk { limit } => (Reason::ContainerLimitationDisk, scalar("disk", limit)),
        LimitationKind::Ports { ports } => {
            let range = |(first, last)| v1::value::Range { begin: u64::from(first), end: u64::from(last) };
            let resource = v1::Resource {
                name: "ports".to_owned(),
                r#type: v1::value::Type::Ranges as i32,
                ranges: Some(Box::new(v1::value::Ranges { range: ports.into_iter().map(range).collect() })),
                ..Default::default()
            };
            (Reason::ContainerLimitation, resource)
        }
    };
    Limitation { reason, message: limitation.message, resources: vec![resource] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_others_are_a_limitation_with_their_ranges() {
        let kind = LimitationKind::Ports { ports: vec![(31000, 31001), (8080, 8080)] };
        let found = describe_limitation(containerizer::Limitation { kind, message: "m".to_owned() });
        assert_eq!(found.reason, v1::task_status::Reason::ContainerLimitation);
        let ranges = found.resources[0].ranges.as_deref().unwrap();
        let ranges: Vec<_> = ranges.range.iter().map(|range| (range.begin, range.end)).collect();
        assert_eq!((found.resources[0].name.as_str(), ranges), ("ports", vec![(31000, 31001), (8080, 8080)]));
    }
}

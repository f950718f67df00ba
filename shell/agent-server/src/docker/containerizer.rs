//! What a container at Docker starts with, its limits and its usage.
//!
//! The container itself is created by a process of the agent (`executor::docker_executor`), which is an ordinary container
//! of the Mesos containerizer and survives the agent: it is found again, destroyed and reported as any other. For a task
//! that process is the executor; for a custom executor it only stands for the container.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::agent::{ContainerLaunch, ContainerVolume};
use ::docker::{Client, ContainerRequest, Error, Inspection, PersistentVolume, Request, container_name};
use containerizer::{Containerizer, Init, Input, Launch, Limits, Output, Program, Requests, Usage, User};
use executor::DockerLaunch;
use messages::v1;
use model::{ContainerId, TaskId};
use rustix::fs::MemfdFlags;
use tracing::{debug, warn};

use super::images;
use super::options::DockerOptions;
use crate::launch::Settings;
use crate::requests::{command_info, container_info};

/// The time that the daemon has for an answer to a question (`DOCKER_INSPECT_TIMEOUT` of Mesos).
pub(super) const ASK: Duration = Duration::from_secs(5);

/// The time for which a daemon that has not answered is not asked again about usage.
const SILENCE: Duration = Duration::from_secs(30);

/// What the process that looks after a container may use. Tasks pay for it: a command task of Mesos has as much besides its
/// own resources.
const HELPER: Limits = Limits {
    cpus: 0.1,
    // It copies the output of the container, which must not wait for it.
    cpu_limit: Some(f64::INFINITY),
    memory: 32 << 20,
    memory_limit: Some(64 << 20),
    pids: None,
    disk: None,
    gpus: 0,
    ports: Vec::new(),
    low_priority: false,
};

/// The containers of an agent at a Docker daemon.
pub struct DockerContainerizer {
    pub(super) options: DockerOptions,
    pub(super) client: Client,
    pub(super) work_dir: PathBuf,
    settings: Arc<Settings>,
    /// The containers that have not ended.
    live: Mutex<HashMap<ContainerId, LiveContainer>>,
    /// Until when measurements do not ask a daemon that has not answered.
    silent_until: Mutex<Option<Instant>>,
}

/// What the agent knows about a container at Docker.
#[derive(Debug, Clone, Default)]
struct LiveContainer {
    /// The task that it runs; `None` for a custom executor.
    task: Option<TaskId>,
    limits: Limits,
    /// The first process of the container, once somebody has asked for it.
    pid: Option<u32>,
}

/// Returns whether a container is one for Docker.
pub fn is_docker(container: Option<&v1::ContainerInfo>) -> bool {
    container.is_some_and(|container| container.r#type() == v1::container_info::Type::Docker)
}

impl DockerContainerizer {
    /// Makes the containerizer of an agent with this work directory. Nothing is asked of the daemon yet.
    pub fn new(options: DockerOptions, settings: Arc<Settings>, work_dir: &Path) -> Self {
        DockerContainerizer {
            client: Client::new(options.socket.clone()),
            options,
            work_dir: work_dir.to_owned(),
            settings,
            live: Mutex::default(),
            silent_until: Mutex::default(),
        }
    }

    /// Notes a container that an earlier agent has started, for this task unless it is that of a custom executor.
    pub fn recover(&self, container: &ContainerId, task: Option<TaskId>) {
        self.lock().entry(container.clone()).or_default().task = task;
    }

    /// Pulls the image and returns how the process that looks after the container is started. It blocks for as long as the
    /// pull takes.
    ///
    /// # Errors
    /// Returns the text for the task's status.
    pub fn prepare(
        &self,
        launch: &ContainerLaunch,
        user: Option<&User>,
        cancelled: &AtomicBool,
    ) -> Result<Launch, String> {
        let container = container_info(launch).ok_or("No docker info found in container info")?;
        let name = container_name(launch.container.as_str());
        let sandbox = self
            .mountable_sandbox(launch)
            .map_err(|error| format!("Failed to symlink directory '{}': {error}", launch.sandbox.display()))?;
        let created = self.describe(launch, container, &name, &sandbox, user);
        let created = created.map_err(|error| format!("Failed to create docker run options: {error}"))?;
        let image = container.docker.as_deref().map(|docker| (docker.image.as_str(), docker.force_pull_image()));
        let (image, force) = image.ok_or("No docker info found in container info")?;
        self.pull(image, force, &launch.sandbox, cancelled).map_err(|error| match error {
            images::PullError::Docker(Error::Cancelled) => "Container destroyed while pulling image".to_owned(),
            error => format!("Failed to pull image '{}': {}", model::visible(image), model::with_sources(&error)),
        })?;
        let network = container
            .network_infos
            .first()
            .map(|network| wire::encode(&v1::NetworkInfo { ip_addresses: Vec::new(), ..network.clone() }).to_vec());
        let described = DockerLaunch {
            name,
            socket: self.options.socket.to_string(),
            create: created.body,
            remove: created.remove,
            terminal: created.terminal,
            network_info: network,
            stop_timeout: Some(self.options.stop_timeout).filter(|timeout| !timeout.is_zero()),
            is_executor: launch.command_task.is_none(),
        };
        let stdin = input(&described).map_err(|error| format!("cannot describe the container: {error}"))?;
        let limits = self.settings.limits(&launch.resources, &launch.limits);
        let task = launch.command_task.as_deref().map(|task| TaskId::from(&task.task_id));
        let helper = self.helper(launch, stdin, &limits)?;
        self.lock().insert(launch.container.clone(), LiveContainer { task, limits, pid: None });
        Ok(helper)
    }

    fn describe(
        &self,
        launch: &ContainerLaunch,
        container: &v1::ContainerInfo,
        name: &str,
        sandbox: &Path,
        user: Option<&User>,
    ) -> Result<::docker::CreatedOptions, ::docker::InvalidOptions> {
        let command = command_info(launch).cloned().unwrap_or_default();
        // A task's own variables are enough; a custom executor has to find its agent. PATH is that of the image, unless the
        // command names one.
        let environment: Vec<(String, String)> = match launch.command_task {
            Some(_) => Vec::new(),
            None => launch.environment.iter().filter(|(name, _)| name != "PATH").cloned().collect(),
        };
        let volumes: Vec<PersistentVolume<'_>> = launch.volumes.iter().map(persistent).collect();
        ::docker::create(&ContainerRequest {
            name,
            container,
            command: &command,
            environment: &environment,
            sandbox,
            mapped: &self.options.sandbox_directory,
            resources: &launch.resources,
            limits: &launch.limits,
            cfs: self.options.cgroups_enable_cfs,
            limit_swap: self.options.cgroups_limit_swap,
            volumes: &volumes,
            // The user of a framework is the owner of the sandbox; only one that the command names runs the program.
            user: user.filter(|_| command.user.is_some()).map(|user| (user.uid, user.gid)),
            dns: self.options.dns.as_ref(),
            total_memory: edge::endpoints::info::System::read().memory_total.unwrap_or_default() as u64,
        })
    }

    /// Returns the sandbox, or a link to it if Docker cannot mount its path (MESOS-1833).
    fn mountable_sandbox(&self, launch: &ContainerLaunch) -> io::Result<PathBuf> {
        if !launch.sandbox.to_string_lossy().contains(':') {
            return Ok(launch.sandbox.clone());
        }
        let agent: PathBuf = launch.sandbox.ancestors().nth(6).unwrap_or(&self.work_dir).to_owned();
        let links = agent.join("docker/links");
        std::fs::create_dir_all(&links)?;
        let link = links.join(launch.container.as_str());
        match std::os::unix::fs::symlink(&launch.sandbox, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(link),
        }
    }

    /// Returns how the process that looks after the container is started.
    fn helper(&self, launch: &ContainerLaunch, stdin: File, limits: &Limits) -> Result<Launch, String> {
        let settings = &self.settings;
        let given = command_info(launch).and_then(|command| command.environment.as_deref());
        let (stdout, stderr) = settings.container_logger.of_container(given)?;
        let output = |name: &str, rotation| Output::File { path: launch.sandbox.join(name), rotation };
        // It acts for the agent, so a task does not choose its variables.
        let is_ours = |name: &str| name == "PATH" || name.starts_with("MESOS_") || name.starts_with("LIBPROCESS_");
        let environment = launch.environment.iter().filter(|(name, _)| is_ours(name));
        let argv0 = settings.executor_argv.first().map_or("tepui", String::as_str);
        Ok(Launch {
            id: launch.container.clone(),
            program: Program::Sealed(settings.executor.clone()),
            argv: vec![argv0.into(), "docker-executor".into()],
            init: Some(Init {
                program: settings.executor.clone(),
                argv: settings.init_argv.iter().map(OsString::from).collect(),
            }),
            environment: environment.map(|(name, value)| (name.into(), value.into())).collect(),
            working_directory: launch.sandbox.clone(),
            user: None,
            limits: helper_limits(limits),
            rlimits: Vec::new(),
            binds: Vec::new(),
            requests: Requests { is_helper: true, ..Requests::default() },
            stdin: Input::Descriptor(Arc::new(stdin)),
            terminal: None,
            nesting: None,
            stdout: output("stdout", stdout),
            stderr: output("stderr", stderr),
        })
    }

    /// Changes the limits of a container of a custom executor, whose tasks come and go. Those of a task do not change while
    /// it runs, as in Mesos. It blocks for as long as Docker takes.
    pub fn update(&self, container: &ContainerId, resources: &[v1::Resource], limits: &[v1::Resource]) {
        match self.lock().get_mut(container) {
            None => return,
            Some(live) => {
                live.limits = self.settings.limits(resources, limits);
                if live.task.is_some() {
                    return;
                }
            }
        }
        let cfs = self.options.cgroups_enable_cfs;
        let mut fields = ::docker::resource_limits(resources, limits, cfs, self.options.cgroups_limit_swap);
        let name = container_name(container.as_str());
        let known = match self.inspect(&name) {
            Ok(known) => known,
            // It is about to be created with limits that are almost these.
            Err(error) => return debug!(%container, %error, "the limits of a container are not changed"),
        };
        // As in Mesos, the limit is only raised: a lower one would end a container that has used what it had.
        let wanted = fields.get("Memory").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if known.memory == 0 || (wanted > 0 && wanted <= known.memory) {
            fields.remove("Memory");
            fields.remove("MemorySwap");
        } else if wanted > 0 {
            // Docker refuses a limit above the one of memory and swap together, which is twice as high by default.
            fields.entry("MemorySwap").or_insert(wanted.saturating_mul(2).into());
        }
        if fields.is_empty() {
            return;
        }
        if let Err(error) = self.client.call(&Request::update(&name, &fields.into()), ASK) {
            warn!(%container, %error, "the limits of a container cannot be changed");
        }
    }

    /// Returns the usage of a container; `None` if it does not run, or Docker does not answer.
    pub fn usage(&self, containerizer: &Containerizer, container: &ContainerId) -> Option<Usage> {
        let known = self.lock().get(container).cloned()?;
        let pid = match known.pid {
            Some(pid) => pid,
            None => {
                let pid = self.ask_for_pid(container)?;
                self.lock().get_mut(container)?.pid = Some(pid);
                pid
            }
        };
        containerizer.usage_of_process(container, pid, &known.limits)
    }

    /// Returns the first process of a container. A daemon that hangs is asked for one container, and then not for a while.
    fn ask_for_pid(&self, container: &ContainerId) -> Option<u32> {
        let mut silent_until = self.silent_until.lock().unwrap_or_else(PoisonError::into_inner);
        if silent_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let inspected = self.inspect(&container_name(container.as_str()));
        *silent_until = inspected.as_ref().is_err_and(Error::is_transient).then(|| Instant::now() + SILENCE);
        inspected.ok()?.pid
    }

    /// Returns what Docker knows about a container.
    pub(super) fn inspect(&self, name: &str) -> Result<Inspection, Error> {
        let answer = self.client.call(&Request::inspect(name), ASK)?;
        Inspection::parse(&answer.body)
    }

    /// Returns the ids of the containers that have not ended.
    pub(super) fn live_ids(&self) -> impl Iterator<Item = String> {
        let ids: Vec<String> = self.lock().keys().map(|id| id.as_str().to_owned()).collect();
        ids.into_iter()
    }

    /// Forgets a container that has ended. Returns the task that it has run.
    pub fn forget(&self, container: &ContainerId) -> Option<TaskId> {
        self.lock().remove(container)?.task
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, LiveContainer>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the limits of the process that looks after a container with these limits. The sandbox is one for both.
pub fn helper_limits(limits: &Limits) -> Limits {
    Limits { disk: limits.disk, ..HELPER }
}

fn persistent(volume: &ContainerVolume) -> PersistentVolume<'_> {
    PersistentVolume { source: &volume.source, container_path: &volume.container_path, read_only: volume.read_only }
}

/// Returns a file in memory with the description, which no name leads to.
fn input(described: &DockerLaunch) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("docker", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(described)?)?;
    file.rewind()?;
    Ok(file)
}

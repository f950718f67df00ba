//! Starts an agent from its options.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ::agent::{Agent, ContainerExit, Input, Metrics, Outbox, RecoveredState, Recovery};
use containerizer::{Recovered, SealedProgram};
use election::Detector;
use model::{ContainerId, Upid};
use views::agent::{StaticInfo, View};

use super::app::AgentApp;
use super::containers::{ContainerizerName, Containers, RecoveredContainer, recovered_nested};
use super::deliveries::Deliveries;
use super::detector::follow;
use super::docker::{DockerContainerizer, is_docker};
use super::endpoints::PROCESS;
use super::host::AgentHost;
use super::images::Images;
use super::launch::Settings;
use super::logger::rotated_outputs;
use super::networks::network_infos;
use super::options::{AgentOptions, ExecutorProgram};
use super::publisher::Publisher;
use super::store;
use super::unacknowledged_updates;
use super::worker::Worker;
use crate::Error;
use edge::core_thread::{Clock, Inbox, InboxItem};
use edge::endpoints::common::Common;
use edge::endpoints::files::Files;
use edge::endpoints::logging::Logging;
use edge::endpoints::metrics;
use edge::libprocess::message::Dropped;
use edge::readers::singleflight::Singleflight;
use edge::start::{Listen, bind, end_channel, launch, runtime, seed};
use edge::{Ended, Running};

/// Binds the address, recovers the agent, starts the containerizer, and serves. It has to be called inside a tokio
/// runtime, which then carries the connections.
///
/// # Errors
/// Returns [`Error`] if the address, the containerizer or the records are not available, or the recovered state is
/// incompatible.
pub fn start(options: AgentOptions) -> Result<Running, Error> {
    let runtime = runtime()?;
    let AgentOptions { ip, port, advertise_ip, advertise_port, sender_check, mut config, .. } = options;
    let detector = Detector::of(&options.master, options.zk_session_timeout)?;
    directory(&config.work_dir)?;
    directory(&options.containerizer.runtime_dir)?;
    let bound = bind(&Listen { ip, port, advertise_ip, advertise_port, sender_check })?;
    config.pid = Upid::new(PROCESS, bound.advertised);
    let work_dir = config.work_dir.clone();

    let inbox = Inbox::new();
    let is_own = options.executor.is_none();
    let executor = executor_program(options.executor)?;
    let sealed = SealedProgram::relocated_copy_of(&executor.path, &executor.argv);
    let sealed = sealed.map_err(|source| Error::Executor { path: executor.path, source })?;
    // Another program need not be a template.
    let sealed = if is_own { sealed.with_template(&executor.argv) } else { sealed };
    let settings = Arc::new(Settings {
        executor: Arc::new(sealed),
        init_argv: executor.argv.iter().take(1).cloned().chain(["container-init".to_owned()]).collect(),
        launcher_argv: executor.argv.iter().take(1).cloned().chain(["container-launch".to_owned()]).collect(),
        default_executor_argv: executor.argv.iter().take(1).cloned().chain(["default-executor".to_owned()]).collect(),
        executor_argv: executor.argv,
        container_logger: options.container_logger,
        fetch: options.fetch,
        revocable_cpu_low_priority: options.revocable_cpu_low_priority,
    });
    let clock = Clock::start();
    let opened = store::open(&work_dir, options.strict)?;
    for (container, pid) in &opened.foreign_containers {
        if let Err(error) = containerizer::adopt(&options.containerizer.runtime_dir, container, *pid) {
            tracing::warn!(%container, pid, %error, "cannot take over a container");
        }
    }
    let sandbox_of = |id: &ContainerId| opened.recovered_state.sandbox(&work_dir, id);
    // Returns the rotation of a container's outputs, for containers whose runtime directory was lost.
    let outputs_of = |id: &ContainerId| {
        let sandbox = sandbox_of(id)?;
        let command = opened.recovered_state.executor_info(id).and_then(|info| info.command.as_deref());
        let environment = command.and_then(|command| command.environment.as_deref());
        // The launch of a container with invalid bounds was refused, so the bounds are valid.
        let bounds = settings.container_logger.of_container(environment).ok()?;
        Some((id.clone(), rotated_outputs(&sandbox, bounds)))
    };
    let containerizer_config = containerizer::Config {
        work_dir: Some(work_dir.clone()),
        expected: opened.recovered_state.containers().cloned().collect(),
        outputs: opened.recovered_state.containers().filter_map(outputs_of).collect(),
        ..options.containerizer
    };
    let worker = Worker::start("containers").map_err(edge::Error::Thread)?;
    let images = Arc::new(Images::new(options.images, &work_dir));
    let docker = options.docker.map(|docker| Arc::new(DockerContainerizer::new(docker, settings.clone(), &work_dir)));
    let is_at_docker = |id: &ContainerId| {
        is_docker(opened.recovered_state.executor_info(id).and_then(|info| info.container.as_deref()))
    };
    let containerizer_of =
        |id: &ContainerId| if is_at_docker(id) { ContainerizerName::Docker } else { ContainerizerName::Mesos };
    let (containers, recovered) = Containers::start(
        containerizer_config,
        settings,
        images.clone(),
        runtime.clone(),
        inbox.clone(),
        worker,
        options.containerizers,
        docker.clone(),
        |id| RecoveredContainer {
            sandbox: sandbox_of(id),
            containerizer: containerizer_of(id),
            task: opened.recovered_state.command_task(id),
        },
    )
    .map_err(|error| Error::Containerizer(error.to_string()))?;
    if let Some(container) = &config.default_container_info {
        containers.check_default(container).map_err(Error::DefaultContainerInfo)?;
    }
    let at_docker: BTreeMap<String, docker::Known> = opened
        .recovered_state
        .containers()
        .filter(|id| is_at_docker(id))
        .map(|id| {
            let is_alive = recovered.alive.iter().any(|(alive, _)| alive == id);
            (id.as_str().to_owned(), if is_alive { docker::Known::Alive } else { docker::Known::Ended })
        })
        .collect();

    let facts = StaticInfo {
        build: options.build.clone(),
        pid: config.pid.clone(),
        started: clock.now().wall,
        flags: options.flags.iter().cloned().collect(),
        capabilities: config.capabilities.iter().map(|capability| *capability as i32).collect(),
        limits: options.history,
    };
    let publisher = Publisher::new(View::new(facts));
    let core_metrics = Arc::new(Metrics::default());
    config.boot_id = boot_id();
    let mut core = Agent::new(config, seed()?, core_metrics.clone());
    let mut outbox = Outbox::default();
    let recovered_state = opened.recovered_state.clone();
    let found = Recovery {
        ended: ended(&recovered_state, &recovered, &work_dir, docker.as_deref()),
        nested: recovered.described.iter().map(recovered_nested).collect(),
        alive: recovered.alive.into_iter().collect(),
        networks: recovered.networks.iter().map(|(id, joined)| (id.clone(), network_infos(joined))).collect(),
        recovered_state: recovered_state.clone(),
        sandboxes: store::sandboxes(&work_dir),
        errors: opened.errors,
    };
    core.recover(clock.now(), found, &mut outbox).map_err(|incompatible| Error::Recovery {
        reason: incompatible.to_string(),
        records: state_paths(&work_dir),
    })?;
    core.start(clock.now(), &mut outbox);
    let (ended, end) = end_channel();
    let core_inbox = inbox.clone();
    let stored = move |input| core_inbox.send_control(InboxItem::Input(input));
    let singleflight = Singleflight::new(runtime.clone()).map_err(edge::Error::Thread)?;
    let host = AgentHost {
        core,
        store: opened.write(recovered_state, stored)?,
        publisher: publisher.clone(),
        containers: containers.clone(),
        work_dir,
        remover: Worker::start("sandbox-gc").map_err(edge::Error::Thread)?,
        runtime,
        inbox: inbox.clone(),
        ended,
        end: Ended::default(),
        outbox,
        changes: Vec::new(),
        deliveries: Deliveries::default(),
    };
    let app = Arc::new(AgentApp {
        inbox: inbox.clone(),
        dropped: Dropped::default(),
        heartbeat_interval: options.http_heartbeat_interval,
        common: Common {
            files: Arc::new(files(options.log_file, publisher.clone())),
            logging: Logging::new(options.set_log_level),
            metrics_limit: metrics::rate_limit(),
            build: options.build,
            flags: options.flags,
            started: Instant::now(),
        },
        publisher,
        containers,
        core_metrics,
        singleflight,
        statistics_limit: metrics::rate_limit(),
    });
    let running = launch("agent-core", bound, clock, host, inbox.clone(), app, end)?;
    tokio::spawn(follow(detector, inbox.clone(), running.ended()));
    tokio::spawn(images.collect_garbage(running.ended()));
    if let Some(docker) = docker {
        tokio::spawn(docker.clean_up(at_docker));
    }
    Ok(running.with_unregister(Arc::new(move || inbox.send_control(InboxItem::Input(Input::Unregister)))))
}

fn directory(path: &Path) -> Result<(), Error> {
    Ok(std::fs::create_dir_all(path).map_err(|source| edge::Error::Directory { path: path.to_owned(), source })?)
}

/// Returns the paths that hold the identity of the agent. Without its own records it would import those of a Mesos
/// agent again.
fn state_paths(work_dir: &Path) -> String {
    let (records, imported) = (work_dir.join("records"), work_dir.join("meta/slaves/latest"));
    match imported.symlink_metadata() {
        Ok(_) => format!("{} {}", records.display(), imported.display()),
        Err(_) => records.display().to_string(),
    }
}

/// Returns the exits of the containers that ended while no agent ran.
fn ended(
    recovered_state: &RecoveredState,
    recovered: &Recovered,
    work_dir: &Path,
    docker: Option<&DockerContainerizer>,
) -> BTreeMap<ContainerId, ContainerExit> {
    let alive: BTreeSet<&ContainerId> = recovered.alive.iter().map(|(id, _)| id).collect();
    let statuses: BTreeMap<&ContainerId, i32> = recovered.ended.iter().map(|(id, status)| (id, *status)).collect();
    let last_updates = |id: &ContainerId| {
        let sandbox = recovered_state.sandbox(work_dir, id);
        let kept = sandbox.map(|path| unacknowledged_updates::read(&path)).unwrap_or_default();
        let info = recovered_state.executor_info(id).and_then(|info| info.container.as_deref());
        match docker.filter(|_| kept.is_empty() && is_docker(info)).zip(recovered_state.command_task(id)) {
            Some((docker, task)) => docker.status_of_ended(id, &task).into_iter().collect(),
            None => kept,
        }
    };
    let exit = |id: &ContainerId| ContainerExit {
        status: statuses.get(id).copied(),
        limitation: None,
        last_updates: last_updates(id),
    };
    recovered_state.containers().filter(|id| !alive.contains(id)).map(|id| (id.clone(), exit(id))).collect()
}

/// Returns the id of this boot of the machine (random(4)).
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

fn executor_program(given: Option<ExecutorProgram>) -> Result<ExecutorProgram, Error> {
    match given {
        Some(program) => Ok(program),
        None => {
            let path = std::env::current_exe();
            let path = path.map_err(|source| Error::Executor { path: "/proc/self/exe".into(), source })?;
            Ok(ExecutorProgram { path, argv: vec!["tepui".to_owned(), "executor".to_owned()] })
        }
    }
}

fn files(log: Option<std::path::PathBuf>, publisher: Arc<Publisher>) -> Files {
    let attached = log.map(|file| ("/slave/log".to_owned(), file)).into_iter().collect();
    let views = publisher.clone();
    let resolve = Arc::new(move |path: &str| views.snapshot().resolve(path));
    Files::new(attached, resolve, Arc::new(move || publisher.snapshot().sandboxes()))
}

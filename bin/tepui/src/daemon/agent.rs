//! `tepui agent`: translates flags into options.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use agent::{ReconfigurationPolicy, Recover};
use agent_server::{AgentOptions, ContainerizerName, DockerOptions, ImageGcConfig, ImageOptions, start};
use containerizer::Launcher;
use flags::{
    AgentFlags, BackendName, ExecutorContainerizer, Json, LauncherName, Parsed, ReconfigurationName, RecoverName,
};
use messages::v1;
use messages::v1::agent_info::capability::Type as Capability;
use model::Upid;
use provisioner::{Backend, Credentials, RegistrySettings};

use super::agent_gpus;
use super::agent_isolation;
use super::agent_networks;
use super::agent_resources;
use super::common::{domain, hostname, ip, sender_check, serve, until_end};
use super::container_logger::container_logger;
use super::oversubscription::{self, Modules};
use super::parent_death::end_with_parent;
use crate::commands::{CommandError, fail};
use crate::logging;
use crate::mesos_flags::parse_or_exit;

/// Runs an agent until it ends.
pub fn agent(arguments: Vec<OsString>) -> ExitCode {
    let parsed = match parse_or_exit::<AgentFlags>(arguments) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    if let Err(failure) = end_with_parent() {
        return fail(&failure);
    }
    let log = match logging::init(&parsed.flags.logging, &parsed.warnings, "mesos-agent") {
        Ok(log) => log,
        Err(failure) => return fail(&failure),
    };
    serve(async {
        let running = start(AgentOptions { log_file: log, ..options(&parsed)? })?;
        tracing::info!("agent listens on {}", running.address);
        Ok(until_end(running).await)
    })
}

/// Returns the options with which an agent is started. Looks up addresses, names and resources of this machine, and
/// changes nothing; only with `gpu/nvidia`, it copies files of the driver into the runtime directory.
///
/// # Errors
///
/// Fails with a sentence that names the flag and says what it accepts.
pub(super) fn options(parsed: &Parsed<AgentFlags>) -> Result<AgentOptions, CommandError> {
    let flags = &parsed.flags;
    let work_dir = absolute(&flags.work_dir)?;
    let ip = ip(&flags.address)?;
    let default_role = &flags.default_role;
    resources::roles::validate(default_role)
        .map_err(|error| CommandError::message(format!("--default_role={default_role}: {error}")))?;
    let mut resources = agent_resources::complete(flags.resources.as_deref(), default_role, &work_dir)?;
    let gpus = agent_gpus::gpus(flags)?;
    if let Some(gpus) = gpus.as_ref().filter(|gpus| gpus.is_discovered) {
        resources += &agent_resources::gpus(gpus.minors.len(), default_role);
    }
    let pid = Upid::new("slave(1)", std::net::SocketAddrV4::new(ip, flags.port));
    let mut config = agent::Config::new(pid, hostname(&flags.address, ip), work_dir, resources);
    let modules = Modules::parse(flags.modules.as_ref().map(|Json(text)| text.as_str()))?;
    core_config(flags, &modules, &mut config)?;

    let mut options = AgentOptions::new(ip, flags.port, &flags.master, config);
    options.advertise_ip = flags.address.advertise_ip;
    options.advertise_port = flags.address.advertise_port;
    options.sender_check = sender_check()?;
    options.strict = flags.strict;
    options.http_heartbeat_interval = flags.http_heartbeat_interval;
    options.zk_session_timeout = flags.zk_session_timeout;
    options.revocable_cpu_low_priority = flags.revocable_cpu_low_priority;
    options.fetch.frameworks_home = flags.frameworks_home.clone().filter(|path| !path.as_os_str().is_empty());
    options.fetch.stall_timeout = flags.fetcher_stall_timeout;
    options.fetch.cache_dir = Some(flags.fetcher_cache_dir.clone());
    options.fetch.cache_size = flags.fetcher_cache_size.0;
    options.fetch.hadoop_home = flags.hadoop_home.clone().filter(|path| !path.as_os_str().is_empty());
    options.fetch.host_settings = host_settings(flags.fetcher_host_settings.as_deref())?;
    options.container_logger = container_logger(flags.container_logger.as_deref(), &modules)?;
    options.history.completed_executors_per_framework = flags.max_completed_executors_per_framework;
    containers(flags, &mut options.containerizer)?;
    let agent_resources = options.config.resources.to_proto();
    agent_networks::configure(flags, &options.config.work_dir.clone(), &agent_resources, &mut options.containerizer)?;
    options.images = images(flags)?;
    options.containerizers = flags.containerizers.0.iter().map(containerizer).collect();
    // The flags are checked in any case.
    let docker = docker(flags, &options.images)?;
    if options.containerizers.contains(&ContainerizerName::Docker) {
        options.docker = Some(docker);
    }
    if let Some(gpus) = gpus {
        options.containerizer.gpu.driver_volume = Some(gpus.fill_volume(&options.containerizer.runtime_dir)?);
        options.containerizer.gpu.minors = gpus.minors;
        options.images.has_nvidia_driver = true;
    }
    options.flags = parsed.listing.clone().into_iter().collect();
    show_chosen(&mut options);
    Ok(options)
}

fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path)
        .map_err(|source| CommandError::Io { doing: format!("resolve --work_dir={}", path.display()), source })
}

fn core_config(flags: &AgentFlags, modules: &Modules, config: &mut agent::Config) -> Result<(), CommandError> {
    if let Some(text) = &flags.attributes {
        config.attributes = resources::attributes::parse(text).map_err(|error| {
            CommandError::message(format!("--attributes: {error}; expected e.g. rack:abc;level:10"))
        })?;
    }
    config.domain = domain(&flags.address)?;
    config.default_container_info = default_container_info(flags.default_container_info.as_ref())?;
    config.switch_user = flags.switch_user;
    config.cgroups_enable_cfs = flags.cgroups_enable_cfs;
    config.executor_registration_timeout = flags.executor_registration_timeout;
    config.executor_reregistration_timeout = flags.executor_reregistration_timeout;
    config.executor_reregistration_retry_interval = flags.executor_reregistration_retry_interval;
    config.executor_shutdown_grace_period = flags.executor_shutdown_grace_period;
    config.recovery_timeout = flags.recovery_timeout;
    config.registration_backoff_factor = flags.registration_backoff_factor;
    config.gc_delay = flags.gc_delay;
    config.gc_non_executor_container_sandboxes = flags.gc_non_executor_container_sandboxes;
    config.gc_disk_headroom = flags.gc_disk_headroom;
    config.disk_watch_interval = flags.disk_watch_interval;
    config.oversubscribed_resources_interval = flags.oversubscribed_resources_interval;
    config.qos_correction_interval_min = flags.qos_correction_interval_min;
    config.estimator = oversubscription::estimator(flags.resource_estimator.as_deref(), modules, &flags.default_role)?;
    config.qos = oversubscription::qos_controller(flags.qos_controller.as_deref(), modules)?;
    config.recover = match flags.recover {
        RecoverName::Reconnect => Recover::Reconnect,
        RecoverName::Cleanup => Recover::Cleanup,
    };
    config.reconfiguration_policy = match flags.reconfiguration_policy {
        ReconfigurationName::Equal => ReconfigurationPolicy::Equal,
        ReconfigurationName::Additive => ReconfigurationPolicy::Additive,
        ReconfigurationName::Any => ReconfigurationPolicy::Any,
    };
    if let Some(Json(text)) = &flags.agent_features {
        config.capabilities = capabilities(text)?;
    }
    if let Some(Json(text)) = &flags.executor_environment_variables {
        config.executor_environment_variables = variables(text)?;
    }
    Ok(())
}

/// Reads a `SlaveCapabilities` in JSON. As in Mesos 1.11, only the capability to resize volumes may be left out.
fn capabilities(text: &str) -> Result<Vec<Capability>, CommandError> {
    const REQUIRED: [Capability; 7] = [
        Capability::MultiRole,
        Capability::HierarchicalRole,
        Capability::ReservationRefinement,
        Capability::AgentOperationFeedback,
        Capability::ResourceProvider,
        Capability::AgentDraining,
        Capability::TaskResourceLimits,
    ];
    let wanted =
        || CommandError::message("--agent_features must be a JSON object with `capabilities`, each with a `type`");
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wanted())?;
    let list = value["capabilities"].as_array().ok_or_else(wanted)?;
    let kind = |capability: &serde_json::Value| Capability::from_str_name(capability["type"].as_str()?);
    let given: Vec<Capability> = list.iter().map(kind).collect::<Option<_>>().ok_or_else(wanted)?;
    if REQUIRED.iter().all(|required| given.contains(required)) {
        return Ok(given);
    }
    let names: Vec<&str> = REQUIRED.iter().map(Capability::as_str_name).collect();
    Err(CommandError::message(format!(
        "--agent_features: at least the following agent features need to be enabled: {}",
        names.join(", ")
    )))
}

/// Reads a JSON object of strings.
fn variables(text: &str) -> Result<Vec<(String, String)>, CommandError> {
    let wanted = || {
        CommandError::message(
            "--executor_environment_variables must be a JSON object of strings, e.g. {\"PATH\":\"/bin\"}",
        )
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wanted())?;
    let object = value.as_object().ok_or_else(wanted)?;
    let pair = |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_str()?.to_owned()));
    object.iter().map(pair).collect::<Option<_>>().ok_or_else(wanted)
}

fn containers(flags: &AgentFlags, config: &mut containerizer::Config) -> Result<(), CommandError> {
    config.launcher = match flags.launcher {
        None => Launcher::Auto,
        Some(LauncherName::Linux) => Launcher::Linux,
        Some(LauncherName::Posix) => Launcher::Posix,
    };
    // Without --isolation, everything is enabled that this machine and user allow.
    let isolation = flags.isolation.as_ref().map(|list| list.0.clone());
    config.rootless_images = !rustix::process::geteuid().is_root()
        && isolation.as_ref().is_none_or(|names| names.iter().any(|name| name.trim() == "docker/runtime"))
        && std::env::current_exe().is_ok_and(|program| executor::has_rootless_images(&program));
    config.isolation = isolation.unwrap_or_else(|| default_isolation(config.launcher, config.rootless_images));
    image_providers(flags.image_providers.as_deref(), &mut config.isolation)?;
    config.cgroups_hierarchy.clone_from(&flags.cgroups_hierarchy);
    config.cgroups_root = cgroups_root(&flags.cgroups_root)?;
    config.cgroups_enable_cfs = flags.cgroups_enable_cfs;
    config.cgroups_limit_swap = flags.cgroups_limit_swap;
    config.destroy_timeout = flags.cgroups_destroy_timeout;
    agent_isolation::configure(flags, config)?;
    // The default path needs root. Without root the path below the work directory is used.
    if let Some(path) = &flags.runtime_dir {
        config.runtime_dir.clone_from(path);
    } else if rustix::process::geteuid().is_root() {
        config.runtime_dir = PathBuf::from("/var/run/mesos");
    }
    Ok(())
}

/// Reads a `ContainerInfo` in JSON. Whether this agent carries its fields out is checked when the isolators are known.
fn default_container_info(given: Option<&Json>) -> Result<Option<Box<v1::ContainerInfo>>, CommandError> {
    let Some(Json(text)) = given else { return Ok(None) };
    let refused = |problem: String| CommandError::message(format!("--default_container_info: {problem}"));
    let container: v1::ContainerInfo =
        wire::decode_as(wire::ContentType::Json, text.as_bytes(), &wire::Limits::default())
            .map_err(|error| refused(error.to_string()))?;
    if container.r#type() != v1::container_info::Type::Mesos {
        return Err(refused("'type' must be MESOS: containers of Docker are described by their tasks".to_owned()));
    }
    Ok(Some(Box::new(container)))
}

/// Removes `docker/runtime` from the isolators if `--image_providers` is set and does not name Docker. Without the
/// flag, containers can have images.
fn image_providers(providers: Option<&str>, isolation: &mut Vec<String>) -> Result<(), CommandError> {
    let Some(providers) = providers else { return Ok(()) };
    let names: Vec<String> = providers.split(',').map(|name| name.trim().to_lowercase()).collect();
    let unknown = names.iter().find(|name| !matches!(name.as_str(), "docker" | ""));
    if let Some(unknown) = unknown {
        return Err(CommandError::message(format!(
            "--image_providers={providers}: expected DOCKER, which includes OCI images, not '{unknown}'"
        )));
    }
    if !names.iter().any(|name| name == "docker") {
        isolation.retain(|name| name != "docker/runtime");
    }
    Ok(())
}

/// Checks the file of headers and credentials for hosts, which the agent reads again for each download.
fn host_settings(path: Option<&Path>) -> Result<Option<PathBuf>, CommandError> {
    let Some(path) = path else { return Ok(None) };
    let failed = |error: &dyn std::fmt::Display| CommandError::message(format!("--fetcher_host_settings: {error}"));
    let absolute = std::path::absolute(path).map_err(|error| failed(&error))?;
    fetcher::HostSettings::read(&absolute).map_err(|error| failed(&error))?;
    let mode = std::fs::metadata(&absolute).map_err(|error| failed(&error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = absolute.display();
        tracing::warn!("other users of this machine can read the credentials in '{path}': chmod 600 it");
    }
    Ok(Some(absolute))
}

/// Returns the settings for images.
fn images(flags: &AgentFlags) -> Result<ImageOptions, CommandError> {
    let mut options = ImageOptions { store: flags.docker_store_dir.clone(), ..ImageOptions::default() };
    let registry = &flags.docker_registry;
    if registry.starts_with('/') {
        options.archives = Some(PathBuf::from(registry));
    } else if registry.starts_with("hdfs://") {
        return Err(CommandError::message(format!(
            "--docker_registry={registry}: archives in HDFS are not supported; expected the URL of a registry, or the path of a directory with archives"
        )));
    } else {
        options.registry.default_registry.clone_from(registry);
        options.registry.validate().map_err(|error| CommandError::message(format!("--docker_registry: {error}")))?;
    }
    if let Some(path) = &flags.image_registry_settings {
        RegistrySettings::read(path)
            .and_then(|settings| settings.apply(&mut options.registry, &mut options.signatures))
            .map_err(|error| CommandError::message(format!("--image_registry_settings: {error}")))?;
    }
    options.ignore_runtime = flags.docker_ignore_runtime;
    options.backend = match flags.image_provisioner_backend {
        None | Some(BackendName::Overlay) => Backend::Overlay,
        Some(BackendName::Copy) => Backend::Copy,
    };
    if let Some(Json(text)) = &flags.image_gc_config {
        let config = ImageGcConfig::parse(text);
        options.gc = Some(config.map_err(|error| CommandError::message(format!("--image_gc_config: {error}")))?);
    }
    options.sandbox_directory.clone_from(&flags.sandbox_directory);
    if let Some(Json(text)) = &flags.docker_config {
        let credentials = Credentials::parse(text, "--docker_config");
        options.credentials = credentials.map_err(|error| CommandError::message(error.to_string()))?;
    }
    Ok(options)
}

fn containerizer(name: &ExecutorContainerizer) -> ContainerizerName {
    match name {
        ExecutorContainerizer::Mesos => ContainerizerName::Mesos,
        ExecutorContainerizer::Docker => ContainerizerName::Docker,
    }
}

/// Returns the settings of the Docker containerizer.
fn docker(flags: &AgentFlags, images: &ImageOptions) -> Result<DockerOptions, CommandError> {
    let socket = flags.docker_socket.parse();
    let dns = match &flags.default_container_dns {
        None => None,
        Some(Json(text)) => Some(container_dns(text)?),
    };
    Ok(DockerOptions {
        socket: socket.map_err(|error| CommandError::message(format!("--docker_socket: {error}")))?,
        stop_timeout: flags.docker_stop_timeout,
        remove_delay: flags.docker_remove_delay,
        kill_orphans: flags.docker_kill_orphans,
        credentials: images.credentials.clone(),
        sandbox_directory: flags.sandbox_directory.clone(),
        dns,
        cgroups_enable_cfs: flags.cgroups_enable_cfs,
        cgroups_limit_swap: flags.cgroups_limit_swap,
    })
}

/// Reads the part for Docker of a `ContainerDNSInfo` in JSON.
fn container_dns(text: &str) -> Result<serde_json::Value, CommandError> {
    let wanted = || {
        let example = r#"{"docker":[{"network_mode":"BRIDGE","dns":{"nameservers":["8.8.8.8"]}}]}"#;
        CommandError::message(format!("--default_container_dns: 'docker' is invalid; expected e.g. {example}"))
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wanted())?;
    let is_entry = |entry: &serde_json::Value| {
        matches!(entry["network_mode"].as_str(), Some("BRIDGE" | "USER")) && entry["dns"].is_object()
    };
    let is_valid = match value.get("docker") {
        None => true,
        Some(entries) => entries.as_array().is_some_and(|entries| entries.iter().all(is_entry)),
    };
    if is_valid { Ok(value) } else { Err(wanted()) }
}

/// Checks that the root is a path below the hierarchy, because the agent cleans up all cgroups in it.
fn cgroups_root(text: &str) -> Result<String, CommandError> {
    match Path::new(text).components().all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(text.to_owned()),
        false => Err(CommandError::message(format!(
            "--cgroups_root={text}: expected a relative path without '.' and '..', e.g. mesos"
        ))),
    }
}

/// Makes `/flags` show the values that were chosen where none were given, so that readers can tell what is missing.
fn show_chosen(options: &mut AgentOptions) {
    let config = &options.containerizer;
    let isolation = config.isolation.join(",");
    let runtime_dir = config.runtime_dir.display().to_string();
    for (name, value) in [("isolation", isolation), ("runtime_dir", runtime_dir)] {
        options.flags.retain(|(flag, _)| flag != name);
        options.flags.push((name.to_owned(), value));
    }
    options.flags.sort();
}

fn default_isolation(launcher: Launcher, rootless_images: bool) -> Vec<String> {
    let root = rustix::process::geteuid().is_root();
    let names: &[&str] = match launcher {
        Launcher::Posix => &["posix/cpu", "posix/mem", "posix/rlimits"],
        Launcher::Auto if !root => &["posix/cpu", "posix/mem", "posix/rlimits"],
        _ => &["cgroups/cpu", "cgroups/mem", "cgroups/pids", "namespaces/pid", "docker/runtime", "posix/rlimits"],
    };
    let images = (!root && rootless_images).then_some("docker/runtime");
    names.iter().copied().chain(images).map(str::to_owned).collect()
}

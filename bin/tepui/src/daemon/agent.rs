//! `tepui agent`: flags to options.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent::{ReconfigurationPolicy, Recover};
use agent_server::{AgentOptions, FetchOptions, start};
use containerizer::Launcher;
use flags::Parsed;
use messages::v1::agent_info::capability::Type as Capability;
use model::Upid;

use super::agent_resources;
use super::common::{advertised_ip, domain, hostname, ip, parse_or_exit, port, sender_check, serve, until_end};
use super::container_logger::container_logger;
use super::oversubscription::{self, Modules};
use super::parent_death::end_with_parent;
use crate::commands::{CommandError, fail};
use crate::logging;

pub fn agent(arguments: Vec<String>) -> ExitCode {
    let flags = match parse_or_exit(&flags::AGENT, arguments) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    if let Err(failure) = end_with_parent() {
        return fail(&failure);
    }
    let log = match logging::init(&flags, "mesos-agent") {
        Ok(log) => log,
        Err(failure) => return fail(&failure),
    };
    serve(async {
        let running = start(AgentOptions { log_file: log, ..options(&flags)? })?;
        tracing::info!("agent listens on {}", running.address);
        Ok(until_end(running).await)
    })
}

fn options(flags: &Parsed) -> Result<AgentOptions, CommandError> {
    let missing = |name| CommandError::message(format!("--{name} is missing; see `tepui agent --help`"));
    let master = flags.get("master").ok_or_else(|| missing("master"))?;
    let work_dir = absolute(flags.path("work_dir").ok_or_else(|| missing("work_dir"))?)?;
    let ip = ip(flags)?;
    let port_given = port(flags, "port")?.unwrap_or(5051);

    let role = flags.get("default_role").unwrap_or("*");
    let resources = agent_resources::complete(flags.get("resources"), role, &work_dir)?;
    let pid = Upid::new("slave(1)", std::net::SocketAddrV4::new(ip, port_given));
    let mut config = agent::Config::new(pid, hostname(flags, ip), work_dir, resources);
    core_config(flags, &mut config)?;

    let mut options = AgentOptions::new(ip, port_given, master, config);
    options.advertise_ip = advertised_ip(flags)?;
    options.sender_check = sender_check()?;
    options.advertise_port = port(flags, "advertise_port")?;
    options.strict = flags.bool("strict");
    options.flags = flags.listing();
    if let Some(timeout) = flags.duration("zk_session_timeout") {
        options.zk_session_timeout = timeout;
    }
    options.revocable_cpu_low_priority = flags.bool("revocable_cpu_low_priority");
    fetcher(flags, &mut options.fetch);
    options.container_logger = container_logger(flags.get("container_logger"), &Modules::parse(flags.get("modules"))?)?;
    if let Some(most) = flags.integer("max_completed_executors_per_framework") {
        options.history.completed_executors_per_framework = usize::try_from(most).unwrap_or(usize::MAX);
    }
    containers(flags, &mut options.containerizer)?;
    show_isolation(&mut options);
    Ok(options)
}

fn absolute(path: PathBuf) -> Result<PathBuf, CommandError> {
    std::path::absolute(&path)
        .map_err(|source| CommandError::Io { doing: format!("resolve --work_dir={}", path.display()), source })
}

fn core_config(flags: &Parsed, config: &mut agent::Config) -> Result<(), CommandError> {
    if let Some(text) = flags.get("attributes") {
        config.attributes =
            resources::attributes::parse(text).map_err(|e| CommandError::message(format!("--attributes: {e}")))?;
    }
    config.domain = domain(flags)?;
    config.switch_user = flags.bool("switch_user");
    config.cgroups_enable_cfs = flags.bool("cgroups_enable_cfs");
    let durations = [
        ("executor_registration_timeout", &mut config.executor_registration_timeout),
        ("executor_reregistration_timeout", &mut config.executor_reregistration_timeout),
        ("executor_shutdown_grace_period", &mut config.executor_shutdown_grace_period),
        ("recovery_timeout", &mut config.recovery_timeout),
        ("registration_backoff_factor", &mut config.registration_backoff_factor),
        ("gc_delay", &mut config.gc_delay),
        ("disk_watch_interval", &mut config.disk_watch_interval),
        ("oversubscribed_resources_interval", &mut config.oversubscribed_resources_interval),
        ("qos_correction_interval_min", &mut config.qos_correction_interval_min),
    ];
    for (name, field) in durations {
        if let Some(value) = flags.duration(name) {
            *field = value;
        }
    }
    let modules = Modules::parse(flags.get("modules"))?;
    let role = flags.get("default_role").unwrap_or("*");
    config.estimator = oversubscription::estimator(flags.get("resource_estimator"), &modules, role)?;
    config.qos = oversubscription::qos_controller(flags.get("qos_controller"), &modules)?;
    config.executor_reregistration_retry_interval = flags.duration("executor_reregistration_retry_interval");
    recovery(flags, config)?;
    if let Some(headroom) = flags.float("gc_disk_headroom") {
        config.gc_disk_headroom = headroom;
    }
    if let Some(text) = flags.get("agent_features") {
        config.capabilities = capabilities(text)?;
    }
    if let Some(text) = flags.get("executor_environment_variables") {
        config.executor_environment_variables = variables(text)?;
    }
    Ok(())
}

/// A `SlaveCapabilities` in JSON. Only volumes that change their size may be left out, as in Mesos 1.11.
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

fn recovery(flags: &Parsed, config: &mut agent::Config) -> Result<(), CommandError> {
    /// As long as Mesos allows: the agent registers only when it is over.
    const MAX_REREGISTRATION: Duration = Duration::from_secs(15);
    if config.executor_reregistration_timeout > MAX_REREGISTRATION {
        return Err(CommandError::message("Expected `--executor_reregistration_timeout` to be not more than 15secs"));
    }
    config.recover = match flags.get("recover") {
        None | Some("reconnect") => Recover::Reconnect,
        Some("cleanup") => Recover::Cleanup,
        Some(other) => return Err(CommandError::message(format!("--recover={other}: expected reconnect or cleanup"))),
    };
    config.reconfiguration_policy = match flags.get("reconfiguration_policy") {
        None | Some("equal") => ReconfigurationPolicy::Equal,
        Some("additive") => ReconfigurationPolicy::Additive,
        Some("any") => ReconfigurationPolicy::Any,
        Some(other) => {
            let expected = "expected equal, additive or any";
            return Err(CommandError::message(format!("--reconfiguration_policy={other}: {expected}")));
        }
    };
    Ok(())
}

/// A JSON object of strings.
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

fn fetcher(flags: &Parsed, options: &mut FetchOptions) {
    options.frameworks_home = flags.path("frameworks_home").filter(|path| !path.as_os_str().is_empty());
    if let Some(timeout) = flags.duration("fetcher_stall_timeout") {
        options.stall_timeout = timeout;
    }
}

fn containers(flags: &Parsed, config: &mut containerizer::Config) -> Result<(), CommandError> {
    if flags.get("containerizers") != Some("mesos") {
        return Err(CommandError::message("--containerizers: only mesos is built yet"));
    }
    config.launcher = match flags.get("launcher") {
        None => Launcher::Auto,
        Some("linux") => Launcher::Linux,
        Some("posix") => Launcher::Posix,
        Some(other) => return Err(CommandError::message(format!("--launcher={other}: expected linux or posix"))),
    };
    // Without --isolation: everything that this machine and user allow.
    let isolation = flags.get("isolation").map(|names| names.split(',').map(|n| n.trim().to_owned()).collect());
    config.isolation = isolation.unwrap_or_else(|| default_isolation(config.launcher));
    if let Some(path) = flags.path("cgroups_hierarchy") {
        config.cgroups_hierarchy = path;
    }
    if let Some(root) = flags.get("cgroups_root") {
        config.cgroups_root = root.to_owned();
    }
    config.cgroups_enable_cfs = flags.bool("cgroups_enable_cfs");
    config.cgroups_limit_swap = flags.bool("cgroups_limit_swap");
    if let Some(timeout) = flags.duration("cgroups_destroy_timeout") {
        config.destroy_timeout = timeout;
    }
    // The default is root's; without root the place below the work directory stays.
    if flags.is_set("runtime_dir") || rustix::process::geteuid().is_root() {
        config.runtime_dir = flags.path("runtime_dir").unwrap_or_else(|| config.runtime_dir.clone());
    }
    Ok(())
}

/// `/flags` says what was chosen where nothing was given, so that others can tell what is missing.
fn show_isolation(options: &mut AgentOptions) {
    let isolation = options.containerizer.isolation.join(",");
    options.flags.retain(|(name, _)| name != "isolation");
    options.flags.push(("isolation".to_owned(), isolation));
    options.flags.sort();
}

fn default_isolation(launcher: Launcher) -> Vec<String> {
    let root = rustix::process::geteuid().is_root();
    let names: &[&str] = match launcher {
        Launcher::Posix => &["posix/cpu", "posix/mem", "posix/rlimits"],
        Launcher::Auto if !root => &["posix/cpu", "posix/mem", "posix/rlimits"],
        _ => &["cgroups/cpu", "cgroups/mem", "cgroups/pids", "namespaces/pid", "posix/rlimits"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

//! `tepui master`: flags to options.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use election::MasterUrl;
use failures::Policy;
use flags::Parsed;
use master_server::{MasterOptions, RegistryBackend, SinkOptions, start};
use resources::{ResourceQuantities, Resources};

use super::agent_removal;
use super::common::{advertised_ip, domain, hostname, ip, parse_or_exit, port, sender_check, serve, until_end};
use super::parent_death::end_with_parent;
use crate::commands::{CommandError, fail};
use crate::logging;

pub fn master(arguments: Vec<String>) -> ExitCode {
    let flags = match parse_or_exit(&flags::MASTER, arguments) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    if let Err(failure) = end_with_parent() {
        return fail(&failure);
    }
    let log = match logging::init(&flags, "mesos-master") {
        Ok(log) => log,
        Err(failure) => return fail(&failure),
    };
    serve(async {
        let running = start(MasterOptions { log_file: log, ..options(&flags)? })?;
        tracing::info!("master listens on {}", running.address);
        Ok(until_end(running).await)
    })
}

fn options(flags: &Parsed) -> Result<MasterOptions, CommandError> {
    let ip = ip(flags)?;
    let mut options = MasterOptions::new(ip, port(flags, "port")?.unwrap_or(5050), hostname(flags, ip));
    options.advertise_ip = advertised_ip(flags)?;
    options.sender_check = sender_check()?;
    options.advertise_port = port(flags, "advertise_port")?;
    options.work_dir = flags.path("work_dir");
    options.flags = flags.listing();
    options.max_operator_subscribers = count(flags, "max_operator_event_stream_subscribers", 1000);
    options.history.completed_frameworks = count(flags, "max_completed_frameworks", 50);
    options.history.completed_tasks_per_framework = count(flags, "max_completed_tasks_per_framework", 1000);
    options.history.unreachable_tasks_per_framework = count(flags, "max_unreachable_tasks_per_framework", 1000);
    options.whitelist = whitelist(flags);
    let zookeeper = election(flags, &mut options)?;
    registry(flags, zookeeper, &mut options)?;

    let config = &mut options.config;
    if let Some(interval) = flags.duration("allocation_interval") {
        config.allocation_interval = interval;
    }
    config.offer_timeout = flags.duration("offer_timeout");
    config.domain = domain(flags)?;
    config.require_agent_domain = flags.bool("require_agent_domain");
    config.root_submissions = flags.bool("root_submissions");
    config.roles = flags.get("roles").map(roles).transpose()?;
    config.weights = weights(flags, config)?;
    config.max_completed_frameworks = options.history.completed_frameworks;
    config.max_unreachable_tasks_per_framework = options.history.unreachable_tasks_per_framework;
    agent_removal::apply(flags, config)?;
    config.recovery_policy = recovery_policy(flags, config)?;
    allocator(flags, config)?;
    if let Some(text) = flags.get("failure_sinks") {
        let sinks = SinkOptions::parse(text);
        options.failure_sinks = sinks.map_err(|error| CommandError::message(format!("--failure_sinks: {error}")))?;
    }
    Ok(options)
}

/// The static whitelist of roles.
fn roles(text: &str) -> Result<BTreeSet<String>, CommandError> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let valid = names.map(|name| resources::roles::validate(name).map(|()| name.to_owned()));
    valid
        .collect::<Result<_, _>>()
        .map_err(|error| CommandError::message(format!("--roles: Failed to parse roles: {error}")))
}

fn recovery_policy(flags: &Parsed, config: &master::Config) -> Result<Option<Policy>, CommandError> {
    let parse = |text| Policy::parse(text, config.agent_ping_timeout);
    let policy = flags.get("recovery_policy").map(parse).transpose();
    policy.map_err(|error| CommandError::message(format!("--recovery_policy: {error}")))
}

fn weights(flags: &Parsed, config: &master::Config) -> Result<BTreeMap<String, f64>, CommandError> {
    let tokens = flags.get("weights").unwrap_or_default().split(',').filter(|token| !token.is_empty());
    tokens.map(|token| weight(token, config)).collect()
}

fn weight(token: &str, config: &master::Config) -> Result<(String, f64), CommandError> {
    let invalid = |why: &str| CommandError::message(format!("Invalid weight: '{token}'. {why}"));
    let (role, weight) =
        token.split_once('=').ok_or_else(|| invalid("--weights should be of the form 'role=weight,role=weight'"))?;
    if !config.role_allowed(role) {
        return Err(invalid(&format!("{role} is not a valid role")));
    }
    resources::roles::validate(role).map_err(|error| invalid(&error.to_string()))?;
    let weight = weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight > 0.0);
    Ok((role.to_owned(), weight.ok_or_else(|| invalid("Weights must be positive"))?))
}

fn count(flags: &Parsed, name: &str, default: usize) -> usize {
    flags.integer(name).and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
}

/// `--zk`. `--quorum` is accepted and means nothing: ZooKeeper knows its own.
fn election(flags: &Parsed, options: &mut MasterOptions) -> Result<Option<RegistryBackend>, CommandError> {
    let Some(text) = flags.get("zk") else { return Ok(None) };
    let session_timeout = flags.duration("zk_session_timeout").unwrap_or(Duration::from_secs(10));
    if session_timeout.is_zero() {
        return Err(CommandError::message("Expected `--zk_session_timeout` to be more than 0"));
    }
    let url = match MasterUrl::read(text)
        .map_err(|error| CommandError::message(format!("--zk: {}", with_source(&error))))?
    {
        MasterUrl::ZooKeeper(url) => url,
        MasterUrl::Standalone(_) => return Err(CommandError::message("--zk: expected zk://host:port,host:port/path")),
    };
    options.election = Some(election::ZooKeeper::new(url.clone(), session_timeout));
    // The very program that runs, even if another one has been installed under its name since.
    options.node_cleanup = Some(PathBuf::from("/proc/self/exe"));
    Ok(Some(RegistryBackend::ZooKeeper { url, session_timeout }))
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn registry(
    flags: &Parsed,
    zookeeper: Option<RegistryBackend>,
    options: &mut MasterOptions,
) -> Result<(), CommandError> {
    let default = if options.work_dir.is_some() { RegistryBackend::Embedded } else { RegistryBackend::InMemory };
    options.registry = match (flags.get("registry"), zookeeper) {
        (None | Some("zookeeper"), Some(place)) => place,
        (Some("replicated_log"), Some(place)) => {
            tracing::warn!("--registry=replicated_log means zookeeper: records below --zk instead of Mesos' log");
            place
        }
        // Each master would have a registry of its own, and agents would be forgotten with every new leader.
        (Some("embedded"), Some(_)) => {
            return Err(CommandError::message(
                "--registry=embedded is for a master that is alone: with --zk use zookeeper",
            ));
        }
        (Some("zookeeper"), None) => return Err(CommandError::message("--registry=zookeeper needs --zk")),
        (given, _) => standalone_registry(given, default)?,
    };
    timeouts(flags, options);
    Ok(())
}

fn standalone_registry(given: Option<&str>, default: RegistryBackend) -> Result<RegistryBackend, CommandError> {
    Ok(match given {
        None => default,
        Some("in_memory") => RegistryBackend::InMemory,
        Some("embedded") => RegistryBackend::Embedded,
        Some("replicated_log") => {
            tracing::warn!("--registry=replicated_log means embedded: one file in --work_dir instead of Mesos' log");
            RegistryBackend::Embedded
        }
        Some(other) => {
            return Err(CommandError::message(format!(
                "--registry={other}: expected embedded, zookeeper, in_memory or replicated_log"
            )));
        }
    })
}

fn timeouts(flags: &Parsed, options: &mut MasterOptions) {
    for (name, field) in [
        ("registry_fetch_timeout", &mut options.registry_fetch_timeout),
        ("registry_store_timeout", &mut options.registry_store_timeout),
    ] {
        if let Some(value) = flags.duration(name) {
            *field = value;
        }
    }
}

/// `*` is an old way to say that there is none.
fn whitelist(flags: &Parsed) -> Option<PathBuf> {
    let text = flags.get("whitelist").filter(|text| *text != "*")?;
    Some(PathBuf::from(text.strip_prefix("file://").unwrap_or(text)))
}

fn allocator(flags: &Parsed, config: &mut master::Config) -> Result<(), CommandError> {
    for (name, sorter) in [
        ("role_sorter", &mut config.allocator.role_sorter),
        ("framework_sorter", &mut config.allocator.framework_sorter),
    ] {
        if let Some(text) = flags.get(name) {
            *sorter = text.parse().map_err(|reason| CommandError::message(format!("--{name}={text}: {reason}")))?;
        }
    }
    if let Some(factor) = flags.float("allocator_agent_recovery_factor") {
        config.allocator.agent_recovery_factor = factor;
    }
    if let Some(timeout) = flags.duration("allocator_recovery_timeout") {
        config.allocator.recovery_timeout = timeout;
    }
    if let Some(bytes) = flags.bytes("offer_constraints_re2_max_mem") {
        config.offer_constraints_limits.max_mem = bytes;
    }
    config.offer_constraints_limits.max_program_size = count(flags, "offer_constraints_re2_max_program_size", 100);
    config.allocator.filter_gpu_resources = flags.bool("filter_gpu_resources");
    if let Some(names) = flags.get("fair_sharing_excluded_resource_names") {
        config.allocator.excluded_resource_names = names.split(',').map(resources::Name::new).collect();
    }
    if let Some(text) = flags.get("min_allocatable_resources") {
        let parse = |part: &str| {
            minimum(part).map_err(|why| CommandError::message(format!("--min_allocatable_resources: {why}")))
        };
        let parts = text.split('|').filter(|p| !p.is_empty()).map(parse);
        config.allocator.min_allocatable = parts.collect::<Result<_, _>>()?;
    }
    Ok(())
}

/// Amounts of scalars, as Mesos has it: with a range or set the whole minimum would mean nothing.
fn minimum(text: &str) -> Result<ResourceQuantities, String> {
    let resources = Resources::parse(text, "*").map_err(|error| error.to_string())?;
    match resources.iter().find(|resource| resource.value().as_scalar().is_none()) {
        Some(other) => Err(format!("'{text}': {} is no scalar, and only scalars can be required", other.name())),
        None => Ok(resources.quantities()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_checked() {
        let told = |text: &str| roles(text).map_err(|failure| failure.to_string());
        assert_eq!(told("dev, eng/web,").unwrap(), BTreeSet::from(["dev".to_owned(), "eng/web".to_owned()]));
        assert_eq!(told("").unwrap(), BTreeSet::new());
        for wrong in ["a//b", ".", "a,-b", "a b"] {
            assert!(told(wrong).unwrap_err().contains("--roles: Failed to parse roles"), "{wrong}");
        }
    }

    #[test]
    fn minimums_are_scalars() {
        assert_eq!(minimum("cpus:1;mem:2").unwrap().len(), 2);
        assert!(minimum("ports:[1-2]").unwrap_err().contains("ports is no scalar"));
        assert!(minimum("cpus").is_err());
    }
}

//! `tepui master`: translates flags into options.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allocator::Sorter;
use election::MasterUrl;
use failures::Policy;
use flags::{Json, JsonOrOff, List, MasterFlags, Parsed, RegistryName, SorterName, WatchedFile};
use master_server::{MasterOptions, RegistryBackend, SinkOptions, start};
use model::with_sources;
use resources::{ResourceQuantities, Resources};

use super::common::{domain, hostname, ip, sender_check, serve, until_end};
use super::parent_death::end_with_parent;
use crate::commands::{CommandError, fail};
use crate::logging;
use crate::mesos_flags::parse_or_exit;

/// Runs a master until it ends.
pub fn master(arguments: Vec<OsString>) -> ExitCode {
    let parsed = match parse_or_exit::<MasterFlags>(arguments) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    if let Err(failure) = end_with_parent() {
        return fail(&failure);
    }
    let log = match logging::init(&parsed.flags.logging, &parsed.warnings, "mesos-master") {
        Ok(log) => log,
        Err(failure) => return fail(&failure),
    };
    serve(async {
        let running = start(MasterOptions { log_file: log, ..options(&parsed)? })?;
        tracing::info!("master listens on {}", running.address);
        Ok(until_end(running).await)
    })
}

/// Returns the options with which a master is started. Looks up addresses and names, and changes nothing.
///
/// # Errors
///
/// Fails with a sentence that names the flag and says what it accepts.
pub(super) fn options(parsed: &Parsed<MasterFlags>) -> Result<MasterOptions, CommandError> {
    let flags = &parsed.flags;
    let ip = ip(&flags.address)?;
    let mut options = MasterOptions::new(ip, flags.port, hostname(&flags.address, ip));
    options.advertise_ip = flags.address.advertise_ip;
    options.sender_check = sender_check()?;
    options.advertise_port = flags.address.advertise_port;
    options.work_dir.clone_from(&flags.work_dir);
    options.flags = parsed.listing.clone().into_iter().collect();
    options.max_operator_subscribers = flags.max_operator_event_stream_subscribers;
    options.publish_per_framework_metrics = flags.publish_per_framework_metrics;
    options.history.completed_frameworks = flags.max_completed_frameworks;
    options.history.completed_tasks_per_framework = flags.max_completed_tasks_per_framework;
    options.history.unreachable_tasks_per_framework = flags.max_unreachable_tasks_per_framework;
    options.whitelist = whitelist(flags);
    options.registry_fetch_timeout = flags.registry_fetch_timeout;
    options.registry_store_timeout = flags.registry_store_timeout;
    let zookeeper = election(flags, &mut options)?;
    options.registry = registry(flags.registry, zookeeper, options.work_dir.as_deref())?;

    let config = &mut options.config;
    config.allocation_interval = flags.allocation_interval;
    config.offer_timeout = flags.offer_timeout;
    config.domain = domain(&flags.address)?;
    config.require_agent_domain = flags.require_agent_domain;
    config.root_submissions = flags.root_submissions;
    config.roles = flags.roles.as_ref().map(roles).transpose()?;
    config.weights = weights(flags, config)?;
    config.max_completed_frameworks = flags.max_completed_frameworks;
    config.max_unreachable_tasks_per_framework = flags.max_unreachable_tasks_per_framework;
    config.offer_constraints_limits.max_mem = flags.offer_constraints_re2_max_mem.0;
    config.offer_constraints_limits.max_program_size = flags.offer_constraints_re2_max_program_size;
    agent_removal(flags, config);
    config.recovery_policy = recovery_policy(flags)?;
    allocator(flags, &mut config.allocator)?;
    if let Some(Json(text)) = &flags.failure_sinks {
        let sinks = SinkOptions::parse(text);
        options.failure_sinks = sinks.map_err(|error| CommandError::message(format!("--failure_sinks: {error}")))?;
    }
    Ok(options)
}

/// Sets when agents are marked unreachable, and how many at a time.
fn agent_removal(flags: &MasterFlags, config: &mut master::Config) {
    config.agent_ping_timeout = flags.agent_ping_timeout;
    config.max_agent_ping_timeouts = flags.max_agent_ping_timeouts;
    config.agent_reregister_timeout = flags.agent_reregister_timeout;
    config.agent_removal_interval = flags.agent_removal_rate_limit.map(|rate| rate.interval);
    config.recovery_agent_removal_limit = flags.recovery_agent_removal_limit.0;
    config.registry_gc_interval = flags.registry_gc_interval;
    config.registry_max_agent_age = flags.registry_max_agent_age;
    config.registry_max_agent_count = flags.registry_max_agent_count;
}

/// Reads the static whitelist of roles.
fn roles(List(names): &List) -> Result<BTreeSet<String>, CommandError> {
    let valid = names.iter().map(|name| resources::roles::validate(name).map(|()| name.clone()));
    valid
        .collect::<Result<_, _>>()
        .map_err(|error| CommandError::message(format!("--roles: Failed to parse roles: {error}")))
}

fn recovery_policy(flags: &MasterFlags) -> Result<Option<Policy>, CommandError> {
    let parse = |JsonOrOff(text): &JsonOrOff| Policy::parse(text, flags.agent_ping_timeout);
    let policy = flags.recovery_policy.as_ref().map(parse).transpose();
    policy.map_err(|error| CommandError::message(format!("--recovery_policy: {error}")))
}

fn weights(flags: &MasterFlags, config: &master::Config) -> Result<BTreeMap<String, f64>, CommandError> {
    flags.weights.iter().flat_map(|list| &list.0).map(|token| weight(token, config)).collect()
}

fn weight(token: &str, config: &master::Config) -> Result<(String, f64), CommandError> {
    let invalid = |problem: &str| CommandError::message(format!("Invalid weight: '{token}'. {problem}"));
    let (role, weight) =
        token.split_once('=').ok_or_else(|| invalid("--weights should be of the form 'role=weight,role=weight'"))?;
    if !config.role_allowed(role) {
        return Err(invalid(&format!("{role} is not a valid role")));
    }
    resources::roles::validate(role).map_err(|error| invalid(&error.to_string()))?;
    let weight = weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight > 0.0);
    Ok((role.to_owned(), weight.ok_or_else(|| invalid("Weights must be positive"))?))
}

/// Reads `--zk`. `--quorum` is accepted and has no effect, because ZooKeeper has its own.
fn election(flags: &MasterFlags, options: &mut MasterOptions) -> Result<Option<RegistryBackend>, CommandError> {
    let Some(text) = &flags.zk else { return Ok(None) };
    let session_timeout = flags.zk_session_timeout;
    let url = match MasterUrl::read(text)
        .map_err(|error| CommandError::message(format!("--zk: {}", with_sources(&error))))?
    {
        MasterUrl::ZooKeeper(url) => url,
        MasterUrl::Standalone(_) => return Err(CommandError::message("--zk: expected zk://host:port,host:port/path")),
    };
    options.election = Some(election::ZooKeeper::new(url.clone(), session_timeout));
    // This is the program that runs now, even if another version has been installed under its name since.
    options.node_cleanup = Some(PathBuf::from("/proc/self/exe"));
    Ok(Some(RegistryBackend::ZooKeeper { url, session_timeout }))
}

/// Decides where the registry is kept. `zookeeper` is the registry below `--zk`.
fn registry(
    given: Option<RegistryName>,
    zookeeper: Option<RegistryBackend>,
    work_dir: Option<&Path>,
) -> Result<RegistryBackend, CommandError> {
    let embedded = || match work_dir {
        Some(_) => Ok(RegistryBackend::Embedded),
        None => Err(CommandError::message("--registry=embedded is a file in --work_dir, which is missing")),
    };
    match (given, zookeeper) {
        (None | Some(RegistryName::ZooKeeper), Some(place)) => Ok(place),
        (None, None) if work_dir.is_none() => Ok(RegistryBackend::InMemory),
        (None, None) => embedded(),
        (Some(RegistryName::ReplicatedLog), Some(place)) => {
            tracing::warn!("--registry=replicated_log means zookeeper: records below --zk instead of Mesos' log");
            Ok(place)
        }
        (Some(RegistryName::ReplicatedLog), None) => {
            tracing::warn!("--registry=replicated_log means embedded: one file in --work_dir instead of Mesos' log");
            embedded()
        }
        // Each master would have its own registry, and agents would be forgotten with every new leader.
        (Some(RegistryName::Embedded), Some(_)) => {
            Err(CommandError::message("--registry=embedded is for a master that is alone: with --zk use zookeeper"))
        }
        (Some(RegistryName::Embedded), None) => embedded(),
        (Some(RegistryName::InMemory), _) => Ok(RegistryBackend::InMemory),
        (Some(RegistryName::ZooKeeper), None) => Err(CommandError::message("--registry=zookeeper needs --zk")),
    }
}

/// Reads `--whitelist`; `*` is an old notation for no whitelist.
fn whitelist(flags: &MasterFlags) -> Option<PathBuf> {
    let WatchedFile(path) = flags.whitelist.as_ref()?;
    (path.as_os_str() != "*").then(|| path.clone())
}

fn allocator(flags: &MasterFlags, options: &mut allocator::Options) -> Result<(), CommandError> {
    options.role_sorter = sorter(flags.role_sorter);
    options.framework_sorter = sorter(flags.framework_sorter);
    options.agent_recovery_factor = flags.allocator_agent_recovery_factor;
    options.recovery_timeout = flags.allocator_recovery_timeout;
    options.filter_gpu_resources = flags.filter_gpu_resources;
    let excluded = flags.fair_sharing_excluded_resource_names.iter().flat_map(|list| &list.0);
    options.excluded_resource_names = excluded.map(|name| resources::Name::new(name)).collect();
    let parse = |part: &str| {
        minimum(part).map_err(|problem| CommandError::message(format!("--min_allocatable_resources: {problem}")))
    };
    let parts = flags.min_allocatable_resources.split('|').filter(|part| !part.is_empty());
    options.min_allocatable = parts.map(parse).collect::<Result<_, _>>()?;
    Ok(())
}

fn sorter(name: SorterName) -> Sorter {
    match name {
        SorterName::Drf => Sorter::Drf,
        SorterName::Random => Sorter::Random,
    }
}

/// Reads amounts of scalars, as in Mesos; a minimum of ranges or sets would have no meaning.
fn minimum(text: &str) -> Result<ResourceQuantities, String> {
    let resources = Resources::parse(text, "*").map_err(|error| error.to_string())?;
    match resources.iter().find(|resource| resource.value().as_scalar().is_none()) {
        Some(other) => Err(format!("'{text}': {} is no scalar, and only scalars can be required", other.name())),
        None => Ok(resources.quantities()),
    }
}

#[cfg(test)]
mod tests {
    use flags::Value as _;

    use super::*;

    #[test]
    fn roles_are_checked() {
        let parse = |text: &str| roles(&List::parse(text).unwrap()).map_err(|failure| failure.to_string());
        assert_eq!(parse("dev, eng/web,").unwrap(), BTreeSet::from(["dev".to_owned(), "eng/web".to_owned()]));
        for wrong in ["a//b", ".", "a,-b", "a b"] {
            assert!(parse(wrong).unwrap_err().contains("--roles: Failed to parse roles"), "{wrong}");
        }
    }

    /// Readers get the values that the flags mean, whatever their texts are.
    #[test]
    fn readers_are_given_typed_flags() {
        let arguments = ["--port=0", "--ip=127.0.0.1", "--roles=dev, eng,", "--publish_per_framework_metrics=0"];
        let parsed = flags::parse::<MasterFlags>(arguments.map(OsString::from), []).unwrap();
        let flags::Invocation::Run(parsed) = parsed else { panic!("no run") };
        let options = options(&parsed).unwrap();
        assert_eq!(options.config.roles, Some(BTreeSet::from(["dev".to_owned(), "eng".to_owned()])));
        assert!(!options.publish_per_framework_metrics);
    }

    #[test]
    fn minimums_are_scalars() {
        assert_eq!(minimum("cpus:1;mem:2").unwrap().len(), 2);
        assert!(minimum("ports:[1-2]").unwrap_err().contains("ports is no scalar"));
        assert!(minimum("cpus").is_err());
    }
}

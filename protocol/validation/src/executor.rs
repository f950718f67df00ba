//! Validation of an `ExecutorInfo`, by itself and against a running executor with the same id.

use std::collections::BTreeSet;

use messages::v1::{self, ExecutorInfo, container_info, executor_info};
use prost::Message as _;
use resources::Resources;

use crate::error::require;
use crate::{ValidationError, Within, bounds, command, container, ids, resource};

/// Checks an `ExecutorInfo` by itself.
///
/// # Errors
///
/// The reason is that of `executor::validate` in Mesos' `src/master/validation.cpp`.
pub fn validate(executor: &ExecutorInfo) -> Result<(), ValidationError> {
    validate_type(executor)?;
    ids::validate(&executor.executor_id.value)?;
    require(
        executor.shutdown_grace_period.is_none_or(|period| period.nanoseconds >= 0),
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
    )?;
    if let Some(command) = &executor.command {
        command::validate(command).within("Executor's `CommandInfo` is invalid")?;
    }
    if let Some(container) = &executor.container {
        container::validate(container).within("Executor's `ContainerInfo` is invalid")?;
    }
    Ok(())
}

fn validate_type(executor: &ExecutorInfo) -> Result<(), ValidationError> {
    match executor.r#type() {
        executor_info::Type::Default => {
            require(executor.command.is_none(), "'ExecutorInfo.command' must not be set for 'DEFAULT' executor")?;
            let Some(container) = &executor.container else { return Ok(()) };
            require(
                container.r#type() == container_info::Type::Mesos,
                "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
            )?;
            require(
                container.mesos.as_ref().is_none_or(|mesos| mesos.image.is_none()),
                "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor",
            )
        }
        executor_info::Type::Custom => {
            require(executor.command.is_some(), "'ExecutorInfo.command' must be set for 'CUSTOM' executor")
        }
        // The type may be one of a newer version; LAUNCH and LAUNCH_GROUP have their own rules for it.
        executor_info::Type::Unknown => Ok(()),
    }
}

/// Checks an executor against the framework and against the executors that run on the agent already.
pub(crate) fn validate_launch(
    executor: &ExecutorInfo,
    framework_id: &str,
    running: Option<&ExecutorInfo>,
) -> Result<(), ValidationError> {
    validate(executor)?;
    validate_framework_id(executor, framework_id)?;
    validate_resources(executor)?;
    match running {
        Some(running) if !same(executor, running) => Err(ValidationError::new(incompatible(running, executor))),
        _ => Ok(()),
    }
}

/// The master sets the id for LAUNCH; in LAUNCH_GROUP the scheduler must set it.
fn validate_framework_id(executor: &ExecutorInfo, expected: &str) -> Result<(), ValidationError> {
    match executor.framework_id.as_ref().map(|id| id.value.as_str()) {
        None => Err(ValidationError::new("'ExecutorInfo.framework_id' must be set")),
        Some(actual) if actual != expected => Err(ValidationError::new(format!(
            "ExecutorInfo has an invalid FrameworkID (Actual: {actual} vs Expected: {expected})"
        ))),
        Some(_) => Ok(()),
    }
}

fn validate_resources(executor: &ExecutorInfo) -> Result<(), ValidationError> {
    let resources = &executor.resources;
    resource::validate(resources).within("Executor uses invalid resources")?;
    bounds::validate_persistent_volumes(resources).within("Executor uses invalid resources")?;
    resource::validate_unique_persistence(resources).within("Executor uses duplicate persistence ID")?;
    resource::validate_allocated_to_single_role(resources).within("Invalid executor resources")?;
    resource::validate_revocable_mix(resources).within("Executor mixes revocable and non-revocable resources")
}

/// Mesos prints both messages between rulers. Tepui names the fields that differ: programs match on the first line
/// only, and a message may contain megabytes and secrets.
fn incompatible(running: &ExecutorInfo, wanted: &ExecutorInfo) -> String {
    let ruler = "-".repeat(60);
    format!(
        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n{ruler}\n\
         These fields differ: {}; use another ExecutorID, or the same fields\n{ruler}\n",
        differences(running, wanted).join(", ")
    )
}

#[allow(deprecated, reason = "Mesos compares `source`")]
fn differences(a: &ExecutorInfo, b: &ExecutorInfo) -> Vec<&'static str> {
    let fields = [
        ("type", a.r#type == b.r#type),
        ("executor_id", a.executor_id == b.executor_id),
        ("data", a.data() == b.data()),
        ("resources", Resources::from_proto(&a.resources).ok() == Resources::from_proto(&b.resources).ok()),
        ("command", same_command(a.command.as_deref(), b.command.as_deref())),
        ("framework_id", a.framework_id == b.framework_id),
        ("name", a.name() == b.name()),
        ("source", a.source() == b.source()),
        ("container", same_container(a.container.as_deref(), b.container.as_deref())),
        ("discovery", same_discovery(a.discovery.as_deref(), b.discovery.as_deref())),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

/// Returns whether two executors are equal as Mesos defines it: the order of URIs, variables, volumes and labels does
/// not matter, and fields that Mesos does not compare, such as the grace period, may differ.
pub fn same(a: &ExecutorInfo, b: &ExecutorInfo) -> bool {
    differences(a, b).is_empty()
}

/// An absent message equals an empty one, as protobuf 2's getters return it.
fn same_command(a: Option<&v1::CommandInfo>, b: Option<&v1::CommandInfo>) -> bool {
    let empty = v1::CommandInfo::default();
    let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
    // `cache` says how to fetch a URI, not what to fetch.
    let uris = |command: &v1::CommandInfo| {
        set(&command.uris, |uri| (uri.value.clone(), uri.executable(), uri.extract(), uri.output_file().to_owned()))
    };
    let variables = |command: &v1::CommandInfo| {
        set(command.environment.iter().flat_map(|environment| &environment.variables), |one| one.encode_to_vec())
    };
    uris(a) == uris(b)
        && a.arguments == b.arguments
        && variables(a) == variables(b)
        && a.value() == b.value()
        && a.user() == b.user()
        && a.shell() == b.shell()
}

fn same_container(a: Option<&v1::ContainerInfo>, b: Option<&v1::ContainerInfo>) -> bool {
    let empty = v1::ContainerInfo::default();
    let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
    let volumes = |container: &v1::ContainerInfo| {
        set(&container.volumes, |one| (one.container_path.clone(), one.host_path().to_owned(), one.mode))
    };
    volumes(a) == volumes(b) && a.r#type == b.r#type && a.hostname() == b.hostname() && a.docker == b.docker
}

fn same_discovery(a: Option<&v1::DiscoveryInfo>, b: Option<&v1::DiscoveryInfo>) -> bool {
    let empty = v1::DiscoveryInfo::default();
    let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
    let ports =
        |info: &v1::DiscoveryInfo| set(info.ports.iter().flat_map(|ports| &ports.ports), |port| port.encode_to_vec());
    let labels = |info: &v1::DiscoveryInfo| {
        set(info.labels.iter().flat_map(|labels| &labels.labels), |label| label.encode_to_vec())
    };
    a.visibility() == b.visibility()
        && a.name() == b.name()
        && a.environment() == b.environment()
        && a.location() == b.location()
        && a.version() == b.version()
        && ports(a) == ports(b)
        && labels(a) == labels(b)
}

/// Returns the different elements of a list and the number of all elements. Mesos asks whether every element of one
/// list has an equal one in the other and whether the lists have the same length.
fn set<'a, T: 'a, K: Ord>(list: impl IntoIterator<Item = &'a T>, key: impl Fn(&T) -> K) -> (usize, BTreeSet<K>) {
    let mut count = 0;
    let keys = list.into_iter().inspect(|_| count += 1).map(key).collect();
    (count, keys)
}

//! An `ExecutorInfo`, on its own and beside the one that already runs.

use messages::v1::{self, ExecutorInfo, container_info, executor_info};
use resources::Resources;

use crate::invalid::require;
use crate::{Invalid, Within, command, container, ids, resource};

/// All checks that need nothing but the message.
pub fn validate(executor: &ExecutorInfo) -> Result<(), Invalid> {
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

fn validate_type(executor: &ExecutorInfo) -> Result<(), Invalid> {
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
        // A type of the future; LAUNCH and LAUNCH_GROUP judge it by their own rules.
        executor_info::Type::Unknown => Ok(()),
    }
}

/// The checks that need to know the framework and what runs on the agent already.
pub(crate) fn validate_launch(
    executor: &ExecutorInfo,
    framework_id: &str,
    running: Option<&ExecutorInfo>,
) -> Result<(), Invalid> {
    validate(executor)?;
    validate_framework_id(executor, framework_id)?;
    validate_resources(executor)?;
    match running {
        Some(running) if !same(executor, running) => Err(Invalid::new(incompatible(running, executor))),
        _ => Ok(()),
    }
}

/// The master fills the id in for LAUNCH; in LAUNCH_GROUP the scheduler must.
fn validate_framework_id(executor: &ExecutorInfo, expected: &str) -> Result<(), Invalid> {
    match executor.framework_id.as_ref().map(|id| id.value.as_str()) {
        None => Err(Invalid::new("'ExecutorInfo.framework_id' must be set")),
        Some(actual) if actual != expected => Err(Invalid::new(format!(
            "ExecutorInfo has an invalid FrameworkID (Actual: {actual} vs Expected: {expected})"
        ))),
        Some(_) => Ok(()),
    }
}

fn validate_resources(executor: &ExecutorInfo) -> Result<(), Invalid> {
    let resources = &executor.resources;
    resource::validate(resources).within("Executor uses invalid resources")?;
    resource::validate_unique_persistence(resources).within("Executor uses duplicate persistence ID")?;
    resource::validate_allocated_to_single_role(resources).within("Invalid executor resources")?;
    resource::validate_revocable_mix(resources).within("Executor mixes revocable and non-revocable resources")
}

/// Mesos prints both messages between rulers. Ours names the fields that differ: the part that programs match on is the
/// first line, and a message may hold megabytes and secrets.
fn incompatible(running: &ExecutorInfo, wanted: &ExecutorInfo) -> String {
    let ruler = "-".repeat(60);
    format!(
        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n{ruler}\n\
         These fields differ: {}; use another ExecutorID, or the same fields\n{ruler}\n",
        differences(running, wanted).join(", ")
    )
}

#[allow(deprecated)] // `source` is compared by Mesos.
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

/// Equality as Mesos defines it: the order of URIs, variables, volumes and labels does
/// not matter, and fields Mesos does not compare (such as the grace period) are free.
pub fn same(a: &ExecutorInfo, b: &ExecutorInfo) -> bool {
    differences(a, b).is_empty()
}

/// An absent message equals an empty one, as protobuf 2's getters see it.
fn same_command(a: Option<&v1::CommandInfo>, b: Option<&v1::CommandInfo>) -> bool {
    let empty = v1::CommandInfo::default();
    let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
    let same_uri = |a: &v1::command_info::Uri, b: &v1::command_info::Uri| {
        // `cache` says how to fetch, not what.
        a.value == b.value
            && a.executable() == b.executable()
            && a.extract() == b.extract()
            && a.output_file() == b.output_file()
    };
    let variables = |command: &v1::CommandInfo| {
        command.environment.as_ref().map(|environment| environment.variables.clone()).unwrap_or_default()
    };
    same_unordered(&a.uris, &b.uris, same_uri)
        && a.arguments == b.arguments
        && same_unordered(&variables(a), &variables(b), |a, b| a == b)
        && a.value() == b.value()
        && a.user() == b.user()
        && a.shell() == b.shell()
}

fn same_container(a: Option<&v1::ContainerInfo>, b: Option<&v1::ContainerInfo>) -> bool {
    let empty = v1::ContainerInfo::default();
    let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
    let same_volume = |a: &v1::Volume, b: &v1::Volume| {
        a.container_path == b.container_path && a.host_path() == b.host_path() && a.mode == b.mode
    };
    same_unordered(&a.volumes, &b.volumes, same_volume)
        && a.r#type == b.r#type
        && a.hostname() == b.hostname()
        && a.docker == b.docker
}

fn same_discovery(a: Option<&v1::DiscoveryInfo>, b: Option<&v1::DiscoveryInfo>) -> bool {
    let empty = v1::DiscoveryInfo::default();
    let (a, b) = (a.unwrap_or(&empty), b.unwrap_or(&empty));
    let ports = |info: &v1::DiscoveryInfo| info.ports.as_ref().map(|ports| ports.ports.clone()).unwrap_or_default();
    let labels =
        |info: &v1::DiscoveryInfo| info.labels.as_ref().map(|labels| labels.labels.clone()).unwrap_or_default();
    a.visibility() == b.visibility()
        && a.name() == b.name()
        && a.environment() == b.environment()
        && a.location() == b.location()
        && a.version() == b.version()
        && same_unordered(&ports(a), &ports(b), |a, b| a == b)
        && same_unordered(&labels(a), &labels(b), |a, b| a == b)
}

/// Every element of one side has an equal one on the other, and there are as many.
fn same_unordered<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().all(|left| b.iter().any(|right| same(left, right)))
}

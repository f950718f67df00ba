//! Bounds of the lists in descriptions of tasks, executors and containers whose elements cost the agent more than memory:
//! descriptors, mounts, processes, requests to other hosts.
//!
//! Mesos has no such bounds. Without them, 20,000 volumes (1.2 MB in one call) take all descriptors of an agent. Each
//! bound is far above what a container uses, and SPECIFICATION.md lists it.

use messages::v1;

use crate::resource::is_persistent_volume;
use crate::{ValidationError, Within};

/// The maximum number of elements of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The list: its message and its field.
    pub field: &'static str,
    /// The maximum number of elements.
    pub maximum: usize,
    /// What to do instead, as an order.
    pub advice: &'static str,
}

/// Each volume is a mount, and a descriptor until the container has started.
pub const VOLUMES: Bound = Bound {
    field: "ContainerInfo.volumes",
    maximum: 256,
    advice: "use one volume for a directory that contains the others",
};
/// Each persistent volume is a mount.
pub const PERSISTENT_VOLUMES: Bound =
    Bound { field: "resources (persistent volumes)", maximum: 256, advice: "use fewer and larger volumes" };
/// Each network is an interface, made by processes.
pub const NETWORK_INFOS: Bound =
    Bound { field: "ContainerInfo.network_infos", maximum: 32, advice: "join fewer networks" };
/// Each address is asked for by processes.
pub const IP_ADDRESSES: Bound =
    Bound { field: "NetworkInfo.ip_addresses", maximum: 32, advice: "ask for fewer addresses" };
/// Each group is handed to processes.
pub const NETWORK_GROUPS: Bound = Bound { field: "NetworkInfo.groups", maximum: 64, advice: "name fewer groups" };
/// Each port is a rule of the host's firewall.
pub const NETWORK_PORTS: Bound = Bound {
    field: "NetworkInfo.port_mappings",
    maximum: 1024,
    advice: "map fewer ports, or use the network of the agent",
};
/// Each port is a rule of the host's firewall.
pub const DOCKER_PORTS: Bound = Bound {
    field: "ContainerInfo.DockerInfo.port_mappings",
    maximum: 1024,
    advice: "map fewer ports, or use the network of the agent",
};
/// Each parameter is an option of a container of Docker, many of which are volumes, devices or networks.
pub const DOCKER_PARAMETERS: Bound =
    Bound { field: "ContainerInfo.DockerInfo.parameters", maximum: 1024, advice: "give fewer parameters" };
/// Each limit is a system call of the container's first process. There are sixteen kinds.
pub const RLIMITS: Bound = Bound { field: "RLimitInfo.rlimits", maximum: 64, advice: "name each kind of limit once" };
/// Each URI is a request, and a file of the sandbox.
pub const URIS: Bound =
    Bound { field: "CommandInfo.uris", maximum: 1024, advice: "put the files into an archive, which is extracted" };
/// Each variable is a string that the kernel copies for each process of the container.
pub const VARIABLES: Bound =
    Bound { field: "Environment.variables", maximum: 8192, advice: "put the values into a file in the sandbox" };
/// Each task is a nested container: processes, mounts and a cgroup.
pub const GROUP_TASKS: Bound = Bound { field: "TaskGroupInfo.tasks", maximum: 512, advice: "launch several groups" };

/// All bounds.
pub const ALL: [Bound; 12] = [
    VOLUMES,
    PERSISTENT_VOLUMES,
    NETWORK_INFOS,
    IP_ADDRESSES,
    NETWORK_GROUPS,
    NETWORK_PORTS,
    DOCKER_PORTS,
    DOCKER_PARAMETERS,
    RLIMITS,
    URIS,
    VARIABLES,
    GROUP_TASKS,
];

impl Bound {
    /// Checks the number of elements of a list.
    ///
    /// # Errors
    ///
    /// The reason names the field, the number, the bound and what to do instead.
    pub fn check(&self, count: usize) -> Result<(), ValidationError> {
        let Bound { field, maximum, advice } = self;
        match count > *maximum {
            true => {
                Err(ValidationError::new(format!("'{field}' has {count} elements and may have {maximum}: {advice}")))
            }
            false => Ok(()),
        }
    }
}

/// Checks the lists of a command.
pub(crate) fn validate_command(command: &v1::CommandInfo) -> Result<(), ValidationError> {
    URIS.check(command.uris.len())?;
    command.environment.as_ref().map_or(Ok(()), |environment| VARIABLES.check(environment.variables.len()))
}

/// Checks the lists of a container.
pub(crate) fn validate_container(container: &v1::ContainerInfo) -> Result<(), ValidationError> {
    VOLUMES.check(container.volumes.len())?;
    NETWORK_INFOS.check(container.network_infos.len())?;
    for network in &container.network_infos {
        IP_ADDRESSES.check(network.ip_addresses.len())?;
        NETWORK_GROUPS.check(network.groups.len())?;
        NETWORK_PORTS.check(network.port_mappings.len())?;
    }
    if let Some(docker) = &container.docker {
        DOCKER_PORTS.check(docker.port_mappings.len())?;
        DOCKER_PARAMETERS.check(docker.parameters.len())?;
    }
    container.rlimit_info.as_ref().map_or(Ok(()), |limits| RLIMITS.check(limits.rlimits.len()))
}

/// Checks the persistent volumes among the resources of a container.
pub(crate) fn validate_persistent_volumes(resources: &[v1::Resource]) -> Result<(), ValidationError> {
    PERSISTENT_VOLUMES.check(resources.iter().filter(|resource| is_persistent_volume(resource)).count())
}

/// Checks the lists of a task that a master has sent. A master of Mesos has not checked them.
///
/// # Errors
///
/// The reason is that of [`Bound::check`] for the first list that is too long.
pub fn validate_task(task: &v1::TaskInfo) -> Result<(), ValidationError> {
    let check = task.check.as_ref().and_then(|check| check.command.as_ref()).map(|check| &check.command);
    let health_check = task.health_check.as_ref().and_then(|check| check.command.as_deref());
    let commands = task.command.as_deref().into_iter().chain(check).chain(health_check);
    commands.into_iter().try_for_each(validate_command).within("Task's command is invalid")?;
    if let Some(container) = &task.container {
        validate_container(container).within("Task's container is invalid")?;
    }
    validate_persistent_volumes(&task.resources).within("Task's resources are invalid")
}

/// Checks the lists of an executor that a master has sent. A master of Mesos has not checked them.
///
/// # Errors
///
/// The reason is that of [`Bound::check`] for the first list that is too long.
pub fn validate_executor(executor: &v1::ExecutorInfo) -> Result<(), ValidationError> {
    if let Some(command) = &executor.command {
        validate_command(command).within("Executor's command is invalid")?;
    }
    if let Some(container) = &executor.container {
        validate_container(container).within("Executor's container is invalid")?;
    }
    validate_persistent_volumes(&executor.resources).within("Executor's resources are invalid")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use messages::schema::{HasDescriptor, Kind, Label, MessageDescriptor};

    use super::*;
    use crate::{command, container, executor};

    /// Lists whose elements cost memory only, or which have a bound of another kind.
    const MEMORY_ONLY: &[&str] = &[
        // execve(2) bounds them.
        "CommandInfo.arguments",
        // At most 4,096 (`resource`).
        "ExecutorInfo.resources",
        "TaskInfo.resources",
        // Only cpus and mem are accepted.
        "TaskInfo.limits",
        // They become a set of bits.
        "CapabilityInfo.capabilities",
        // Nothing reads them.
        "HealthCheck.HTTPCheckInfo.statuses",
        // They are parts of resources.
        "Resource.reservations",
        "Value.Ranges.range",
        "Value.Set.item",
        // They are handed on to readers.
        "Labels.labels",
        "Ports.ports",
        // Agents refuse volumes of these types.
        "Parameters.parameter",
        "Volume.Source.CSIVolume.StaticProvisioning.node_publish_secrets",
        "Volume.Source.CSIVolume.StaticProvisioning.node_stage_secrets",
        "Volume.Source.CSIVolume.StaticProvisioning.volume_context",
        "Volume.Source.CSIVolume.VolumeCapability.MountVolume.mount_flags",
    ];

    #[test]
    fn every_list_of_a_launch_has_a_bound_or_costs_memory_only() {
        let mut lists = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&'static MessageDescriptor> = vec![v1::TaskGroupInfo::desc(), v1::ExecutorInfo::desc()];
        while let Some(message) = open.pop() {
            if !seen.insert(message.name) {
                continue;
            }
            for field in message.fields {
                if field.label == Label::Repeated || matches!(field.kind, Kind::Map(_)) {
                    lists.insert(format!("{}.{}", message.name.trim_start_matches("mesos.v1."), field.name));
                }
                if let Kind::Message(inner) = field.kind {
                    open.push(inner);
                }
            }
        }
        let bounded = ALL.iter().map(|bound| bound.field).filter(|field| *field != PERSISTENT_VOLUMES.field);
        let known: BTreeSet<String> = bounded.chain(MEMORY_ONLY.iter().copied()).map(str::to_owned).collect();
        assert_eq!(lists, known);
    }

    fn task(container: v1::ContainerInfo) -> v1::TaskInfo {
        v1::TaskInfo { container: Some(Box::new(container)), ..Default::default() }
    }

    fn many<T: Default + Clone>(count: usize) -> Vec<T> {
        vec![T::default(); count]
    }

    fn network(network: v1::NetworkInfo) -> v1::TaskInfo {
        task(v1::ContainerInfo { network_infos: vec![network], ..Default::default() })
    }

    fn docker(docker: v1::container_info::DockerInfo) -> v1::TaskInfo {
        task(v1::ContainerInfo { docker: Some(Box::new(docker)), ..Default::default() })
    }

    fn running(command: v1::CommandInfo) -> v1::TaskInfo {
        v1::TaskInfo { command: Some(Box::new(command)), ..Default::default() }
    }

    fn environment(count: usize) -> v1::CommandInfo {
        let variable = v1::environment::Variable { value: Some(String::new()), ..Default::default() };
        let environment = v1::Environment { variables: vec![variable; count] };
        v1::CommandInfo { environment: Some(Box::new(environment)), ..Default::default() }
    }

    fn persistent_volumes(count: usize) -> v1::TaskInfo {
        let persistence = v1::resource::disk_info::Persistence { id: "v".into(), ..Default::default() };
        let disk = v1::resource::DiskInfo { persistence: Some(persistence), ..Default::default() };
        let volume = v1::Resource { disk: Some(Box::new(disk)), ..Default::default() };
        v1::TaskInfo { resources: vec![volume; count], ..Default::default() }
    }

    #[test]
    #[allow(clippy::type_complexity, reason = "a list of cases")]
    fn lists_are_bounded_at_every_entrance() {
        let cases: [(Bound, fn(usize) -> v1::TaskInfo); 11] = [
            (VOLUMES, |n| {
                let volume = v1::Volume { host_path: Some("/x".into()), ..Default::default() };
                task(v1::ContainerInfo { volumes: vec![volume; n], ..Default::default() })
            }),
            (PERSISTENT_VOLUMES, persistent_volumes),
            (NETWORK_INFOS, |n| task(v1::ContainerInfo { network_infos: many(n), ..Default::default() })),
            (IP_ADDRESSES, |n| network(v1::NetworkInfo { ip_addresses: many(n), ..Default::default() })),
            (NETWORK_GROUPS, |n| network(v1::NetworkInfo { groups: many(n), ..Default::default() })),
            (NETWORK_PORTS, |n| network(v1::NetworkInfo { port_mappings: many(n), ..Default::default() })),
            (DOCKER_PORTS, |n| docker(v1::container_info::DockerInfo { port_mappings: many(n), ..Default::default() })),
            (DOCKER_PARAMETERS, |n| {
                docker(v1::container_info::DockerInfo { parameters: many(n), ..Default::default() })
            }),
            (RLIMITS, |n| {
                let limits = v1::RLimitInfo { rlimits: many(n) };
                task(v1::ContainerInfo { rlimit_info: Some(Box::new(limits)), ..Default::default() })
            }),
            (URIS, |n| running(v1::CommandInfo { uris: many(n), ..Default::default() })),
            (VARIABLES, |n| running(environment(n))),
        ];
        for (bound, with) in cases {
            let Bound { field, maximum, advice } = bound;
            validate_task(&with(maximum)).unwrap();
            let expect = format!("'{field}' has {} elements and may have {maximum}: {advice}", maximum + 1);
            let given = with(maximum + 1);
            let (command, container) = (given.command.clone(), given.container.clone());
            let executor = v1::ExecutorInfo {
                r#type: Some(v1::executor_info::Type::Custom as i32),
                executor_id: v1::ExecutorId { value: "e".into() },
                command: Some(command.clone().unwrap_or_default()),
                container: container.clone(),
                resources: given.resources.clone(),
                ..Default::default()
            };
            let checked = v1::TaskInfo {
                check: command.clone().map(|command| {
                    let command = Box::new(v1::check_info::Command { command: *command });
                    Box::new(v1::CheckInfo { command: Some(command), ..Default::default() })
                }),
                ..Default::default()
            };
            let answers = [
                Some(validate_task(&given)),
                Some(validate_executor(&executor)),
                command.as_deref().map(command::validate),
                command.as_deref().map(|_| validate_task(&checked)),
                container.as_deref().map(container::validate),
                (given.resources.is_empty()).then(|| executor::validate(&executor)),
            ];
            for answer in answers.into_iter().flatten() {
                let reason = answer.unwrap_err().to_string();
                assert!(reason.ends_with(&expect), "{reason}");
            }
        }
        assert!(GROUP_TASKS.check(512).is_ok() && GROUP_TASKS.check(513).is_err());
    }
}

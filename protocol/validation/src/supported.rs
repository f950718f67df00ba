//! Whether an agent can carry out everything that a task or an executor asks for. Unsupported requests are refused, so
//! that no container runs with less protection than was requested.

use messages::schema::HasDescriptor;
use messages::v1;
use wire::{FieldVisit, SetField, visit_set_fields};

use crate::health_checks::{self, NamedHealthCheck};
use crate::supported_by_docker::DOCKER_FIELDS;
use crate::supported_fields::{FIELDS, PATHS, Support};
use crate::{ValidationError, Within};

/// Checks a task that runs in the command executor. `isolators` are the names of the isolators in use.
///
/// # Errors
///
/// The error names the first field that is set and cannot be carried out with these isolators, and what is missing.
pub fn check_task(task: &v1::TaskInfo, isolators: &[&str]) -> Result<(), ValidationError> {
    check_task_with(task, isolators, Table::Mesos)
}

fn check_task_with(task: &v1::TaskInfo, isolators: &[&str], table: Table) -> Result<(), ValidationError> {
    check_with("task", task, isolators, table)?;
    for NamedHealthCheck { name, check: named } in health_checks::named(task.labels.as_deref())? {
        let with_it = v1::TaskInfo { health_check: Some(Box::new(named)), ..Default::default() };
        check_with("task", &with_it, isolators, table).within(&format!("Label '{}{name}'", health_checks::LABEL))?;
    }
    Ok(())
}

/// Checks an executor. Its tasks are not checked, since the executor runs them itself.
///
/// # Errors
///
/// The error is that of [`check_task`].
pub fn check_executor(executor: &v1::ExecutorInfo, isolators: &[&str]) -> Result<(), ValidationError> {
    check("executor", executor, isolators)
}

/// Checks a task that runs in a container at Docker.
///
/// # Errors
///
/// The error names the first field that is set and cannot be carried out there, and what is missing.
pub fn check_docker_task(task: &v1::TaskInfo) -> Result<(), ValidationError> {
    check_task_with(task, &[], Table::Docker)
}

/// Checks an executor in a container at Docker.
///
/// # Errors
///
/// The error is that of [`check_docker_task`].
pub fn check_docker_executor(executor: &v1::ExecutorInfo) -> Result<(), ValidationError> {
    check_with("executor", executor, &[], Table::Docker)
}

/// Checks the command and the description of a nested or standalone container.
///
/// # Errors
///
/// The error is that of [`check_task`].
pub fn check_nested(
    command: &v1::CommandInfo,
    container: Option<&v1::ContainerInfo>,
    isolators: &[&str],
) -> Result<(), ValidationError> {
    check("command", command, isolators)?;
    let Some(container) = container else { return Ok(()) };
    // Mesos' reason if no containerizer can launch the container.
    if container.r#type() == v1::container_info::Type::Docker {
        return Err(ValidationError::new("The provided ContainerInfo is not supported"));
    }
    check("container", container, isolators)
}

/// Which containerizer carries a description out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Mesos,
    Docker,
}

impl Table {
    /// Returns the rows of a message.
    fn rows(self, message: &str) -> Option<&'static [(&'static str, Support)]> {
        let own = DOCKER_FIELDS.iter().filter(|_| self == Table::Docker);
        own.chain(FIELDS).find(|(name, _)| *name == message).map(|(_, rows)| *rows)
    }
}

fn check<M: HasDescriptor>(root: &str, message: &M, isolators: &[&str]) -> Result<(), ValidationError> {
    check_with(root, message, isolators, Table::Mesos)
}

fn check_with<M: HasDescriptor>(
    root: &str,
    message: &M,
    isolators: &[&str],
    table: Table,
) -> Result<(), ValidationError> {
    visit_set_fields(message, &mut |set: SetField<'_>| {
        let refuse = |missing: &str| {
            let path = set.path;
            Err(ValidationError::new(format!(
                "'{root}.{path}' cannot be carried out: this agent does not have {missing}"
            )))
        };
        let isolator = |name: &str| match isolators.contains(&name) {
            true => Ok(FieldVisit::Descend),
            // The isolator is in use wherever the agent knows networks.
            false if name == "network/cni" => refuse(
                "the isolator 'network/cni' (see its flags --network_cni_config_dir and --network_cni_plugins_dir)",
            ),
            false => refuse(&format!("the isolator '{name}' (see its flag --isolation)")),
        };
        match support(&set, table) {
            Some(Support::Honoured | Support::Informational) => Ok(FieldVisit::Skip),
            Some(Support::ByField) => Ok(FieldVisit::Descend),
            Some(Support::Isolator(name)) => isolator(name),
            Some(Support::Only(values, missing)) => match set.word.is_some_and(|word| values.contains(&word)) {
                true => Ok(FieldVisit::Skip),
                false => refuse(missing),
            },
            Some(Support::OrIsolator(values, name)) => match set.word.is_some_and(|word| values.contains(&word)) {
                true => Ok(FieldVisit::Skip),
                false => isolator(name),
            },
            Some(Support::Refused(missing)) => refuse(missing),
            None => refuse("any use for it"),
        }
    })
}

fn support(set: &SetField<'_>, table: Table) -> Option<Support> {
    // Positions in repeated fields do not matter.
    let is_at = |path: &str| set.path.split('.').map(|part| part.split('[').next()).eq(path.split('.').map(Some));
    if let Some((_, support)) = PATHS.iter().find(|(path, _)| is_at(path)) {
        return Some(*support);
    }
    table.rows(set.message.name)?.iter().find(|(name, _)| *name == set.field.name).map(|(_, support)| *support)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use messages::schema::{Kind, MessageDescriptor};
    use messages::v1::{CapabilityInfo, CommandInfo, ContainerInfo, LinuxInfo, NetworkInfo, SeccompInfo};

    use super::*;

    /// Every field of every message in the table has its row, and every row has its field.
    #[test]
    fn the_tables_contain_every_field() {
        let own: BTreeSet<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(walk(Table::Mesos), own);
        let seen = walk(Table::Docker);
        assert!(DOCKER_FIELDS.iter().all(|(name, _)| seen.contains(name)));
    }

    /// Returns the messages that are looked into.
    fn walk(table: Table) -> BTreeSet<&'static str> {
        let mut seen: BTreeSet<&'static str> = BTreeSet::new();
        let mut open: Vec<&'static MessageDescriptor> = vec![v1::TaskInfo::desc(), v1::ExecutorInfo::desc()];
        while let Some(message) = open.pop() {
            if !seen.insert(message.name) {
                continue;
            }
            let rows = table.rows(message.name);
            let rows = rows.unwrap_or_else(|| panic!("{} is looked into and has no rows", message.name));
            let names: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
            let fields: BTreeSet<&str> = message.fields.iter().map(|field| field.name).collect();
            assert_eq!(names, fields, "{}", message.name);
            assert_eq!(names.len(), rows.len(), "{}: a row is there twice", message.name);
            for field in message.fields {
                let looks_inside = rows.iter().any(|(name, support)| {
                    *name == field.name && matches!(support, Support::ByField | Support::Isolator(_))
                });
                if let (Kind::Message(inner), true) = (field.kind, looks_inside) {
                    open.push(inner);
                }
                if let (Kind::Enum(values), Some((_, Support::Only(words, _) | Support::OrIsolator(words, _)))) =
                    (field.kind, rows.iter().find(|(name, _)| *name == field.name))
                {
                    assert!(
                        words.iter().all(|word| values.number_of(word).is_some()),
                        "{}.{}",
                        message.name,
                        field.name
                    );
                }
            }
        }
        for name in ["ContainerInfo", "LinuxInfo", "NetworkInfo", "TaskInfo", "CommandInfo", "ExecutorInfo"] {
            assert!(seen.contains(format!("mesos.v1.{name}").as_str()), "{name}");
        }
        seen
    }

    #[test]
    fn docker_carries_out_what_it_has() {
        let docker = v1::container_info::DockerInfo { image: "a".into(), ..Default::default() };
        let task = |fill: fn(&mut ContainerInfo)| {
            container(|container| {
                container.r#type = v1::container_info::Type::Docker as i32;
                container.docker = Some(Box::new(docker.clone()));
                fill(container);
            })
        };
        check_docker_task(&task(|container| container.hostname = Some("h".into()))).unwrap();
        check_docker_task(&task(|container| {
            container.network_infos = vec![NetworkInfo { name: Some("n".into()), ..Default::default() }];
        }))
        .unwrap();
        let refused = |fill: fn(&mut ContainerInfo)| check_docker_task(&task(fill)).unwrap_err().to_string();
        let seccomp = refused(|container| {
            let seccomp = SeccompInfo { profile_name: Some("p".into()), ..Default::default() };
            container.linux_info = Some(Box::new(LinuxInfo { seccomp: Some(seccomp), ..Default::default() }));
        });
        assert!(seccomp.contains("'task.container.linux_info.seccomp.profile_name'"), "{seccomp}");
        let terminal = refused(|container| container.tty_info = Some(Default::default()));
        assert!(terminal.contains("'task.container.tty_info'"), "{terminal}");
        assert!(check_docker_task(&container(|_| {})).is_err());
    }

    fn container(fill: impl FnOnce(&mut ContainerInfo)) -> v1::TaskInfo {
        let mut container = ContainerInfo { r#type: v1::container_info::Type::Mesos as i32, ..Default::default() };
        fill(&mut container);
        v1::TaskInfo { container: Some(Box::new(container)), ..Default::default() }
    }

    fn linux(info: LinuxInfo) -> v1::TaskInfo {
        container(|container| container.linux_info = Some(Box::new(info)))
    }

    fn check(task: v1::TaskInfo, expect: Option<&str>) {
        let said = check_task(&task, &["posix/rlimits", "namespaces/pid"]).err().map(|invalid| invalid.to_string());
        match (&said, expect) {
            (None, None) => {}
            (Some(said), Some(expect)) => assert!(said.starts_with(&format!("'task.{expect}' ")), "{said}"),
            _ => panic!("{said:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn unsupported_fields_are_refused_by_name() {
        let raw = || Box::new(CapabilityInfo { capabilities: vec![v1::capability_info::Capability::NetRaw as i32] });
        check(container(|_| {}), None);
        check(
            linux(LinuxInfo { effective_capabilities: Some(raw()), ..Default::default() }),
            Some("container.linux_info.effective_capabilities"),
        );
        check(
            linux(LinuxInfo { bounding_capabilities: Some(raw()), ..Default::default() }),
            Some("container.linux_info.bounding_capabilities"),
        );
        let seccomp = SeccompInfo { profile_name: Some("p".into()), ..Default::default() };
        check(
            linux(LinuxInfo { seccomp: Some(seccomp), ..Default::default() }),
            Some("container.linux_info.seccomp.profile_name"),
        );
        let unconfined = SeccompInfo { unconfined: Some(true), ..Default::default() };
        check(linux(LinuxInfo { seccomp: Some(unconfined), ..Default::default() }), None);
        let ipc = |mode: v1::linux_info::IpcMode| LinuxInfo { ipc_mode: Some(mode as i32), ..Default::default() };
        check(linux(ipc(v1::linux_info::IpcMode::Private)), Some("container.linux_info.ipc_mode"));
        check(linux(ipc(v1::linux_info::IpcMode::ShareParent)), None);
        let network = NetworkInfo { name: Some("n".into()), ..Default::default() };
        check(
            container(|container| container.network_infos = vec![NetworkInfo::default(), network]),
            Some("container.network_infos[1].name"),
        );
        check(container(|container| container.hostname = Some("h".into())), Some("container.hostname"));
        check(container(|container| container.tty_info = Some(Default::default())), None);
        let docker = v1::container_info::Type::Docker as i32;
        check(container(|container| container.r#type = docker), Some("container.type"));
    }

    #[test]
    fn isolators_that_are_not_in_use_are_named() {
        let limit = v1::r_limit_info::RLimit {
            r#type: Some(v1::r_limit_info::r_limit::Type::RlmtNofile as i32),
            hard: Some(1),
            soft: Some(1),
        };
        let task =
            container(|container| container.rlimit_info = Some(Box::new(v1::RLimitInfo { rlimits: vec![limit] })));
        assert!(check_task(&task, &["posix/rlimits"]).is_ok());
        let said = check_task(&task, &[]).unwrap_err().to_string();
        assert!(said.contains("'posix/rlimits'") && said.contains("--isolation"), "{said}");

        let share = |share| linux(LinuxInfo { share_pid_namespace: Some(share), ..Default::default() });
        for (share_it, isolators, expect) in [
            (true, &["namespaces/pid"][..], true),
            (true, &[], true),
            (false, &["namespaces/pid"], true),
            (false, &[], false),
        ] {
            assert_eq!(check_task(&share(share_it), isolators).is_ok(), expect, "{share_it} {isolators:?}");
        }
    }

    #[test]
    fn privileges_and_volumes_are_carried_out_by_their_isolators() {
        let capabilities = || Some(Box::new(CapabilityInfo { capabilities: Vec::new() }));
        let seccomp = |profile_name: Option<&str>, unconfined| {
            let profile_name = profile_name.map(str::to_owned);
            linux(LinuxInfo { seccomp: Some(SeccompInfo { profile_name, unconfined }), ..Default::default() })
        };
        let volume = |source: v1::volume::Source| {
            let volume = v1::Volume {
                mode: v1::volume::Mode::Rw as i32,
                container_path: "data".into(),
                source: Some(Box::new(source)),
                ..Default::default()
            };
            container(|container| container.volumes = vec![volume])
        };
        let source =
            |kind: v1::volume::source::Type| v1::volume::Source { r#type: Some(kind as i32), ..Default::default() };
        let host = v1::volume::source::HostPath { path: "/data".into(), mount_propagation: None };
        let host = v1::volume::Source { host_path: Some(Box::new(host)), ..source(v1::volume::source::Type::HostPath) };
        let private = v1::linux_info::IpcMode::Private as i32;
        for (task, isolator) in [
            (linux(LinuxInfo { effective_capabilities: capabilities(), ..Default::default() }), "linux/capabilities"),
            (seccomp(Some("p"), None), "linux/seccomp"),
            (seccomp(None, Some(false)), "linux/seccomp"),
            (linux(LinuxInfo { ipc_mode: Some(private), ..Default::default() }), "namespaces/ipc"),
            (linux(LinuxInfo { shm_size: Some(1), ..Default::default() }), "namespaces/ipc"),
            (container(|container| container.hostname = Some("h".into())), "filesystem/linux"),
            (volume(host), "volume/host_path"),
        ] {
            check_task(&task, &[isolator]).unwrap();
            let said = check_task(&task, &[]).unwrap_err().to_string();
            assert!(said.contains(&format!("'{isolator}'")), "{said}");
        }
        // Nothing has to be done for it, and an isolator knows it.
        check_task(&seccomp(None, Some(true)), &["linux/seccomp"]).unwrap();
        let csi = volume(source(v1::volume::source::Type::CsiVolume));
        let every = ["volume/host_path", "volume/secret", "volume/sandbox_path"];
        assert!(check_task(&csi, &every).unwrap_err().to_string().contains("volumes of this type"));
    }

    #[test]
    fn only_secrets_by_value_are_supported() {
        let secret = |secret: v1::Secret| {
            let variable = v1::environment::Variable {
                name: "S".into(),
                r#type: Some(v1::environment::variable::Type::Secret as i32),
                secret: Some(Box::new(secret)),
                ..Default::default()
            };
            let environment = Some(Box::new(v1::Environment { variables: vec![variable] }));
            let command = CommandInfo { value: Some("true".into()), environment, ..Default::default() };
            v1::TaskInfo { command: Some(Box::new(command)), ..Default::default() }
        };
        let value = v1::secret::Value { data: b"s".to_vec() };
        check(
            secret(v1::Secret {
                r#type: Some(v1::secret::Type::Value as i32),
                value: Some(value),
                ..Default::default()
            }),
            None,
        );
        let reference = v1::secret::Reference { name: "vault/x".into(), ..Default::default() };
        check(
            secret(v1::Secret {
                r#type: Some(v1::secret::Type::Reference as i32),
                reference: Some(reference),
                ..Default::default()
            }),
            Some("command.environment.variables[0].secret.type"),
        );
    }

    #[test]
    fn a_check_runs_as_the_task() {
        let command = CommandInfo { value: Some("true".into()), user: Some("u".into()), ..Default::default() };
        let of_task = v1::TaskInfo { command: Some(Box::new(command.clone())), ..Default::default() };
        check(of_task, None);
        let health = v1::HealthCheck { command: Some(Box::new(command)), ..Default::default() };
        let checked = v1::TaskInfo { health_check: Some(Box::new(health)), ..Default::default() };
        check(checked, Some("health_check.command.user"));
    }
}

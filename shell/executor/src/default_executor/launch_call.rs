//! The LAUNCH_CONTAINER call of a task.

use messages::v1;
use messages::v1::agent::{Call, call};
use messages::v1::volume::{Source, source};

/// Returns the call that launches the container of a task. `container_ip` becomes `MESOS_CONTAINER_IP` of its
/// environment.
pub fn launch_call(task: &v1::TaskInfo, id: &v1::ContainerId, container_ip: Option<&str>) -> Call {
    let launch = call::LaunchContainer {
        container_id: id.clone(),
        command: command(task, container_ip),
        resources: task.resources.clone(),
        container: container(task),
        limits: task.limits.clone(),
    };
    Call {
        r#type: Some(call::Type::LaunchContainer.into()),
        launch_container: Some(Box::new(launch)),
        ..Default::default()
    }
}

/// Returns the command of a task with the variables that the executor adds.
fn command(task: &v1::TaskInfo, container_ip: Option<&str>) -> Option<Box<v1::CommandInfo>> {
    let mut command = task.command.clone()?;
    let allocation = task.resources.first().and_then(|resource| resource.allocation_info.as_ref());
    let role = allocation.and_then(|allocation| allocation.role.clone());
    let added = [("MESOS_CONTAINER_IP", container_ip.map(str::to_owned)), ("MESOS_ALLOCATION_ROLE", role)];
    let variables = &mut command.environment.get_or_insert_default().variables;
    for (name, value) in added {
        if value.is_some() {
            variables.push(v1::environment::Variable { name: name.to_owned(), value, ..Default::default() });
        }
    }
    Some(command)
}

/// Returns the container of a task. The agent mounts persistent volumes into the sandbox of the executor, where the nested
/// container finds them by volumes of type SANDBOX_PATH in its parent.
fn container(task: &v1::TaskInfo) -> Option<Box<v1::ContainerInfo>> {
    let mut container = task.container.clone();
    for volume in task.resources.iter().filter_map(|resource| resource.disk.as_ref()?.volume.as_deref()) {
        let in_parent = v1::Volume {
            mode: volume.mode,
            container_path: volume.container_path.clone(),
            source: Some(Box::new(Source {
                r#type: Some(source::Type::SandboxPath.into()),
                sandbox_path: Some(source::SandboxPath {
                    r#type: Some(source::sandbox_path::Type::Parent.into()),
                    path: volume.container_path.clone(),
                }),
                ..Default::default()
            })),
            ..Default::default()
        };
        let none =
            || Box::new(v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() });
        container.get_or_insert_with(none).volumes.push(in_parent);
    }
    container
}

//! The volumes of a container, and its sandbox.

use std::path::{Component, Path};

use messages::v1;
use serde_json::json;
use v1::volume::source::Type as SourceType;
use v1::volume::source::sandbox_path::Type as SandboxType;

use super::create::ContainerRequest;
use super::document::Document;
use super::error::InvalidOptions;

/// Adds the volumes that a container asks for, the persistent volumes of its resources, and the sandbox.
///
/// # Errors
/// Returns the errors of Mesos for volumes, and one for a volume that Docker cannot mount.
pub fn add(document: &mut Document, request: &ContainerRequest<'_>) -> Result<(), InvalidOptions> {
    let docker = request.container.docker.as_deref();
    #[expect(deprecated, reason = "frameworks still set it")]
    let task_driver = docker.and_then(|docker| docker.volume_driver.as_deref());
    let mut driver = None;
    for volume in &request.container.volumes {
        add_volume(document, request, volume, task_driver.is_some(), &mut driver)?;
    }
    // The sandbox may be a link without a ':' in its path.
    mount(document, &text(request.sandbox), &text(request.mapped), false, None)?;
    for volume in request.volumes {
        let target = request.mapped.join(volume.container_path);
        mount(document, &text(volume.source), &text(&target), volume.read_only, None)?;
    }
    match (driver, task_driver) {
        (Some(driver), Some(of_task)) if driver != of_task => return Err(InvalidOptions::TaskVolumeDrivers),
        (_, Some(driver)) => document.set_host("VolumeDriver", driver),
        _ => {}
    }
    Ok(())
}

fn add_volume<'a>(
    document: &mut Document,
    request: &ContainerRequest<'a>,
    volume: &'a v1::Volume,
    has_driver: bool,
    driver: &mut Option<&'a str>,
) -> Result<(), InvalidOptions> {
    let read_only = volume.mode() == v1::volume::Mode::Ro;
    // A relative path is one in the sandbox.
    let target = text(&request.mapped.join(&volume.container_path));
    let is_absolute = |path: &str| path.starts_with('/');
    if let Some(host_path) = &volume.host_path {
        if !is_absolute(host_path) && !is_absolute(&volume.container_path) {
            let (host_path, container_path) = (host_path.clone(), volume.container_path.clone());
            return Err(InvalidOptions::RelativeVolume { host_path, container_path });
        }
        return match is_absolute(host_path) {
            true => mount(document, host_path, &target, read_only, None),
            // With a driver, the path is the name of one of its volumes.
            false if has_driver => bind(document, host_path, &target, read_only),
            false => mount(document, &in_sandbox(request, volume, host_path)?, &target, read_only, None),
        };
    }
    let source = volume.source.as_deref().ok_or(InvalidOptions::NoVolumeSource)?;
    match (source.r#type(), &source.docker_volume, &source.host_path, &source.sandbox_path) {
        (SourceType::DockerVolume, Some(given), ..) => {
            if let Some(own) = given.driver.as_deref() {
                if driver.is_some_and(|other| other != own) {
                    return Err(InvalidOptions::VolumeDrivers);
                }
                *driver = Some(own);
            }
            let options = given.driver_options.as_ref().map(|options| options.parameter.as_slice()).unwrap_or_default();
            let options: serde_json::Map<_, _> =
                options.iter().map(|option| (option.key.clone(), option.value.clone().into())).collect();
            let mut mount = json!({ "Type": "volume", "Source": given.name, "Target": target, "ReadOnly": read_only });
            if given.driver.is_some() || !options.is_empty() {
                mount["VolumeOptions"] = json!({ "DriverConfig": { "Name": given.driver(), "Options": options } });
            }
            document.push_host("Mounts", mount);
            Ok(())
        }
        (SourceType::HostPath, _, Some(given), _) => {
            let mode = given.mount_propagation.as_ref().map(v1::MountPropagation::mode);
            let propagation = match mode {
                Some(v1::mount_propagation::Mode::Bidirectional) => Some("rshared"),
                Some(v1::mount_propagation::Mode::HostToContainer) => Some("rslave"),
                _ => None,
            };
            mount(document, &given.path, &target, read_only, propagation)
        }
        (SourceType::SandboxPath, _, _, Some(given)) if given.r#type() == SandboxType::Self_ => {
            mount(document, &in_sandbox(request, volume, &given.path)?, &target, read_only, None)
        }
        _ => Err(InvalidOptions::VolumeType(volume.container_path.clone())),
    }
}

/// Returns a path of the host for one that is relative to the sandbox.
fn in_sandbox(request: &ContainerRequest<'_>, volume: &v1::Volume, path: &str) -> Result<String, InvalidOptions> {
    let stays = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if stays {
        Ok(text(&request.sandbox.join(path)))
    } else {
        Err(InvalidOptions::OutsideSandbox(volume.container_path.clone()))
    }
}

/// Mounts a directory of the host, which Docker makes if it is missing.
fn mount(
    document: &mut Document,
    source: &str,
    target: &str,
    read_only: bool,
    propagation: Option<&str>,
) -> Result<(), InvalidOptions> {
    // The short form makes missing directories, as `docker run -v` does, and has no way to write a ':'.
    if source.contains(':') || target.contains(':') {
        return Err(InvalidOptions::Colon(target.to_owned()));
    }
    let mode = if read_only { "ro" } else { "rw" };
    let propagation = propagation.map(|propagation| format!(",{propagation}")).unwrap_or_default();
    document.push_host("Binds", format!("{source}:{target}:{mode}{propagation}"));
    Ok(())
}

fn bind(document: &mut Document, source: &str, target: &str, read_only: bool) -> Result<(), InvalidOptions> {
    mount(document, source, target, read_only, None)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! Container descriptions and their volumes.

use messages::v1::{self, container_info, volume::source};

use crate::error::require;
use crate::{ValidationError, Within, bounds};

/// Checks the description of a container and its volumes, and the length of its lists.
///
/// # Errors
///
/// The reason is that of `validateContainerInfo` in Mesos' `src/common/validation.cpp`, or that of [`bounds`].
pub fn validate(container: &v1::ContainerInfo) -> Result<(), ValidationError> {
    bounds::validate_container(container)?;
    // Mesos only logs it when the typed part of the union belongs to another type.
    for volume in &container.volumes {
        validate_volume(volume).within("Invalid volume")?;
    }
    if container.r#type() != container_info::Type::Docker {
        return Ok(());
    }
    let Some(docker) = &container.docker else {
        return Err(ValidationError::new("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"));
    };
    // The containerizer finds its containers again by the names it gives them (MESOS-8497).
    let names_itself = docker.parameters.iter().any(|parameter| parameter.key == "name");
    require(!names_itself, "Parameter in DockerInfo must not be 'name'")
}

/// Checks one volume: it has exactly one origin, and that origin is complete.
///
/// # Errors
///
/// The reason is that of `validateVolume` in Mesos' `src/common/validation.cpp`.
pub fn validate_volume(volume: &v1::Volume) -> Result<(), ValidationError> {
    let origins = [volume.host_path.is_some(), volume.image.is_some(), volume.source.is_some()];
    require(
        origins.iter().filter(|set| **set).count() == 1,
        "Only one of them should be set: 'host_path', 'image' and 'source'",
    )?;
    volume.source.as_deref().map_or(Ok(()), validate_source)
}

fn validate_source(source: &v1::volume::Source) -> Result<(), ValidationError> {
    match source.r#type() {
        source::Type::DockerVolume => {
            require(source.docker_volume.is_some(), "'source.docker_volume' is not set for DOCKER_VOLUME volume")
        }
        source::Type::HostPath => {
            require(source.host_path.is_some(), "'source.host_path' is not set for HOST_PATH volume")
        }
        source::Type::SandboxPath => {
            require(source.sandbox_path.is_some(), "'source.sandbox_path' is not set for SANDBOX_PATH volume")
        }
        source::Type::Secret => require(source.secret.is_some(), "'source.secret' is not set for SECRET volume"),
        source::Type::CsiVolume => match &source.csi_volume {
            None => Err(ValidationError::new("'source.csi_volume' is not set for CSI volume")),
            Some(csi) => require(
                csi.static_provisioning.is_some(),
                "'source.csi_volume.static_provisioning' is not set for CSI volume",
            ),
        },
        source::Type::Unknown => Err(ValidationError::new("'source.type' is unknown")),
    }
}

/// Returns `share_cgroups` as written, without its default.
pub(crate) fn share_cgroups(container: Option<&v1::ContainerInfo>) -> Option<bool> {
    container?.linux_info.as_ref()?.share_cgroups
}

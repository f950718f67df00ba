//! Translates the requests of a container to single isolators.

use std::path::{Path, PathBuf};

use ::agent::ContainerLaunch;
use containerizer::{
    CapabilityRequest, CapabilitySet, InImage, IpcMode, IpcRequest, Propagation, Requests, SeccompRequest, SecretData,
    User, Volume, VolumeSource,
};
use messages::v1;
use v1::volume::source::Type as SourceType;
use v1::volume::source::sandbox_path::Type as SandboxType;

/// The reason for which a request cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRequest {
    /// The number belongs to a later version of Mesos, or is missing.
    #[error("'container.linux_info' names an unknown capability: use those of CapabilityInfo in this version")]
    Capability,
    /// The kernel refuses such a limit.
    #[error("the soft limit {soft} of '{name}' is above its hard limit {hard}: lower 'soft' or raise 'hard'")]
    RlimitOrder {
        /// The kind of limit, as in `RLimitInfo`.
        name: &'static str,
        /// The soft limit.
        soft: u64,
        /// The hard limit.
        hard: u64,
    },
    /// One value of a limit is missing.
    #[error("the limit '{0}' has only one of 'soft' and 'hard': set both, or neither for no limit")]
    RlimitValues(&'static str),
    /// The networks are not possible.
    #[error("{0}")]
    Network(#[from] super::networks::InvalidNetwork),
    /// A volume has no source, or several.
    #[error("the volume at '{0}' must have one source: 'host_path', 'image', or 'source' with its type")]
    VolumeSource(String),
    /// The path would be relative to an unknown directory.
    #[error("'container_path' is relative for SANDBOX_PATH volume SELF type")]
    RelativeSelf,
    /// There is no parent.
    #[error("SANDBOX_PATH volume PARENT type only works for nested container")]
    NoParent,
    /// Both forms are set.
    #[error("Only one of 'capability_info' or 'effective_capabilities' is allowed")]
    Capabilities,
}

/// Returns the `ContainerInfo` of a command task or of a custom executor.
pub fn container_info(launch: &ContainerLaunch) -> Option<&v1::ContainerInfo> {
    match &launch.command_task {
        Some(task) => task.container.as_deref(),
        None => launch.executor_info.container.as_deref(),
    }
}

/// Returns the `CommandInfo` of a command task or of a custom executor.
pub fn command_info(launch: &ContainerLaunch) -> Option<&v1::CommandInfo> {
    match &launch.command_task {
        Some(task) => task.command.as_deref(),
        None => launch.executor_info.command.as_deref(),
    }
}

/// The place of a container, to which its requests are relative.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The sandbox.
    pub sandbox: &'a Path,
    /// The sandbox of the container that it is nested in.
    pub parent_sandbox: Option<&'a Path>,
}

/// Returns what a container asks for. `image` is the file of the isolation in its image, if it has one; its program then
/// runs as `user`.
///
/// # Errors
/// Returns [`InvalidRequest`] for fields that contradict each other or have unknown values.
pub fn requests(
    container: Option<&v1::ContainerInfo>,
    place: Place<'_>,
    image: Option<PathBuf>,
    user: Option<&User>,
) -> Result<Requests, InvalidRequest> {
    let linux = container.and_then(|container| container.linux_info.as_deref());
    let volumes = container.map(|container| container.volumes.as_slice()).unwrap_or_default();
    let has_root =
        container.and_then(|container| container.mesos.as_deref()).is_some_and(|mesos| mesos.image.is_some());
    Ok(Requests {
        is_helper: false,
        // An image is no part of the host, and mounted elsewhere.
        volumes: volumes
            .iter()
            .filter(|given| given.image.is_none())
            .map(|given| volume(given, place))
            .collect::<Result<_, _>>()?,
        image: image.map(|isolation| InImage { isolation, user: user.cloned(), has_root, needs_nvidia_driver: false }),
        capabilities: linux.map(capabilities).transpose()?.unwrap_or_default(),
        share_pid_namespace: linux.is_some_and(|linux| linux.share_pid_namespace == Some(true)),
        ipc: linux.map(ipc).unwrap_or_default(),
        hostname: container.and_then(|container| container.hostname.clone()),
        networks: super::networks::requests(container)?,
        seccomp: linux.and_then(|linux| linux.seccomp.as_ref()).map_or_else(SeccompRequest::default, |seccomp| {
            SeccompRequest::new(seccomp.profile_name.as_deref(), seccomp.unconfined.unwrap_or_default())
        }),
    })
}

/// Checks that every volume has a source, before anything is made or pulled for the container.
///
/// # Errors
/// Returns [`InvalidRequest::VolumeSource`] with the path of the first volume without a source.
pub fn check_sources(volumes: &[v1::Volume]) -> Result<(), InvalidRequest> {
    let is_empty =
        |volume: &&v1::Volume| volume.image.is_none() && volume.host_path.is_none() && volume.source.is_none();
    volumes.iter().find(is_empty).map_or(Ok(()), |volume| Err(unclear_source(volume)))
}

fn unclear_source(volume: &v1::Volume) -> InvalidRequest {
    /// The maximum of characters of a path in an error, which becomes the message of a status.
    const SHOWN: usize = 200;
    let path: String = volume.container_path.chars().take(SHOWN).collect();
    InvalidRequest::VolumeSource(model::visible(&path).into_owned())
}

fn volume(given: &v1::Volume, place: Place<'_>) -> Result<Volume, InvalidRequest> {
    let sandbox = |root: &Path, path: &str| VolumeSource::Sandbox { root: root.to_owned(), path: path.into() };
    let host = |path: &str, propagation| VolumeSource::HostPath { path: path.into(), propagation };
    let unclear = || unclear_source(given);
    let source = match (given.host_path.as_deref(), given.source.as_deref()) {
        // As in Mesos, this form names a directory of the sandbox if it is relative.
        (Some(path), None) if Path::new(path).is_absolute() => host(path, Propagation::default()),
        (Some(path), None) => sandbox(place.sandbox, path),
        (None, Some(source)) => match (source.r#type(), source.host_path.as_ref(), source.sandbox_path.as_ref()) {
            (SourceType::HostPath, Some(given), _) => {
                let mode = given.mount_propagation.as_ref().map(v1::MountPropagation::mode);
                let both = mode == Some(v1::mount_propagation::Mode::Bidirectional);
                host(&given.path, if both { Propagation::Bidirectional } else { Propagation::HostToContainer })
            }
            (SourceType::Secret, ..) => {
                let value = source.secret.as_deref().and_then(|secret| secret.value.as_ref());
                VolumeSource::Secret(SecretData::new(value.ok_or_else(unclear)?.data.clone()))
            }
            (SourceType::SandboxPath, _, Some(path)) => match path.r#type() {
                SandboxType::Parent => sandbox(place.parent_sandbox.ok_or(InvalidRequest::NoParent)?, &path.path),
                SandboxType::Self_ if !Path::new(&given.container_path).is_absolute() => {
                    return Err(InvalidRequest::RelativeSelf);
                }
                SandboxType::Self_ => sandbox(place.sandbox, &path.path),
                SandboxType::Unknown => return Err(unclear()),
            },
            _ => return Err(unclear()),
        },
        _ => return Err(unclear()),
    };
    Ok(Volume {
        source,
        container_path: (&given.container_path).into(),
        read_only: given.mode() == v1::volume::Mode::Ro,
    })
}

fn ipc(linux: &v1::LinuxInfo) -> IpcRequest {
    let mode = match linux.ipc_mode() {
        v1::linux_info::IpcMode::Unknown => None,
        v1::linux_info::IpcMode::Private => Some(IpcMode::Private),
        v1::linux_info::IpcMode::ShareParent => Some(IpcMode::ShareParent),
    };
    IpcRequest { mode, shm_megabytes: linux.shm_size }
}

#[allow(deprecated, reason = "older frameworks set the older field")]
fn capabilities(linux: &v1::LinuxInfo) -> Result<CapabilityRequest, InvalidRequest> {
    let effective = match (linux.effective_capabilities.as_deref(), linux.capability_info.as_deref()) {
        (Some(_), Some(_)) => return Err(InvalidRequest::Capabilities),
        (given, older) => given.or(older),
    };
    Ok(CapabilityRequest {
        effective: effective.map(capability_set).transpose()?,
        bounding: linux.bounding_capabilities.as_deref().map(capability_set).transpose()?,
    })
}

fn capability_set(info: &v1::CapabilityInfo) -> Result<CapabilitySet, InvalidRequest> {
    info.capabilities.iter().try_fold(CapabilitySet::EMPTY, |set, number| {
        Ok(set.union(CapabilitySet::of_mesos(*number).ok_or(InvalidRequest::Capability)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::capability_info::Capability;

    #[test]
    #[allow(deprecated, reason = "older frameworks set the older field")]
    fn capabilities_are_requested_in_one_form() {
        let info = |given: &[Capability]| {
            Some(Box::new(v1::CapabilityInfo { capabilities: given.iter().map(|one| *one as i32).collect() }))
        };
        let raw = CapabilitySet::of_name("NET_RAW");
        let older = v1::LinuxInfo { capability_info: info(&[Capability::NetRaw]), ..Default::default() };
        assert_eq!(capabilities(&older).unwrap(), CapabilityRequest { effective: raw, bounding: None });
        let both = v1::LinuxInfo { effective_capabilities: info(&[]), ..older };
        assert!(matches!(capabilities(&both), Err(InvalidRequest::Capabilities)));
        let unknown = v1::LinuxInfo { bounding_capabilities: info(&[Capability::Unknown]), ..Default::default() };
        assert!(matches!(capabilities(&unknown), Err(InvalidRequest::Capability)));
    }
}

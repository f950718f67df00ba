//! Why a container cannot be created as it is asked for.

/// The reason for which a container cannot be created as it is asked for. The texts without a parameter are Mesos'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidOptions {
    #[error("No docker info found in container info")]
    NoDockerInfo,
    #[error("Shell specified but no command value provided")]
    NoCommand,
    #[error("Both host_path '{host_path}' and container_path '{container_path}' of a volume are relative")]
    RelativeVolume { host_path: String, container_path: String },
    #[error("Host path or volume source is required")]
    NoVolumeSource,
    #[error("the volume at '{0}' has a source of a type that Docker does not have")]
    VolumeType(String),
    #[error("the volume at '{0}': its path leaves the sandbox")]
    OutsideSandbox(String),
    #[error("the volume at '{0}' has a ':' in its path, which Docker cannot mount")]
    Colon(String),
    #[error("Only one volume driver is supported")]
    VolumeDrivers,
    #[error("Only one volume driver per task is supported")]
    TaskVolumeDrivers,
    #[error("No network info found in container info")]
    NoNetworkInfo,
    #[error("Only a single network can be defined in Docker run")]
    Networks,
    #[error("No network name found in network info")]
    NoNetworkName,
    #[error("'network_infos' names a network, which a container has with the network USER of 'docker' only")]
    NamedNetwork,
    #[error("Unable to set hostname with host network mode")]
    Hostname,
    #[error("Port mappings are only supported for bridge and user-defined networks")]
    PortMappings,
    #[error("Port mappings require port resources")]
    NoPorts,
    #[error("Port [{0}] not included in resources")]
    Port(u32),
    #[error("the port mapping of host port {0} has a number that is no port")]
    PortNumber(u32),
    #[error("the secret of the variable '{0}' cannot be resolved: there is no secret resolver")]
    Secret(String),
    #[error("the secret of the variable '{0}' is no text, and Docker takes nothing else")]
    SecretText(String),
    #[error("'{0}' cannot be carried out by Docker")]
    Field(&'static str),
    #[error("the docker parameter '{key}' {problem}")]
    Parameter { key: String, problem: String },
}

impl InvalidOptions {
    pub(super) fn parameter(key: &str, problem: impl Into<String>) -> Self {
        let key: String = key.chars().take(100).collect();
        InvalidOptions::Parameter { key: model::visible(&key).into_owned(), problem: problem.into() }
    }
}

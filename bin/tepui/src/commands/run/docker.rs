//! `--containerizer docker`: the container of a task at the Docker daemons of the agents, whose options are docker's own.

use messages::v1;
use v1::container_info::docker_info::{Network, PortMapping};

use super::capabilities::Named;
use super::networks::Publish;

/// The containerizer of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Containerizer {
    /// The one of the agents themselves.
    #[default]
    Mesos,
    /// The Docker daemons of the agents.
    Docker,
}

/// What the flags say about a container at Docker.
#[derive(Debug, Default)]
pub struct DockerFlags<'a> {
    pub image: Option<&'a str>,
    pub networks: &'a [String],
    pub ports: &'a [Publish],
    pub workdir: Option<&'a str>,
    pub cap_add: &'a [Named],
    pub cap_drop: &'a [Named],
    pub read_only: bool,
    pub shm_size: Option<u32>,
    pub tmpfs: &'a [String],
    pub entrypoint: Option<&'a str>,
    pub options: &'a [String],
}

/// Returns the description of the container, and its network if that has a name.
///
/// # Errors
///
/// Returns what is missing or contradicts itself.
pub fn docker(flags: &DockerFlags<'_>) -> Result<(v1::container_info::DockerInfo, Option<v1::NetworkInfo>), String> {
    let image = flags.image.ok_or("--containerizer docker needs --image, because Docker runs nothing without one")?;
    let (network, named) = match flags.networks {
        // Docker publishes ports of a bridge.
        [] if !flags.ports.is_empty() => (Some(Network::Bridge), None),
        [] => (None, None),
        [name] => match name.as_str() {
            "host" => (Some(Network::Host), None),
            "bridge" => (Some(Network::Bridge), None),
            "none" => (Some(Network::None), None),
            name => (Some(Network::User), Some(name)),
        },
        _ => return Err("--network: a container at Docker starts in one network; give one of them".to_owned()),
    };
    if !flags.ports.is_empty() && matches!(network, Some(Network::Host | Network::None)) {
        return Err("--publish needs --network bridge or one with a name".to_owned());
    }
    let parameter = |key: &str, value: String| v1::Parameter { key: key.to_owned(), value };
    let mut parameters = Vec::new();
    parameters.extend(flags.workdir.map(|path| parameter("workdir", path.to_owned())));
    parameters.extend(flags.read_only.then(|| parameter("read-only", "true".to_owned())));
    parameters.extend(flags.tmpfs.iter().map(|text| parameter("tmpfs", text.clone())));
    parameters.extend(flags.entrypoint.map(|program| parameter("entrypoint", program.to_owned())));
    parameters.extend(flags.shm_size.map(|megabytes| parameter("shm-size", format!("{megabytes}m"))));
    for (key, named) in [("cap-add", flags.cap_add), ("cap-drop", flags.cap_drop)] {
        parameters.extend(named.iter().map(|named| parameter(key, named.to_string())));
    }
    for option in flags.options {
        let (key, value) = option.split_once('=').unwrap_or((option, "true"));
        let key = key.trim_start_matches('-');
        if key.is_empty() {
            return Err(format!(
                "--docker-option '{option}': expected the name of an option of docker run, e.g. init=true"
            ));
        }
        parameters.push(parameter(key, value.to_owned()));
    }
    let mapping = |port: &Publish| PortMapping {
        host_port: port.host_port,
        container_port: port.container_port,
        protocol: port.protocol.clone(),
    };
    let info = v1::container_info::DockerInfo {
        image: image.to_owned(),
        network: network.map(i32::from),
        port_mappings: flags.ports.iter().map(mapping).collect(),
        parameters,
        ..Default::default()
    };
    Ok((info, named.map(|name| v1::NetworkInfo { name: Some(name.to_owned()), ..Default::default() })))
}

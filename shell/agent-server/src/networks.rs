//! The networks of containers: from the description of a task to the containerizer, and back into the status of the task.

use std::net::IpAddr;

use containerizer::{AddressRequest, JoinedNetwork, NetworkRequest, PortMapping};
use messages::v1;
use tracing::warn;

/// The maximum number of networks of a container.
const MAX_NETWORKS: usize = 64;
/// The maximum number of port mappings of a network.
const MAX_MAPPINGS: usize = 4096;

/// The reason for which the networks that a container asks for cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// A container that uses the network of the agent has its ports.
    #[error("'network_infos' maps ports or asks for an address without a network: set its 'name'")]
    Unnamed,
    /// Ports are numbers of 16 bits.
    #[error("a port mapping of the network '{0}' must have ports from 1 to 65535, and the protocol tcp or udp")]
    PortMapping(String),
    /// The text is no address.
    #[error("an 'ip_address' of the network '{0}' is not an IP address")]
    Address(String),
    /// A list is too long.
    #[error("a container can have {MAX_NETWORKS} networks, and each of them {MAX_MAPPINGS} port mappings")]
    TooMany,
    /// The executor could not reach its agent.
    #[error(
        "a container in a network of its own cannot reach the agent at {0}: start the agent with --ip and an address that the network leads to"
    )]
    LoopbackAgent(IpAddr),
}

/// Returns the networks that a container asks for. Those without a name are the network of the agent, as in Mesos.
///
/// # Errors
/// Returns [`InvalidNetwork`] for values that no network can carry out.
pub fn requests(container: Option<&v1::ContainerInfo>) -> Result<Vec<NetworkRequest>, InvalidNetwork> {
    let infos = container.map(|container| container.network_infos.as_slice()).unwrap_or_default();
    if infos.len() > MAX_NETWORKS || infos.iter().any(|info| info.port_mappings.len() > MAX_MAPPINGS) {
        return Err(InvalidNetwork::TooMany);
    }
    let mut requests = Vec::new();
    for info in infos {
        match &info.name {
            Some(name) => requests.push(request(name, info)?),
            None if info.port_mappings.is_empty() && info.ip_addresses.iter().all(|it| it.ip_address.is_none()) => {}
            None => return Err(InvalidNetwork::Unnamed),
        }
    }
    Ok(requests)
}

fn request(name: &str, info: &v1::NetworkInfo) -> Result<NetworkRequest, InvalidNetwork> {
    let shown = || model::visible(&name.chars().take(200).collect::<String>()).into_owned();
    let mapping = |mapping: &v1::network_info::PortMapping| {
        let port = |number: u32| u16::try_from(number).ok().filter(|port| *port > 0);
        let udp = match mapping.protocol.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("tcp") => false,
            Some("udp") => true,
            Some(_) => return None,
        };
        Some(PortMapping { host_port: port(mapping.host_port)?, container_port: port(mapping.container_port)?, udp })
    };
    let mappings = info.port_mappings.iter().map(mapping).collect::<Option<Vec<_>>>();
    let address = |address: &v1::network_info::IpAddress| match (&address.ip_address, address.protocol) {
        (Some(text), _) => text.parse().ok().map(AddressRequest::Address),
        // An unset field means IPv4, the default of the schema, and then nothing in particular.
        (None, None) => None,
        (None, Some(_)) => Some(match address.protocol() {
            v1::network_info::Protocol::IPv4 => AddressRequest::V4,
            v1::network_info::Protocol::IPv6 => AddressRequest::V6,
        }),
    };
    let asked = info.ip_addresses.iter().filter(|address| address.ip_address.is_some() || address.protocol.is_some());
    let addresses = asked.map(address).collect::<Option<Vec<_>>>();
    Ok(NetworkRequest {
        name: name.to_owned(),
        network_info: String::from_utf8_lossy(&wire::json::encode(info)).into_owned(),
        port_mappings: mappings.ok_or_else(|| InvalidNetwork::PortMapping(shown()))?,
        addresses: addresses.ok_or_else(|| InvalidNetwork::Address(shown()))?,
    })
}

/// Checks that an executor in networks of its own can reach the agent, whose endpoint is in its environment.
///
/// # Errors
/// Returns [`InvalidNetwork::LoopbackAgent`] for an agent that listens on the loopback interface.
pub fn check_reachable(requests: &[NetworkRequest], environment: &[(String, String)]) -> Result<(), InvalidNetwork> {
    let endpoint = environment.iter().find(|(name, _)| name == "MESOS_AGENT_ENDPOINT").map(|(_, value)| value);
    let address = endpoint.and_then(|endpoint| endpoint.parse::<std::net::SocketAddr>().ok());
    match address.map(|address| address.ip()).filter(IpAddr::is_loopback) {
        Some(ip) if !requests.is_empty() => Err(InvalidNetwork::LoopbackAgent(ip)),
        _ => Ok(()),
    }
}

/// Returns the networks of a container as the status of a task has them: what was asked for, with the addresses that the
/// container got.
pub fn network_infos(joined: &[JoinedNetwork]) -> Vec<v1::NetworkInfo> {
    joined.iter().filter_map(network_info).collect()
}

fn network_info(joined: &JoinedNetwork) -> Option<v1::NetworkInfo> {
    let decoded = wire::json::decode::<v1::NetworkInfo>(joined.network_info.as_bytes(), &wire::Limits::default());
    let mut info = decoded.inspect_err(|error| warn!(%error, "the record of a network is damaged")).ok()?;
    let address = |address: &IpAddr| v1::network_info::IpAddress {
        protocol: Some(if address.is_ipv4() {
            v1::network_info::Protocol::IPv4 as i32
        } else {
            v1::network_info::Protocol::IPv6 as i32
        }),
        ip_address: Some(address.to_string()),
    };
    info.ip_addresses = joined.addresses.iter().map(address).collect();
    Some(info)
}

#[cfg(test)]
mod tests {
    use v1::network_info::{IpAddress, PortMapping as Mapping};

    use super::*;

    fn container(infos: Vec<v1::NetworkInfo>) -> v1::ContainerInfo {
        v1::ContainerInfo { network_infos: infos, ..Default::default() }
    }

    #[test]
    fn what_a_container_asks_for_comes_back_with_its_addresses() {
        let mapping = Mapping { host_port: 31000, container_port: 80, protocol: Some("UDP".into()) };
        let address = IpAddress { protocol: None, ip_address: Some("10.0.0.9".into()) };
        let info = v1::NetworkInfo {
            name: Some("net".into()),
            port_mappings: vec![mapping],
            ip_addresses: vec![address],
            ..Default::default()
        };
        let found = requests(Some(&container(vec![v1::NetworkInfo::default(), info.clone()]))).unwrap();
        assert_eq!(found[0].port_mappings, [PortMapping { host_port: 31000, container_port: 80, udp: true }]);
        assert_eq!(found[0].addresses, [AddressRequest::Address("10.0.0.9".parse().unwrap())]);
        let addresses = vec!["10.0.0.9".parse().unwrap(), "fd00::9".parse().unwrap()];
        let joined = JoinedNetwork { network_info: found[0].network_info.clone(), addresses };
        let told = network_infos(&[joined]);
        assert_eq!((&told[0].name, &told[0].port_mappings), (&info.name, &info.port_mappings));
        let addresses: Vec<_> = told[0].ip_addresses.iter().map(|it| (it.protocol(), it.ip_address())).collect();
        let (v4, v6) = (v1::network_info::Protocol::IPv4, v1::network_info::Protocol::IPv6);
        assert_eq!(addresses, [(v4, "10.0.0.9"), (v6, "fd00::9")]);
    }

    #[test]
    fn what_no_network_can_carry_out_is_refused() {
        let named = |name: Option<&str>| v1::NetworkInfo { name: name.map(str::to_owned), ..Default::default() };
        let mapped = |name: Option<&str>, host_port, protocol: Option<&str>| v1::NetworkInfo {
            port_mappings: vec![Mapping { host_port, container_port: 80, protocol: protocol.map(str::to_owned) }],
            ..named(name)
        };
        let check = |info: v1::NetworkInfo, expect: InvalidNetwork| {
            assert_eq!(requests(Some(&container(vec![info]))).unwrap_err(), expect);
        };
        check(mapped(None, 31000, None), InvalidNetwork::Unnamed);
        for (port, protocol) in [(0, None), (65536, None), (31000, Some("sctp"))] {
            check(mapped(Some("n"), port, protocol), InvalidNetwork::PortMapping("n".into()));
        }
        let address = IpAddress { protocol: None, ip_address: Some("10.0.0".into()) };
        check(v1::NetworkInfo { ip_addresses: vec![address], ..named(Some("n")) }, InvalidNetwork::Address("n".into()));
        assert_eq!(requests(Some(&container(vec![named(Some("n")); 65]))).unwrap_err(), InvalidNetwork::TooMany);
    }

    #[test]
    fn an_agent_on_the_loopback_interface_cannot_be_reached() {
        let environment = |address: &str| vec![("MESOS_AGENT_ENDPOINT".to_owned(), address.to_owned())];
        let info = v1::NetworkInfo { name: Some("net".into()), ..Default::default() };
        let networks = requests(Some(&container(vec![info]))).unwrap();
        assert!(check_reachable(&networks, &environment("127.0.0.1:5051")).is_err());
        check_reachable(&networks, &environment("10.0.0.1:5051")).unwrap();
        check_reachable(&[], &environment("127.0.0.1:5051")).unwrap();
    }
}

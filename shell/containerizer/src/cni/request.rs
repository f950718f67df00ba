//! What a container asks of a network, and what it has got.

use std::fmt;
use std::net::IpAddr;

/// A network that a container asks for (`NetworkInfo` of Mesos).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRequest {
    /// The name of the network.
    pub name: String,
    /// The whole `NetworkInfo` in JSON, which plugins find under `args` and `org.apache.mesos`.
    pub network_info: String,
    /// The ports of the agent that lead to ports of the container.
    pub port_mappings: Vec<PortMapping>,
    /// The addresses that the container needs.
    pub addresses: Vec<AddressRequest>,
}

/// A port of the agent that leads to a port of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    /// The port of the agent.
    pub host_port: u16,
    /// The port of the container.
    pub container_port: u16,
    /// Whether it is a port of UDP, and not of TCP.
    pub udp: bool,
}

/// An address that a container needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressRequest {
    /// This one.
    Address(IpAddr),
    /// Any of IPv4.
    V4,
    /// Any of IPv6.
    V6,
}

impl AddressRequest {
    /// Returns whether an address is what was asked for.
    pub(crate) fn is_met_by(self, address: IpAddr) -> bool {
        match self {
            AddressRequest::Address(wanted) => wanted == address,
            AddressRequest::V4 => address.is_ipv4(),
            AddressRequest::V6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for AddressRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressRequest::Address(address) => address.fmt(f),
            AddressRequest::V4 => f.write_str("one of IPv4"),
            AddressRequest::V6 => f.write_str("one of IPv6"),
        }
    }
}

/// A network that a container has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedNetwork {
    /// The `NetworkInfo` in JSON that the container asked for.
    pub network_info: String,
    /// The addresses of the container in the network.
    pub addresses: Vec<IpAddr>,
}

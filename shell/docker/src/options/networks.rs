//! The network of a container, its ports and its name servers.

use messages::v1;
use serde_json::json;
use v1::container_info::docker_info::Network;

use super::create::ContainerRequest;
use super::document::Document;
use super::error::InvalidOptions;

/// Sets the network, the host name and the ports.
///
/// # Errors
/// Returns the errors of Mesos.
pub fn set(document: &mut Document, request: &ContainerRequest<'_>) -> Result<(), InvalidOptions> {
    let container = request.container;
    let docker = container.docker.as_deref().ok_or(InvalidOptions::NoDockerInfo)?;
    document.network = match docker.network() {
        Network::Host => "host".to_owned(),
        Network::Bridge => "bridge".to_owned(),
        Network::None => "none".to_owned(),
        Network::User => {
            let network = match container.network_infos.as_slice() {
                [] => return Err(InvalidOptions::NoNetworkInfo),
                [network] => network,
                _ => return Err(InvalidOptions::Networks),
            };
            let addresses = network.ip_addresses.iter().filter_map(|address| address.ip_address.as_deref());
            for address in addresses {
                let field = if address.contains(':') { "IPv6Address" } else { "IPv4Address" };
                document.insert_endpoint("IPAMConfig", field, address);
            }
            network.name.clone().ok_or(InvalidOptions::NoNetworkName)?
        }
    };
    let names_network = container.network_infos.iter().any(|network| network.name.is_some());
    if names_network && docker.network() != Network::User {
        return Err(InvalidOptions::NamedNetwork);
    }
    if let Some(hostname) = &container.hostname {
        if document.network == "host" {
            return Err(InvalidOptions::Hostname);
        }
        document.set("Hostname", hostname.as_str());
    }
    if docker.port_mappings.is_empty() {
        return Ok(());
    }
    if matches!(document.network.as_str(), "host" | "none") {
        return Err(InvalidOptions::PortMappings);
    }
    let ranges = |resource: &v1::Resource| resource.ranges.clone().filter(|_| resource.name == "ports");
    let own: Vec<_> = request.resources.iter().filter_map(ranges).flat_map(|ranges| ranges.range).collect();
    if own.is_empty() {
        return Err(InvalidOptions::NoPorts);
    }
    for mapping in &docker.port_mappings {
        let host = u64::from(mapping.host_port);
        if !own.iter().any(|range| (range.begin..=range.end).contains(&host)) {
            return Err(InvalidOptions::Port(mapping.host_port));
        }
        let port = |number: u32| u16::try_from(number).map_err(|_| InvalidOptions::PortNumber(mapping.host_port));
        let protocol = mapping.protocol.as_deref().unwrap_or("tcp").to_ascii_lowercase();
        document.publish(port(mapping.container_port)?, &protocol, port(mapping.host_port)?, "");
    }
    Ok(())
}

/// Sets the name servers of `--default_container_dns`, which has entries of Mesos' `ContainerDNSInfo.DockerInfo`.
pub fn set_default_dns(document: &mut Document, request: &ContainerRequest<'_>) {
    let network = request.container.docker.as_deref().map(v1::container_info::DockerInfo::network);
    let Some(dns) = request.dns.filter(|_| !document.has_dns) else { return };
    let mode = |entry: &serde_json::Value| entry["network_mode"].as_str().unwrap_or_default().to_owned();
    let entries = dns["docker"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = match network {
        Some(Network::Bridge) => entries.iter().rev().find(|entry| mode(entry) == "BRIDGE"),
        Some(Network::User) => {
            let named = |entry: &&serde_json::Value| entry["network_name"].as_str() == Some(document.network.as_str());
            let of_user = || entries.iter().rev().filter(|entry| mode(entry) == "USER");
            of_user().find(named).or_else(|| of_user().find(|entry| entry["network_name"].is_null()))
        }
        _ => None,
    };
    let Some(found) = found.map(|entry| entry["dns"].clone()) else { return };
    for (field, key) in [("Dns", "nameservers"), ("DnsSearch", "search"), ("DnsOptions", "options")] {
        if found[key].is_array() {
            document.set_host(field, found[key].clone());
        }
    }
}

/// Adds a port that `--expose` names.
pub fn expose(document: &mut Document, port: &str) {
    let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
    document.insert("ExposedPorts", &port, json!({}));
}

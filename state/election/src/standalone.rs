//! A master known by its address (`--master=host:port`).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};

use messages::v1;

/// The file with names of machines, which is read without a name server.
const HOSTS: &str = "/etc/hosts";

/// A text is not `host:port`.
#[derive(Debug, thiserror::Error)]
#[error("cannot use '{0}' as a master: expected host:port")]
pub struct InvalidAddress(String);

/// Returns the data of a standalone master, of which only the address is known.
///
/// # Errors
/// Returns [`InvalidAddress`] if the text is not `host:port`, or the host has no IPv4 address.
pub fn standalone(text: &str) -> Result<v1::MasterInfo, InvalidAddress> {
    let address = text.strip_prefix("master@").unwrap_or(text);
    let unusable = || InvalidAddress(text.to_owned());
    let mut resolved = address.to_socket_addrs().map_err(|_| unusable())?;
    let found = resolved.find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    let found = found.ok_or_else(unusable)?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let hosts = std::fs::read_to_string(HOSTS).unwrap_or_default();
    let named = host.parse::<Ipv4Addr>().ok().and_then(|ip| name_of(ip, &hosts));
    Ok(info(found, named.unwrap_or(host)))
}

/// Returns the name for an address, which `/state` shows. Mesos asks the name server as well; the local file cannot
/// delay the start of an agent.
fn name_of(ip: Ipv4Addr, hosts: &str) -> Option<&str> {
    let entries = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    entries.filter_map(|mut entry| Some((entry.next()?, entry.next()?))).find_map(|(address, name)| {
        let is_it = address.parse::<Ipv4Addr>().is_ok_and(|other| other == ip);
        is_it.then_some(name)
    })
}

fn info(address: SocketAddrV4, hostname: &str) -> v1::MasterInfo {
    v1::MasterInfo {
        // The id of a master that was not elected is never compared.
        id: uuid::Uuid::new_v4().to_string(),
        // Mesos stores `in_addr.s_addr`: network byte order, read as a little-endian number.
        ip: u32::from_le_bytes(address.ip().octets()),
        port: u32::from(address.port()),
        pid: Some(format!("master@{address}")),
        hostname: Some(hostname.to_owned()),
        address: Some(Box::new(v1::Address {
            hostname: Some(hostname.to_owned()),
            ip: Some(address.ip().to_string()),
            port: i32::from(address.port()),
        })),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masters() {
        for text in ["127.0.0.1:5050", "master@127.0.0.1:5050"] {
            let info = standalone(text).unwrap();
            assert_eq!(info.pid.as_deref(), Some("master@127.0.0.1:5050"));
            assert_eq!((info.ip, info.port), (16_777_343, 5050));
            // Every hosts file has this name.
            assert_eq!(info.hostname(), "localhost");
        }
    }

    #[test]
    fn a_given_name_is_kept() {
        assert_eq!(standalone("localhost:5050").unwrap().hostname(), "localhost");
    }

    #[test]
    fn addresses_have_their_first_name() {
        let hosts =
            "# all of them\n127.0.0.1 localhost\n10.0.0.7\tleader.example leader # for now\n10.0.0.7 late\n10.0.0.9\n";
        for (ip, name) in [("127.0.0.1", Some("localhost")), ("10.0.0.7", Some("leader.example")), ("10.0.0.9", None)] {
            assert_eq!(name_of(ip.parse().unwrap(), hosts), name, "{ip}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for text in ["", "127.0.0.1", "zk://h:2181/mesos", "127.0.0.1:99999"] {
            let error = standalone(text).unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }
}

//! A master known by its address (`--master=host:port`).

use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};

use messages::v1;

use crate::Error;

/// What a standalone detector knows of a master: its address.
pub fn standalone(text: &str) -> Result<v1::MasterInfo, Error> {
    let address = text.strip_prefix("master@").unwrap_or(text);
    let unusable = || Error::Master(text.to_owned());
    let mut resolved = address.to_socket_addrs().map_err(|_| unusable())?;
    let found = resolved.find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    let hostname = address.rsplit_once(':').map_or(address, |(host, _)| host);
    Ok(info(found.ok_or_else(unusable)?, hostname))
}

fn info(address: SocketAddrV4, hostname: &str) -> v1::MasterInfo {
    v1::MasterInfo {
        // Nobody looks at the id of a master that was not elected.
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
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["", "127.0.0.1", "zk://h:2181/mesos", "127.0.0.1:99999"] {
            let error = standalone(text).unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }
}

//! A master known by its address (`--master=host:port`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use messages::v1;

use crate::Error;

/// A name service that does not answer must not keep an agent from starting.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a standalone detector knows of a master: its address.
pub fn standalone(text: &str) -> Result<v1::MasterInfo, Error> {
    let address = text.strip_prefix("master@").unwrap_or(text);
    let unusable = || Error::Master(text.to_owned());
    let mut resolved = address.to_socket_addrs().map_err(|_| unusable())?;
    let found = resolved.find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    let found = found.ok_or_else(unusable)?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let named = host.parse::<Ipv4Addr>().ok().and_then(|ip| name_of(ip, dns_lookup::lookup_addr));
    Ok(info(found, named.as_deref().unwrap_or(host)))
}

/// The name of a master that was given by its address: `/state` shows it, as Mesos does.
fn name_of<F, E>(ip: Ipv4Addr, look_up: F) -> Option<String>
where
    F: FnOnce(&IpAddr) -> Result<String, E> + Send + 'static,
    E: Send + 'static,
{
    let (tell, told) = mpsc::channel();
    let look_up = move || {
        // Nobody listens any more when it took too long.
        let _ = tell.send(look_up(&IpAddr::V4(ip)));
    };
    std::thread::Builder::new().name("name-lookup".to_owned()).spawn(look_up).ok()?;
    told.recv_timeout(PATIENCE).ok()?.ok()
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
            // Every hosts file has this one.
            assert_eq!(info.hostname(), "localhost");
        }
    }

    #[test]
    fn a_name_given_is_a_name_kept() {
        assert_eq!(standalone("localhost:5050").unwrap().hostname(), "localhost");
    }

    #[test]
    fn a_name_service_may_fail_or_sleep() {
        assert_eq!(name_of(Ipv4Addr::LOCALHOST, |ip| Ok::<_, ()>(format!("host-{ip}"))), Some("host-127.0.0.1".into()));
        assert_eq!(name_of(Ipv4Addr::LOCALHOST, |_| Err(())), None);
        let (_keep, never) = mpsc::channel::<Result<String, mpsc::RecvError>>();
        assert_eq!(name_of(Ipv4Addr::LOCALHOST, move |_| never.recv().and_then(|told| told)), None);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["", "127.0.0.1", "zk://h:2181/mesos", "127.0.0.1:99999"] {
            let error = standalone(text).unwrap_err().to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }
}

//! The files by which a container in networks of its own resolves names.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::request::JoinedNetwork;
use super::result::Dns;

/// How names are resolved in one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkDns {
    /// The name of the network; `None` for all networks without an entry of their own.
    pub network: Option<String>,
    /// The settings.
    pub dns: Dns,
}

/// The names of the files in the directory of a container, and the places where it finds them.
pub(crate) const FILES: [(&str, &str); 3] =
    [("hosts", "/etc/hosts"), ("hostname", "/etc/hostname"), ("resolv.conf", "/etc/resolv.conf")];

/// Writes the files of a container. Without a name server there is no `resolv.conf`, and the container uses that of the
/// host, as in Mesos.
///
/// # Errors
/// Returns the error of the operating system.
pub(crate) fn write(directory: &Path, hostname: &str, networks: &[JoinedNetwork], dns: &Dns) -> io::Result<()> {
    std::fs::write(directory.join("hostname"), format!("{hostname}\n"))?;
    std::fs::write(directory.join("hosts"), hosts(hostname, networks.iter().flat_map(|joined| &joined.addresses)))?;
    if !dns.nameservers.is_empty() {
        std::fs::write(directory.join("resolv.conf"), resolver_config(dns))?;
    }
    Ok(())
}

/// Returns `/etc/hosts`: the host name leads to the first address of each family.
fn hosts<'a>(hostname: &str, addresses: impl Iterator<Item = &'a IpAddr> + Clone) -> String {
    let mut text = "127.0.0.1 localhost\n".to_owned();
    let first_v4 = addresses.clone().find(|address| address.is_ipv4());
    let first_v6 = addresses.clone().find(|address| address.is_ipv6());
    if first_v6.is_some() {
        text.push_str("::1 localhost\n");
    }
    for address in first_v4.into_iter().chain(first_v6) {
        let _ = writeln!(text, "{address} {hostname}");
    }
    text
}

/// Returns `/etc/resolv.conf` (`formatResolverConfig` of Mesos).
fn resolver_config(dns: &Dns) -> String {
    let mut text = String::new();
    if let Some(domain) = &dns.domain {
        let _ = writeln!(text, "domain {domain}");
    }
    for (word, values) in [("search", &dns.search), ("options", &dns.options)] {
        if !values.is_empty() {
            let _ = writeln!(text, "{word} {}", values.join(" "));
        }
    }
    for address in &dns.nameservers {
        let _ = writeln!(text, "nameserver {address}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_leads_to_the_container() {
        let addresses: Vec<IpAddr> =
            ["10.1.0.2", "10.2.0.2", "fd00::2"].iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(hosts("db", addresses.iter()), "127.0.0.1 localhost\n::1 localhost\n10.1.0.2 db\nfd00::2 db\n");
        assert_eq!(hosts("db", [].iter()), "127.0.0.1 localhost\n");
    }

    #[test]
    fn the_resolver_knows_what_all_networks_say() {
        let mut dns = Dns {
            nameservers: vec!["10.1.0.1".parse().unwrap()],
            domain: Some("one.example".into()),
            search: vec!["a.example".into()],
            options: vec!["ndots:2".into()],
        };
        dns.merge(&Dns {
            nameservers: vec!["10.2.0.1".parse().unwrap()],
            domain: Some("two.example".into()),
            search: vec!["b.example".into()],
            options: Vec::new(),
        });
        let expect = "domain two.example\nsearch a.example b.example\noptions ndots:2\n\
                      nameserver 10.1.0.1\nnameserver 10.2.0.1\n";
        assert_eq!(resolver_config(&dns), expect);
    }
}

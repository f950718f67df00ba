//! The answer of a plugin to ADD, in any version of the specification of CNI. A plugin is a program of the operator, but what
//! it answers may come from a service elsewhere, and becomes part of files and messages: it is checked.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

/// The maximum number of addresses, of name servers, of search domains, and of options.
const MAX_ENTRIES: usize = 64;
/// The maximum length of a domain (RFC 1035).
const MAX_DOMAIN: usize = 253;
/// The maximum length of an option of resolv.conf(5).
const MAX_OPTION: usize = 64;

/// What a plugin has given to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniResult {
    /// The addresses, in the order of the plugin.
    pub addresses: Vec<IpAddr>,
    /// How names are resolved in the network.
    pub dns: Dns,
}

/// How names are resolved (resolv.conf(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// The addresses of name servers.
    pub nameservers: Vec<IpAddr>,
    /// The local domain.
    pub domain: Option<String>,
    /// The search list.
    pub search: Vec<String>,
    /// The options.
    pub options: Vec<String>,
}

/// The reason for which the answer of a plugin cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResult {
    /// It is not JSON, or nested too deeply.
    #[error("it is not a JSON object: {0}")]
    Json(String),
    /// A value has another type than in the specification.
    #[error("'{path}' must be {expected}")]
    Type {
        /// The place of the value.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A list is longer than the bound.
    #[error("'{path}' has more than {MAX_ENTRIES} entries")]
    TooMany {
        /// The place of the list.
        path: String,
    },
}

impl CniResult {
    /// Reads an answer: `ip4` and `ip6` up to version 0.2.0, and `ips` since 0.3.0.
    ///
    /// # Errors
    /// Returns [`InvalidResult`] with the place of the first value that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidResult> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| InvalidResult::Json(error.to_string()))?;
        if !value.is_object() {
            return Err(InvalidResult::Json("it is another value".to_owned()));
        }
        let mut addresses = Vec::new();
        for (index, entry) in list(&value, "ips", "ips")?.iter().enumerate() {
            let path = format!("ips[{index}].address");
            addresses.push(address_with_prefix(entry.get("address").unwrap_or(&Value::Null), path)?);
        }
        for (name, is_v4) in [("ip4", true), ("ip6", false)] {
            let Some(entry) = value.get(name).filter(|entry| !entry.is_null()) else { continue };
            let path = format!("{name}.ip");
            let address = address_with_prefix(entry.get("ip").unwrap_or(&Value::Null), path.clone())?;
            if address.is_ipv4() != is_v4 {
                let expected = if is_v4 { "an address of IPv4" } else { "an address of IPv6" };
                return Err(InvalidResult::Type { path, expected });
            }
            addresses.push(address);
        }
        Ok(CniResult { addresses, dns: Dns::parse(value.get("dns").unwrap_or(&Value::Null), "dns")? })
    }
}

impl Dns {
    /// Reads the object `dns` of an answer, of a configuration, or of `--default_container_dns`.
    ///
    /// # Errors
    /// Returns [`InvalidResult`] with the place of the first value that is wrong.
    pub fn parse(value: &Value, path: &str) -> Result<Self, InvalidResult> {
        if !value.is_null() && !value.is_object() {
            return Err(InvalidResult::Type { path: path.to_owned(), expected: "an object" });
        }
        let nameserver = |value: &Value, path: String| {
            let address = value.as_str().and_then(|text| text.parse().ok());
            address.ok_or(InvalidResult::Type { path, expected: "an IP address" })
        };
        let domain = |value: &Value, path: String| word(value, path, MAX_DOMAIN, "the name of a domain");
        let option = |value: &Value, path: String| word(value, path, MAX_OPTION, "an option of resolv.conf");
        let own_domain = value.get("domain").filter(|domain| !domain.is_null() && *domain != "");
        Ok(Dns {
            nameservers: entries(value, path, "nameservers", nameserver)?,
            domain: own_domain.map(|value| domain(value, format!("{path}.domain"))).transpose()?,
            search: entries(value, path, "search", domain)?,
            options: entries(value, path, "options", option)?,
        })
    }

    /// Adds what another network says. Of single values, the later one counts, as in Mesos.
    pub(crate) fn merge(&mut self, other: &Dns) {
        self.nameservers.extend(&other.nameservers);
        self.domain = other.domain.clone().or(self.domain.take());
        self.search.extend(other.search.iter().cloned());
        self.options.extend(other.options.iter().cloned());
    }
}

fn list<'a>(value: &'a Value, name: &str, path: &str) -> Result<&'a [Value], InvalidResult> {
    let entries = match value.get(name) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(_) => return Err(InvalidResult::Type { path: path.to_owned(), expected: "a list" }),
    };
    match entries.len() <= MAX_ENTRIES {
        true => Ok(entries),
        false => Err(InvalidResult::TooMany { path: path.to_owned() }),
    }
}

fn entries<T>(
    value: &Value,
    path: &str,
    name: &str,
    read: impl Fn(&Value, String) -> Result<T, InvalidResult>,
) -> Result<Vec<T>, InvalidResult> {
    let path = format!("{path}.{name}");
    let one = |(index, value): (usize, &Value)| read(value, format!("{path}[{index}]"));
    list(value, name, &path)?.iter().enumerate().map(one).collect()
}

/// Reads an address in CIDR notation that a container can have.
fn address_with_prefix(value: &Value, path: String) -> Result<IpAddr, InvalidResult> {
    let read = || {
        let (address, prefix) = value.as_str()?.split_once('/')?;
        let (address, prefix): (IpAddr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let is_usable = !address.is_unspecified() && !address.is_multicast() && address != Ipv4Addr::BROADCAST;
        (prefix <= longest && is_usable).then_some(address)
    };
    read().ok_or(InvalidResult::Type { path, expected: "an address with the length of its prefix, e.g. 10.0.0.2/16" })
}

/// Reads a word of a configuration file.
fn word(value: &Value, path: String, longest: usize, expected: &'static str) -> Result<String, InvalidResult> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    let word = value.as_str().filter(|text| !text.is_empty() && text.len() <= longest && text.bytes().all(is_plain));
    word.map(str::to_owned).ok_or(InvalidResult::Type { path, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_the_specification_is_read() {
        let check = |text: &str, expect: &[&str]| {
            let expect: Vec<IpAddr> = expect.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(CniResult::parse(text.as_bytes()).unwrap().addresses, expect, "{text}");
        };
        check(r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.1.2.3/16","gateway":"10.1.0.1"},"dns":{}}"#, &["10.1.2.3"]);
        check(r#"{"ip4":{"ip":"10.1.2.3/16"},"ip6":{"ip":"fd00::2/64"}}"#, &["10.1.2.3", "fd00::2"]);
        check(r#"{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.1.2.3/16"}]}"#, &["10.1.2.3"]);
        check(
            r#"{"cniVersion":"1.0.0","ips":[{"address":"fd00::2/64"},{"address":"10.0.0.1/8"}]}"#,
            &["fd00::2", "10.0.0.1"],
        );
        check(r#"{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}]}"#, &[]);
    }

    #[test]
    fn a_hostile_result_is_an_error() {
        let check = |text: &str, expect: &str| {
            let error = CniResult::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("", "not a JSON object");
        check("[]", "not a JSON object");
        check(&"[".repeat(100_000), "not a JSON object");
        check(r#"{"ips":{}}"#, "'ips' must be a list");
        check(r#"{"ips":[{"address":7}]}"#, "'ips[0].address' must be an address with the length of its prefix");
        check(r#"{"ips":["10.0.0.1/8"]}"#, "'ips[0].address'");
        for address in
            ["10.0.0.1", "10.0.0.1/33", "0.0.0.0/0", "224.0.0.1/8", "255.255.255.255/8", "a/8", "::/64", "10.0.0.1/8\n"]
        {
            let text = serde_json::json!({ "ips": [{ "address": address }] }).to_string();
            check(&text, "'ips[0].address'");
        }
        check(r#"{"ip4":{"ip":"fd00::2/64"}}"#, "'ip4.ip' must be an address of IPv4");
        check(r#"{"ip6":{}}"#, "'ip6.ip'");
        check(r#"{"dns":[]}"#, "'dns' must be an object");
        check(r#"{"dns":{"nameservers":["ns.example"]}}"#, "'dns.nameservers[0]' must be an IP address");
        check(r#"{"dns":{"search":["a\nnameserver 6.6.6.6"]}}"#, "'dns.search[0]' must be the name of a domain");
        check(r#"{"dns":{"domain":" "}}"#, "'dns.domain' must be");
        check(r#"{"dns":{"options":[{}]}}"#, "'dns.options[0]'");
        let many: Vec<_> = (0..65).map(|_| serde_json::json!({ "address": "10.0.0.1/8" })).collect();
        check(&serde_json::json!({ "ips": many }).to_string(), "'ips' has more than 64 entries");
    }
}

//! The addresses of masters and agents.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The host and port that a master or an agent listens on.
///
/// It is parsed from `host:port`, `http://host:port`, `//host:port` (the form of Mesos' redirects) and
/// `master@host:port`, and printed as `host:port`. `zk://…` is not an address; [`detect`](crate::detect) finds the
/// master that leads there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The host name, IPv4 address or IPv6 address (without brackets).
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Address {
    /// Makes an address from a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Address { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Parses an address.
    ///
    /// # Errors
    /// Returns [`Error::Address`] for a text of another form, for `zk://`, and for `https://`, which is not supported
    /// yet.
    fn from_str(given: &str) -> Result<Self, Error> {
        let invalid = |reason| Error::Address { given: given.to_owned(), reason };
        if given.starts_with("zk://") {
            return Err(invalid("it is the address of an election; `detect` finds the master that leads there"));
        }
        if given.starts_with("https://") {
            return Err(invalid("TLS is not built yet; use http://host:port"));
        }
        let rest = given.strip_prefix("http://").or_else(|| given.strip_prefix("//")).unwrap_or(given);
        let rest = rest.split('/').next().unwrap_or(rest);
        let rest = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| invalid("expected host:port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("the host is missing"));
        }
        let port = port.parse().map_err(|_| invalid("the port is not a number below 65536"))?;
        Ok(Address::new(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        let check = |given: &str, expect: Option<&str>| {
            assert_eq!(given.parse::<Address>().ok().map(|a| a.to_string()).as_deref(), expect, "{given}");
        };
        check("127.0.0.1:5050", Some("127.0.0.1:5050"));
        check("http://master.example:5050/state", Some("master.example:5050"));
        check("//10.0.0.1:5050", Some("10.0.0.1:5050"));
        check("master@10.0.0.1:5050", Some("10.0.0.1:5050"));
        check("[::1]:5050", Some("[::1]:5050"));
        check("localhost", None);
        check("localhost:x", None);
        check(":5050", None);
        check("zk://a:2181/mesos", None);
        check("https://a:1", None);
    }
}

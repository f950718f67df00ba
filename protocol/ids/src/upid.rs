//! The address of a libprocess process: `id@ip:port`, e.g. `slave(1)@10.0.0.5:5051`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;
use std::sync::Arc;

/// The address of a libprocess process (libprocess: `UPID`). Its text form is `id@ip:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upid {
    /// The name of the process, e.g. `slave(1)`.
    pub id: Arc<str>,
    /// The address that the process is reached at.
    pub address: SocketAddrV4,
}

/// The text that is not a libprocess address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a libprocess address: expected id@ip:port")]
pub struct InvalidUpid(pub String);

impl Upid {
    /// Returns the address of the process `id` at `address`.
    pub fn new(id: impl AsRef<str>, address: SocketAddrV4) -> Self {
        Upid { id: Arc::from(id.as_ref()), address }
    }

    /// Returns the empty address, printed `@0.0.0.0:0`. Mesos uses it for an HTTP framework, which has no driver that
    /// receives messages directly.
    pub fn none() -> Self {
        Upid { id: Arc::from(""), address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0) }
    }

    /// Returns whether this is the empty address of [`Upid::none`].
    pub fn is_none(&self) -> bool {
        self.id.is_empty() && self.address.port() == 0
    }
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.address)
    }
}

impl FromStr for Upid {
    type Err = InvalidUpid;

    fn from_str(text: &str) -> Result<Self, InvalidUpid> {
        let invalid = || InvalidUpid(text.to_owned());
        let (id, address) = text.rsplit_once('@').ok_or_else(invalid)?;
        // The id becomes part of a request line. It must not be able to end that line and begin another request.
        if id.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(invalid());
        }
        let address = address.parse().map_err(|_| invalid())?;
        Ok(Upid::new(id, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["slave(1)@10.0.0.5:5051", "@0.0.0.0:0", "a@b@127.0.0.1:1"] {
            assert_eq!(text.parse::<Upid>().map(|u| u.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "",
            "slave(1)",
            "slave(1)@host:5051",
            "slave(1)@1.2.3.4",
            "x@1.2.3.4:99999",
            "a b@1.2.3.4:5",
            "a HTTP/1.1\r\n\r\nPOST /master/x@1.2.3.4:5",
        ] {
            assert_eq!(text.parse::<Upid>(), Err(InvalidUpid(text.to_owned())));
        }
    }
}

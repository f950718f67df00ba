//! What can go wrong between a client and the cluster, and what to do about it.

use crate::address::Address;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("'{given}' is not the address of a master or agent: {reason}")]
    Address { given: String, reason: &'static str },
    #[error("cannot connect to {address}: is it running, and is the address right?")]
    Connect { address: Address, source: std::io::Error },
    #[error("the connection to {address} broke")]
    Transport { address: Address, source: hyper::Error },
    #[error("cannot write a request to {0}")]
    Request(Address, #[source] http::Error),
    /// The peer understood the request and refused it.
    #[error("{address} answered {status}{}{body}{}", if .body.is_empty() { "" } else { ": " }, hint(*.status, body))]
    Status { address: Address, status: u16, body: String },
    #[error("{0} redirects in a circle: no master leads at the moment")]
    Redirects(Address),
    #[error("{address} sent something that is not Mesos: {reason}")]
    Protocol { address: Address, reason: String },
    /// The master ended the subscription with an ERROR event.
    #[error("the master refused the framework: {0}")]
    Refused(String),
    #[error("no answer from {0} in time")]
    Timeout(Address),
    #[error("{0} does not lead any more: subscribe again, to any master")]
    NotLeading(Address),
    #[error("{0} ended the subscription: subscribe again with the same framework id")]
    Ended(Address),
    #[error(transparent)]
    Undetectable(election::DetectorError),
    #[error("no master leads at the moment, or ZooKeeper cannot be reached")]
    NoLeader,
    #[error("no master is named: give at least one host:port")]
    NoMaster,
}

/// What may be done about a status, after the peer's own words.
fn hint(status: u16, said: &str) -> &'static str {
    match status {
        401 => " (it wants credentials, which this client cannot give yet)",
        403 => " (not subscribed, or not permitted)",
        // Words of its own come from a master that knows the path, and say what is missing.
        404 if said.is_empty() => {
            " (it has nothing of that name: check the name, and whether this is the master or agent that you mean)"
        }
        503 => " (it is not ready: try again in a moment)",
        _ => "",
    }
}

impl Error {
    /// Whether trying again later may help: the peer could not be reached or is not ready.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { .. }
            | Error::Transport { .. }
            | Error::Redirects(_)
            | Error::Timeout(_)
            | Error::NotLeading(_)
            | Error::NoLeader
            | Error::Ended(_) => true,
            Error::Status { status, .. } => *status == 503,
            _ => false,
        }
    }
}

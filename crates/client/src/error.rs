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
    #[error("{address} answered {status}: {body}")]
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
}

impl Error {
    /// Whether trying again later may help: the peer could not be reached or is not ready.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { .. } | Error::Transport { .. } | Error::Redirects(_) | Error::Timeout(_) => true,
            Error::Status { status, .. } => *status == 503,
            _ => false,
        }
    }
}

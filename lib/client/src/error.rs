//! The errors of a client, with the next step in their texts.

use model::visible;

use crate::address::Address;

/// The maximum length of a peer's text in an error, in characters.
const MAX_SHOWN: usize = 2000;

/// The reason for which a request or a subscription failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Error {
    #[error("'{}' is not the address of a master or agent: {reason}", shown(.given))]
    Address { given: String, reason: &'static str },
    #[error("cannot connect to {address}: is it running, and is the address right?")]
    Connect { address: Address, source: std::io::Error },
    #[error("the connection to {address} has failed")]
    Transport { address: Address, source: hyper::Error },
    #[error("cannot write a request to {0}")]
    Request(Address, #[source] http::Error),
    /// The peer has answered with a status other than success.
    #[error("{address} answered {status}{}{}{}", if .body.is_empty() { "" } else { ": " }, shown(.body), hint(*.status, .body))]
    Status { address: Address, status: u16, body: String },
    /// The peer serves no file under this virtual path.
    #[error(
        "{address} has no file '{}': nothing has written it yet, it was garbage collected, or its name is another; what \
         there is: GET http://{address}/files/browse?path=DIRECTORY", shown(.path)
    )]
    NoFile { address: Address, path: String },
    #[error("agent {} is not registered with the master, so its files cannot be read", shown(.0))]
    NoAgent(String),
    #[error("{0} redirects in a cycle: no master leads at the moment")]
    Redirects(Address),
    #[error("{address} sent a response that is not from Mesos: {}", shown(.reason))]
    Protocol { address: Address, reason: String },
    /// The master has ended the subscription with an ERROR event.
    #[error("the master refused the framework: {}", shown(.0))]
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

/// Returns a peer's text on one line, without control characters, and truncated to [`MAX_SHOWN`].
fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", visible(text.get(..end).unwrap_or_default())),
        None => visible(text).into_owned(),
    }
}

/// Returns advice about a status for the user. It follows the peer's own text.
fn hint(status: u16, text: &str) -> &'static str {
    match status {
        401 => " (it requires credentials, which this client does not support yet)",
        403 => " (not subscribed, or not permitted)",
        // A master that knows the path returns a text that names what is missing.
        404 if text.is_empty() => {
            " (it has no such endpoint: is this a master where an agent is meant, or an older version?)"
        }
        503 => " (it is not ready: try again in a moment)",
        _ => "",
    }
}

impl Error {
    /// Returns whether a retry may succeed, because the peer could not be reached or was not ready.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Error, expect: &str) {
        assert_eq!(error.to_string(), expect);
    }

    fn address() -> Address {
        Address::new("m", 1)
    }

    #[test]
    fn control_characters_of_peers_are_escaped() {
        let status = |body: &str| Error::Status { address: address(), status: 400, body: body.to_owned() };
        check(status("no role 'a\x1b[2J\nb'"), "m:1 answered 400: no role 'a\\x1b[2J\\nb'");
        check(Error::Refused("\x07".to_owned()), "the master refused the framework: \\x07");
        let long = status(&"x".repeat(200_000)).to_string();
        assert!(long.len() < 3000 && long.ends_with('…'), "{}", long.len());
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Error::NoFile { address: address(), path: "/sandbox/out".to_owned() };
        assert!(missing.to_string().starts_with("m:1 has no file '/sandbox/out': "), "{missing}");
        assert!(!missing.is_transient());
    }
}

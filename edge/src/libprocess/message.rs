//! Incoming libprocess messages: their receiving process, their decoding, and the response to their sender.
//!
//! libprocess answers 202 as soon as the process exists. Messages that cannot be decoded are dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Caller, Upid};

use tracing::{debug, warn};
use wire::DecodeError;
use wire::libprocess::Received;

use crate::app::{App, ProcessKind};
use crate::core_thread::{InboxBatch, InboxItem};

/// The HTTP response to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// 202: the process exists.
    Accepted,
    /// 404: no such process.
    NoSuchProcess,
    /// 400: the check of the sender failed.
    Refused(WrongAddress),
}

/// The check of the sender of a message, which a header names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SenderCheck {
    /// Every sender is believed.
    #[default]
    None,
    /// The sender's IP address has to be that of the connection's other end
    /// (`LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH`).
    PeerAddress,
}

/// A message comes from another address than that of its sender. The text is that of libprocess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("UPID IP address validation failed: Message from {from} was sent from IP {peer}")]
pub struct WrongAddress {
    from: Upid,
    peer: SocketAddr,
}

impl SenderCheck {
    /// Checks the sender of a message that came from `peer`.
    ///
    /// # Errors
    /// Returns [`WrongAddress`] if the addresses differ and have to be equal.
    pub fn check(self, from: &Upid, peer: SocketAddr) -> Result<(), WrongAddress> {
        match self {
            SenderCheck::PeerAddress if peer.ip() != IpAddr::V4(*from.address.ip()) => {
                Err(WrongAddress { from: from.clone(), peer })
            }
            SenderCheck::PeerAddress | SenderCheck::None => Ok(()),
        }
    }
}

/// Counts messages that were dropped because no process has a handler for their name or their body did not decode.
#[derive(Debug, Default)]
pub struct Dropped {
    unknown: AtomicU64,
    malformed: AtomicU64,
}

impl Dropped {
    /// Returns the number of dropped messages since the start.
    pub fn total(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed) + self.malformed.load(Ordering::Relaxed)
    }
}

/// Appends the input for a message to `batch`, unless the message is dropped. `caller` is the owner of the connection.
pub fn receive<A: App>(app: &A, received: Received, caller: &Caller, batch: &mut InboxBatch<A::Host>) -> Receipt {
    let bytes = received.body.len();
    match app.process(&received.to) {
        ProcessKind::None => return Receipt::NoSuchProcess,
        ProcessKind::Other => {
            app.dropped().unknown.fetch_add(1, Ordering::Relaxed);
            return Receipt::Accepted;
        }
        ProcessKind::Core => {}
    }
    match wire::decode_message(&received.name, &received.body, &wire::Limits::default()) {
        Ok(message) => {
            if let Some(input) = app.input(received.from, received.to, message, caller.clone()) {
                batch.push(InboxItem::Input(input), bytes);
            }
        }
        Err(DecodeError::UnknownMessage(unknown)) => {
            app.dropped().unknown.fetch_add(1, Ordering::Relaxed);
            debug!(from = %received.from, %unknown, "dropping a message");
        }
        Err(error) => {
            app.dropped().malformed.fetch_add(1, Ordering::Relaxed);
            warn!(from = %received.from, name = received.name, %error, "dropping a malformed message");
        }
    }
    Receipt::Accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_check_compares_ip_addresses() {
        let check = |check: SenderCheck, from: &str, peer: &str, expect: bool| {
            let believed = check.check(&from.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(believed.is_ok(), expect, "{check:?} {from} {peer}");
        };
        check(SenderCheck::None, "a@10.0.0.1:5", "10.0.0.2:6", true);
        check(SenderCheck::PeerAddress, "a@10.0.0.1:5", "10.0.0.1:6", true);
        check(SenderCheck::PeerAddress, "a@10.0.0.1:5", "10.0.0.2:5", false);
        check(SenderCheck::PeerAddress, "a@10.0.0.1:5", "[::1]:5", false);
    }
}

//! Incoming libprocess messages: which process takes them, decoding, and what their sender is told.
//!
//! libprocess answers 202 as soon as the process exists; what cannot be understood is dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Caller, Upid};

use tracing::{debug, warn};
use wire::DecodeError;
use wire::libprocess::Received;

use crate::app::{App, ProcessKind};
use crate::core_thread::{InboxBatch, InboxItem};

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// 202.
    Accepted,
    /// 404.
    NoSuchProcess,
    /// 400.
    Refused(WrongAddress),
}

/// Whether a message's sender, which a header names, is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SenderCheck {
    /// Every sender is believed.
    #[default]
    None,
    /// The sender's IP address has to be that of the connection's other end
    /// (`LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH`).
    PeerAddress,
}

/// A message comes from another machine than its sender claims to be on. The text is that of libprocess.
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
    /// When the addresses differ and have to be the same.
    pub fn check(self, from: &Upid, peer: SocketAddr) -> Result<(), WrongAddress> {
        match self {
            SenderCheck::PeerAddress if peer.ip() != IpAddr::V4(*from.address.ip()) => {
                Err(WrongAddress { from: from.clone(), peer })
            }
            SenderCheck::PeerAddress | SenderCheck::None => Ok(()),
        }
    }
}

/// Messages that were dropped because nobody installs their name or their body did not decode.
#[derive(Debug, Default)]
pub struct Dropped {
    unknown: AtomicU64,
    malformed: AtomicU64,
}

impl Dropped {
    pub fn total(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed) + self.malformed.load(Ordering::Relaxed)
    }
}

/// Appends the input that a message makes, if it makes one. `caller` is who the connection belongs to.
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
    fn a_sender_is_believed_as_far_as_the_check_goes() {
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

//! Incoming libprocess messages: which process takes them, decoding, and what their sender is told.
//!
//! libprocess answers 202 as soon as the process exists; what cannot be understood is dropped.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, warn};
use wire::DecodeError;
use wire::libprocess::Received;

use crate::app::{App, ProcessKind};
use crate::core_thread::InboxItem;

/// What the sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    Accepted,
    NoSuchProcess,
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

/// Appends the input a message makes, if it makes one.
pub fn receive<A: App>(app: &A, received: Received, items: &mut Vec<InboxItem<A::Host>>) -> Receipt {
    match app.process(&received.to) {
        ProcessKind::None => return Receipt::NoSuchProcess,
        ProcessKind::Other => {
            app.dropped().unknown.fetch_add(1, Ordering::Relaxed);
            return Receipt::Accepted;
        }
        ProcessKind::Core => {}
    }
    match wire::decode_message(&received.name, &received.body, &wire::Limits::default()) {
        Ok(message) => items.extend(app.input(received.from, received.to, message).map(InboxItem::Input)),
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

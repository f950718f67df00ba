//! The state of a connection that outlives a request: its transport, its phase, and the switch that ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use tokio::sync::Notify;

use super::transport::Transport;
use crate::limits::BULK_RESPONSE_BYTES;

/// An accepted connection. Clones refer to the same one.
#[derive(Clone)]
pub struct Connection(Arc<Shared<dyn Transport>>);

struct Shared<T: ?Sized> {
    peer: SocketAddr,
    kill: Notify,
    phase: AtomicU8,
    /// Whether the most recent response is a large one.
    sending_bulk: AtomicBool,
    transport: T,
}

/// The state of reception on a connection. Only a request that has to be complete before it is answered has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Every byte received so far belongs to a request that has been received completely.
    BetweenRequests = 0,
    /// A request has begun and is not complete.
    Receiving = 1,
    /// The handler reads the body of a request, which may take any time.
    Streaming = 2,
}

impl Connection {
    /// Makes the connection with `peer` over `transport`.
    pub fn new(transport: impl Transport, peer: SocketAddr) -> Self {
        let phase = AtomicU8::new(Phase::BetweenRequests as u8);
        Connection(Arc::new(Shared {
            peer,
            kill: Notify::new(),
            phase,
            sending_bulk: AtomicBool::new(false),
            transport,
        }))
    }

    /// Returns the transport that carries the bytes.
    pub fn transport(&self) -> &dyn Transport {
        &self.0.transport
    }

    /// Returns the address of the peer.
    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// Returns `Ready` when the peer has closed its side.
    pub fn poll_hung_up(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.transport.poll_hung_up(cx)
    }

    /// Ends the connection at once, in any phase.
    pub fn kill(&self) {
        self.0.kill.notify_one();
    }

    /// Resolves when [`kill`](Self::kill) is called.
    pub async fn killed(&self) {
        self.0.kill.notified().await;
    }

    /// Notes that a response of `bytes` bytes begins.
    pub(crate) fn response_started(&self, bytes: usize) {
        self.0.sending_bulk.store(bytes > BULK_RESPONSE_BYTES, Ordering::Release);
    }

    pub(crate) fn is_sending_bulk(&self) -> bool {
        self.0.sending_bulk.load(Ordering::Acquire)
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Release);
    }

    pub(crate) fn is_in(&self, phase: Phase) -> bool {
        self.0.phase.load(Ordering::Acquire) == phase as u8
    }
}

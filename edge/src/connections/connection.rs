//! What outlives a request of a connection: its socket, and the switch that ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::limits::BULK_RESPONSE_BYTES;

#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    socket: TcpStream,
    peer: SocketAddr,
    kill: Notify,
    /// Every byte received so far belongs to a request that has been received completely.
    between_requests: AtomicBool,
    /// The last answer was, or is, a large one.
    sending_bulk: AtomicBool,
}

impl Connection {
    pub fn new(socket: TcpStream, peer: SocketAddr) -> Self {
        let (between_requests, sending_bulk) = (AtomicBool::new(true), AtomicBool::new(false));
        Connection(Arc::new(Shared { socket, peer, kill: Notify::new(), between_requests, sending_bulk }))
    }

    pub fn socket(&self) -> &TcpStream {
        &self.0.socket
    }

    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// Ends the connection, whatever it is doing.
    pub fn kill(&self) {
        self.0.kill.notify_one();
    }

    pub async fn killed(&self) {
        self.0.kill.notified().await;
    }

    /// An answer of so many bytes begins.
    pub(crate) fn response_started(&self, bytes: usize) {
        self.0.sending_bulk.store(bytes > BULK_RESPONSE_BYTES, Ordering::Release);
    }

    pub(crate) fn is_sending_bulk(&self) -> bool {
        self.0.sending_bulk.load(Ordering::Acquire)
    }

    pub fn request_complete(&self) {
        self.0.between_requests.store(true, Ordering::Release);
    }

    pub(crate) fn request_begun(&self) {
        self.0.between_requests.store(false, Ordering::Release);
    }

    pub(crate) fn is_between_requests(&self) -> bool {
        self.0.between_requests.load(Ordering::Acquire)
    }
}

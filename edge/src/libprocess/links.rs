//! Outgoing libprocess messages: one connection per remote address, kept while the core links it.
//!
//! As in libprocess, a link is a connection that this process opens and watches. When it closes or fails, all processes
//! at that address have *exited*. Messages to an address share its connection, in order. An address without a link gets
//! a connection for a burst of messages. Responses are read and discarded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use messages::Message;
use model::Upid;
use tokio::io::ReadBuf;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::connections::plain::connect;
use crate::connections::transport::Transport;
use crate::core_thread::queue::{BatchQueue, Bound, Pushed};
use crate::core_thread::{Host, Inbox, InboxItem};
use crate::limits::{
    CLOSE_LINGER_TIMEOUT, CONNECT_TIMEOUT, LINK_WRITE_CHUNK, MAX_LINK_BYTES, MAX_LINK_MESSAGES, SHUTDOWN_FLUSH_TIMEOUT,
    UNLINKED_IDLE_TIMEOUT, WRITE_STALL_TIMEOUT,
};

/// The links of one core, owned by its thread.
pub struct Links<H: Host> {
    own_address: SocketAddrV4,
    runtime: Handle,
    inbox: Arc<Inbox<H>>,
    links: HashMap<SocketAddrV4, Link>,
    written: Vec<Arc<Peer>>,
    generations: u64,
    /// Shared by every connection that may still have bytes to write.
    writing: Arc<()>,
}

struct Link {
    peer: Arc<Peer>,
    /// The generation of the connection whose end is reported. It is lower than `peer.generation` if a newer connection
    /// was opened for a message before the end of the older one was reported.
    watched: Option<u64>,
}

struct Peer {
    address: SocketAddrV4,
    generation: u64,
    linked: AtomicBool,
    queue: BatchQueue<Outgoing>,
}

struct Outgoing {
    from: Arc<str>,
    to: Upid,
    message: Message,
}

impl<H: Host> Links<H> {
    /// Makes an empty set of links. Peers answer to `own_address`.
    pub fn new(own_address: SocketAddrV4, runtime: Handle, inbox: Arc<Inbox<H>>) -> Self {
        Links {
            own_address,
            runtime,
            inbox,
            links: HashMap::new(),
            written: Vec::new(),
            generations: 0,
            writing: Arc::new(()),
        }
    }

    /// Links an address: connects unless a connection exists, and reports its end to the core.
    pub fn link(&mut self, address: SocketAddrV4) {
        let link = self.get_or_connect(address);
        link.watched = Some(link.peer.generation);
        link.peer.linked.store(true, Ordering::Release);
        link.peer.queue.notify();
    }

    /// Stops watching an address. Queued messages are still sent.
    pub fn unlink(&mut self, address: SocketAddrV4) {
        if let Some(link) = self.links.get_mut(&address) {
            link.watched = None;
            link.peer.linked.store(false, Ordering::Release);
            link.peer.queue.notify();
        }
    }

    /// Sends a message of the process `from`, over a new connection if none exists. A peer whose queue is full loses
    /// its connection.
    pub fn send(&mut self, from: &Arc<str>, to: Upid, message: Message) {
        if to.is_none() {
            return;
        }
        let address = to.address;
        let mut outgoing = Outgoing { from: from.clone(), to, message };
        loop {
            let peer = self.get_or_connect(address).peer.clone();
            outgoing = match peer.push(outgoing) {
                Ok(true) => return self.written.push(peer),
                Ok(false) => return,
                Err(Some(returned)) => returned,
                Err(None) => {
                    warn!(%address, "dropping the link of a peer that does not read");
                    return;
                }
            };
        }
    }

    /// Returns whether the end of this connection means that a linked address has exited.
    pub(crate) fn ended(&mut self, address: SocketAddrV4, generation: u64) -> bool {
        let Some(link) = self.links.get_mut(&address) else { return false };
        let watched = link.watched == Some(generation);
        if watched {
            link.watched = None;
        }
        if link.peer.generation == generation {
            self.links.remove(&address);
        }
        watched
    }

    pub(crate) fn flush(&mut self) {
        for peer in self.written.drain(..) {
            peer.queue.wake();
        }
    }

    pub(crate) fn close(&mut self) {
        for link in self.links.values() {
            link.peer.linked.store(false, Ordering::Release);
            link.peer.queue.finish();
        }
        // The last message of an agent is UnregisterSlaveMessage, which should reach the master.
        let deadline = Instant::now() + SHUTDOWN_FLUSH_TIMEOUT;
        while Arc::strong_count(&self.writing) > 1 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns the connection to `address`, and opens a new one if there is none or it has ended.
    fn get_or_connect(&mut self, address: SocketAddrV4) -> &mut Link {
        let connect = |generations: &mut u64| {
            *generations += 1;
            let peer = Arc::new(Peer {
                address,
                generation: *generations,
                linked: AtomicBool::new(false),
                queue: BatchQueue::new(Bound { items: MAX_LINK_MESSAGES, bytes: MAX_LINK_BYTES }),
            });
            self.runtime.spawn(run(peer.clone(), self.own_address, self.inbox.clone(), self.writing.clone()));
            peer
        };
        match self.links.entry(address) {
            Entry::Vacant(entry) => entry.insert(Link { peer: connect(&mut self.generations), watched: None }),
            Entry::Occupied(entry) => {
                let link = entry.into_mut();
                if link.peer.queue.is_closed() {
                    link.peer = connect(&mut self.generations);
                }
                link
            }
        }
    }
}

impl Peer {
    /// Queues a message. Returns whether the task has to be woken. The error has the message itself if this connection
    /// has ended, and `None` if it ends now with all its messages because its peer does not read.
    fn push(&self, outgoing: Outgoing) -> Result<bool, Option<Outgoing>> {
        let bytes = outgoing.message.encoded_len();
        match self.queue.push_or_return(outgoing, bytes) {
            (Pushed::First, _) => Ok(true),
            (Pushed::Behind, _) => Ok(false),
            (Pushed::Closed, returned) => Err(returned),
            (Pushed::Full, _) => {
                self.queue.abort();
                Err(None)
            }
        }
    }
}

async fn run<H: Host>(peer: Arc<Peer>, own_address: SocketAddrV4, inbox: Arc<Inbox<H>>, writing: Arc<()>) {
    if let Err(error) = run_connection(&peer, own_address, writing).await {
        debug!(address = %peer.address, %error, "link ended");
    }
    peer.queue.abort();
    inbox.send_control(InboxItem::PeerEnded { address: peer.address, generation: peer.generation });
}

async fn run_connection(peer: &Peer, own_address: SocketAddrV4, writing: Arc<()>) -> io::Result<()> {
    let transport = timeout(CONNECT_TIMEOUT, connect(peer.address)).await??;
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            more = next_batch(peer, &mut batch) => if !more { break },
            ended = discard_until_end(&*transport) => return ended,
        }
        tokio::select! {
            written = write_batch(&*transport, &mut batch, own_address) => written?,
            () = peer.queue.aborted() => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    // The connection is finished and not broken: the peer may read everything before the connection closes.
    transport.shutdown().await?;
    drop(writing);
    let _ = timeout(CLOSE_LINGER_TIMEOUT, discard_until_end(&*transport)).await;
    Ok(())
}

/// Takes the next messages. Returns false if the connection is no longer needed: idle without a link, or shutting down.
async fn next_batch(peer: &Peer, batch: &mut Vec<Outgoing>) -> bool {
    loop {
        if peer.linked.load(Ordering::Acquire) {
            if !peer.queue.take(batch).await {
                return false;
            }
        } else {
            match timeout(UNLINKED_IDLE_TIMEOUT, peer.queue.take(batch)).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(_) if peer.linked.load(Ordering::Acquire) => {}
                Err(_) => {
                    if peer.queue.close_if_empty() {
                        return false;
                    }
                }
            }
        }
        if !batch.is_empty() {
            return true;
        }
    }
}

async fn write_batch(
    transport: &dyn Transport,
    batch: &mut Vec<Outgoing>,
    own_address: SocketAddrV4,
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4096);
    for outgoing in batch.drain(..) {
        let from = Upid { id: outgoing.from, address: own_address };
        let body = wire::encode_message(&outgoing.message);
        wire::libprocess::encode_message(&from, &outgoing.to, outgoing.message.name(), &body, &mut bytes);
        if bytes.len() >= LINK_WRITE_CHUNK {
            write_all(transport, &bytes).await?;
            bytes.clear();
        }
    }
    write_all(transport, &bytes).await
}

/// Writes all bytes and reads responses meanwhile, because a peer whose responses are not read stops reading requests.
async fn write_all(transport: &dyn Transport, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match transport.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::select! {
                    ready = timeout(WRITE_STALL_TIMEOUT, transport.writable()) => ready??,
                    ended = discard_until_end(transport) => return ended.and(Err(io::ErrorKind::ConnectionAborted.into())),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads and discards bytes until the peer closes.
async fn discard_until_end(transport: &dyn Transport) -> io::Result<()> {
    loop {
        transport.readable().await?;
        if discard_available(transport)? {
            return Ok(());
        }
    }
}

/// Discards available bytes and returns whether the end was reached. The buffer is on the stack of this call and not in
/// the task, since there may be 10,000 links.
fn discard_available(transport: &dyn Transport) -> io::Result<bool> {
    let mut scratch = [0; 8192];
    loop {
        match transport.try_read(&mut ReadBuf::new(&mut scratch)) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

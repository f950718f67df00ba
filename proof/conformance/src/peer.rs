//! A libprocess process of the suite: it listens on loopback, answers 202 to every message and keeps it for the case.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use model::Upid;
use wire::libprocess::{EnvelopeLimits, Received, RequestDecoder, encode_message};

use crate::case_error::{CaseError, Checked};

/// The number of messages that are kept for a case that does not read; a master that sends more waits.
const INBOX: usize = 1024;

const PING: &str = "mesos.internal.PingSlaveMessage";
const PONG: &str = "mesos.internal.PongSlaveMessage";

pub struct Peer {
    pub pid: Upid,
    master: Upid,
    outgoing: TcpStream,
    inbox: Receiver<Received>,
    /// The messages that arrived while another one was awaited; the order of different messages is not promised.
    kept: RefCell<VecDeque<Received>>,
    incoming: Arc<Mutex<Vec<TcpStream>>>,
}

/// Whether a peer answers pings, as a healthy agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pings {
    Answered,
    Ignored,
}

impl Peer {
    pub fn new(id: &str, master: Upid, pings: Pings) -> Checked<Self> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
            .map_err(CaseError::io("binding a fake process"))?;
        let port = listener.local_addr().map_err(CaseError::io("binding a fake process"))?.port();
        let pid = Upid::new(id, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let outgoing = connect(master.address)?;
        let (deliver, inbox) = sync_channel(INBOX);
        let incoming = Arc::new(Mutex::new(Vec::new()));
        let acceptor = Acceptor { pid: pid.clone(), deliver, incoming: incoming.clone(), pings };
        thread::spawn(move || acceptor.run(&listener));
        Ok(Peer { pid, master, outgoing, inbox, kept: RefCell::default(), incoming })
    }

    pub fn send(&mut self, name: &str, message: &impl prost::Message) -> Checked {
        let to = self.master.clone();
        self.send_to(&to, name, &message.encode_to_vec())
    }

    pub fn send_to(&mut self, to: &Upid, name: &str, body: &[u8]) -> Checked {
        let mut bytes = Vec::new();
        encode_message(&self.pid, to, name, body, &mut bytes);
        self.outgoing.write_all(&bytes).map_err(CaseError::io(format!("sending {name}")))
    }

    /// Waits for the next message of this name; others are kept for later.
    pub fn expect<T: prost::Message + Default>(&self, name: &str, time: Duration) -> Checked<(Upid, T)> {
        let received = self.expect_raw(name, time)?;
        let message = T::decode(received.body.as_ref())
            .map_err(|error| CaseError::unexpected(name, "a protobuf that decodes", error))?;
        Ok((received.from, message))
    }

    pub fn expect_raw(&self, name: &str, time: Duration) -> Checked<Received> {
        if let Some(received) = self.take_kept(name) {
            return Ok(received);
        }
        let deadline = Instant::now() + time;
        loop {
            match self.inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(received) if received.name == name => return Ok(received),
                Ok(received) => self.keep(received),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(self.missing(name, time)),
            }
        }
    }

    fn take_kept(&self, name: &str) -> Option<Received> {
        let mut kept = self.kept.borrow_mut();
        let position = kept.iter().position(|received| received.name == name)?;
        kept.remove(position)
    }

    fn keep(&self, received: Received) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() == INBOX {
            kept.pop_front();
        }
        kept.push_back(received);
    }

    fn missing(&self, name: &str, time: Duration) -> CaseError {
        let kept = self.kept.borrow();
        if kept.is_empty() {
            return CaseError::Timeout { what: format!("a {name}"), seconds: time.as_secs_f64() };
        }
        let names: Vec<&str> = kept.iter().map(|received| received.name.as_str()).collect();
        CaseError::unexpected("messages", name, names.join(" "))
    }

    /// Checks that no message of this name arrives for a while.
    pub fn expect_none(&self, name: &str, time: Duration) -> Checked {
        let deadline = Instant::now() + time;
        while let Ok(received) = self.inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if received.name == name {
                return Err(CaseError::unexpected("messages", format!("no {name}"), name));
            }
        }
        Ok(())
    }
}

impl Drop for Peer {
    /// Closes every connection in both directions, as the end of a process does. A connection to the peer itself wakes
    /// the acceptor, which then ends.
    fn drop(&mut self) {
        let _ = self.outgoing.shutdown(Shutdown::Both);
        let (_, unused) = sync_channel(0);
        drop(std::mem::replace(&mut self.inbox, unused));
        for stream in self.incoming.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.pid.address);
    }
}

struct Acceptor {
    pid: Upid,
    deliver: SyncSender<Received>,
    incoming: Arc<Mutex<Vec<TcpStream>>>,
    pings: Pings,
}

impl Acceptor {
    fn run(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            // The connection comes from the peer itself, which is being dropped.
            if Arc::strong_count(&self.incoming) == 1 {
                return;
            }
            let Ok(kept) = stream.try_clone() else { continue };
            self.incoming.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
            let (pid, deliver, pings) = (self.pid.clone(), self.deliver.clone(), self.pings);
            thread::spawn(move || {
                let _ = receive(stream, &pid, &deliver, pings);
            });
        }
    }
}

/// Reads messages until the connection ends or the case is over.
fn receive(mut stream: TcpStream, pid: &Upid, deliver: &SyncSender<Received>, pings: Pings) -> std::io::Result<()> {
    let mut decoder = RequestDecoder::new(EnvelopeLimits::default());
    let mut bytes = [0; 64 << 10];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        decoder.push(&bytes[..count]);
        while let Ok(Some(received)) = decoder.next_message() {
            stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")?;
            if received.name == PING && pings == Pings::Answered {
                pong(pid, &received.from)?;
            }
            if deliver.send(received).is_err() {
                return Ok(());
            }
        }
    }
}

/// Sends a pong to the sender of a ping over its own connection.
fn pong(pid: &Upid, observer: &Upid) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    encode_message(pid, observer, PONG, &[], &mut bytes);
    let mut stream = TcpStream::connect(observer.address)?;
    stream.write_all(&bytes)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.read(&mut [0; 256]).map(drop)
}

/// Connects, and discards the answers of the other side.
fn connect(address: SocketAddrV4) -> Checked<TcpStream> {
    let stream = TcpStream::connect(address).map_err(CaseError::io(format!("connecting to {address}")))?;
    let mut answers = stream.try_clone().map_err(CaseError::io("cloning a socket"))?;
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while matches!(answers.read(&mut bytes), Ok(count) if count > 0) {}
    });
    Ok(stream)
}

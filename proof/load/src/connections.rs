//! The sockets. They write many messages at once and read whatever has accumulated.

use std::io;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::BytesMut;
use messages::v1::scheduler::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wire::Limits;
use wire::libprocess::{EnvelopeLimits, RequestDecoder, ResponseSkipper};

use crate::fleet::Fleet;
use crate::http::EventStream;
use crate::scheduler::Scheduler;
use crate::shared::Shared;

/// The number of batches that wait for the socket. A master that reads more slowly than the generator writes slows the
/// generator down.
const QUEUE: usize = 64;
const READ: usize = 256 << 10;
/// The limits of a single event: a full set of offers of a large cluster fits in.
const LIMITS: Limits = Limits { max_bytes: 1 << 30, max_depth: 100, max_elements: 100_000_000, max_memory_factor: 48 };

/// The response to messages, which the master ignores.
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

pub type Outgoing = Sender<Vec<u8>>;

/// The fleet's connection to its master, which another master process may replace.
pub struct Link(Mutex<Outgoing>);

impl Link {
    /// Queues messages for the master.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub async fn send(&self, batch: Vec<u8>) -> io::Result<()> {
        let outgoing = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outgoing.send(batch).await.map_err(io::Error::other)
    }

    /// Connects to the master that listens at the address now.
    ///
    /// # Errors
    /// Returns the error of the connection.
    pub async fn reconnect(&self, master: SocketAddrV4) -> io::Result<()> {
        let outgoing = connect_fleet(master).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outgoing;
        Ok(())
    }
}

/// Connects the fleet to its master and serves the master's connections to the fleet.
///
/// # Errors
/// Returns the error of the connection to the master.
pub async fn run_fleet(
    listener: TcpListener,
    fleet: Arc<Shared<Fleet>>,
    master: SocketAddrV4,
) -> io::Result<Arc<Link>> {
    let link = Arc::new(Link(Mutex::new(connect_fleet(master).await?)));
    let replies = Arc::clone(&link);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let serving = serve_master(socket, Arc::clone(&fleet), Arc::clone(&replies));
            tokio::spawn(log_end("connection from the master", serving));
        }
    });
    Ok(link)
}

async fn connect_fleet(master: SocketAddrV4) -> io::Result<Outgoing> {
    let (reader, outgoing) = connect(master).await?;
    tokio::spawn(log_end("connection to the master", skip_responses(reader)));
    Ok(outgoing)
}

/// Subscribes the scheduler. Its calls use a second connection.
///
/// # Errors
/// Returns the error of one of the connections to the master.
pub async fn run_scheduler(scheduler: Arc<Shared<Scheduler>>, master: SocketAddrV4) -> io::Result<Outgoing> {
    let (reader, calls) = connect(master).await?;
    tokio::spawn(log_end("connection for calls", count_responses(reader, Arc::clone(&scheduler))));
    let (mut events, subscription) = connect(master).await?;
    let subscribe = scheduler.lock().subscribe();
    subscription.send(subscribe).await.map_err(io::Error::other)?;
    let outgoing = calls.clone();
    tokio::spawn(log_end("event stream", async move {
        // Dropping the writer would close the stream.
        let _subscription = subscription;
        read_events(&mut events, &scheduler, &outgoing).await
    }));
    Ok(calls)
}

async fn connect(master: SocketAddrV4) -> io::Result<(OwnedReadHalf, Outgoing)> {
    let socket = TcpStream::connect(master).await?;
    socket.set_nodelay(true)?;
    let (reader, writer) = socket.into_split();
    let (sender, receiver) = channel(QUEUE);
    tokio::spawn(log_end("connection to the master", write_batches(writer, receiver)));
    Ok((reader, sender))
}

async fn write_batches(mut writer: OwnedWriteHalf, mut batches: Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(mut batch) = batches.recv().await {
        while let Ok(more) = batches.try_recv() {
            batch.extend_from_slice(&more);
        }
        writer.write_all(&batch).await?;
    }
    Ok(())
}

async fn serve_master(mut socket: TcpStream, fleet: Arc<Shared<Fleet>>, link: Arc<Link>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut decoder = RequestDecoder::new(EnvelopeLimits::default());
    loop {
        decoder.buffer().reserve(READ);
        if socket.read_buf(decoder.buffer()).await? == 0 {
            return Ok(());
        }
        let mut answers = Vec::new();
        let mut replies = Vec::new();
        fleet.change(|fleet| {
            while let Some(received) = decoder.next_message().map_err(io::Error::other)? {
                fleet.receive(&received, &mut answers);
                replies.extend_from_slice(ACCEPTED);
            }
            io::Result::Ok(())
        })?;
        socket.write_all(&replies).await?;
        if !answers.is_empty() {
            link.send(answers).await?;
        }
    }
}

async fn skip_responses(mut reader: OwnedReadHalf) -> io::Result<()> {
    let mut skipper = ResponseSkipper::new();
    let mut buffer = BytesMut::with_capacity(READ);
    while reader.read_buf(&mut buffer).await? > 0 {
        skipper.push(&buffer).map_err(io::Error::other)?;
        buffer.clear();
    }
    Ok(())
}

async fn count_responses(mut reader: OwnedReadHalf, scheduler: Arc<Shared<Scheduler>>) -> io::Result<()> {
    let mut skipper = ResponseSkipper::new();
    let mut buffer = BytesMut::with_capacity(READ);
    while reader.read_buf(&mut buffer).await? > 0 {
        let now = Instant::now();
        scheduler
            .change(|scheduler| skipper.push_each(&buffer, |status| scheduler.answered(status, now)))
            .map_err(io::Error::other)?;
        buffer.clear();
    }
    Ok(())
}

async fn read_events(reader: &mut OwnedReadHalf, scheduler: &Shared<Scheduler>, outgoing: &Outgoing) -> io::Result<()> {
    let mut stream = EventStream::default();
    let mut buffer = BytesMut::with_capacity(READ);
    while reader.read_buf(&mut buffer).await? > 0 {
        stream.push(&buffer).map_err(io::Error::other)?;
        buffer.clear();
        let mut calls = Vec::new();
        scheduler.change(|scheduler| {
            if let Some(id) = stream.id() {
                scheduler.opened(id);
            }
            while let Some(record) = stream.next_record() {
                let event: Event = wire::decode(&record, &LIMITS).map_err(io::Error::other)?;
                scheduler.receive(event, Instant::now(), &mut calls);
            }
            io::Result::Ok(())
        })?;
        if !calls.is_empty() {
            outgoing.send(calls).await.map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Reports why a connection ended. Without it only a phase that does not end would show.
async fn log_end(what: &'static str, connection: impl Future<Output = io::Result<()>>) {
    if let Err(error) = connection.await {
        eprintln!("load: {what}: {error}");
    }
}

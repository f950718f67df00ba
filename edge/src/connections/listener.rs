//! Accepts connections. Libprocess messages at the beginning of a connection are read in batches; everything after
//! them, and every other connection, is HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Caller;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tracing::{debug, warn};
use wire::libprocess::{BodyError, EnvelopeLimits, Received, RequestDecoder, RequestError};

use super::budget::Budget;
use super::bulk_offload::{BulkOffload, BulkThread};
use super::connection::Connection;
use super::plain::Acceptor;
use crate::app::App;
use crate::core_thread::InboxBatch;
use crate::http::serve;
use crate::libprocess::message::{Receipt, SenderCheck, receive};
use crate::libprocess::message_response::MessageResponses;
use crate::limits::{MAX_BODY, MAX_HEAD, MIN_BODY_RATE, REQUEST_TIMEOUT, WRITE_STALL_TIMEOUT};

/// The state that all connections of a process share.
pub struct Service<A: App> {
    /// The program that is served.
    pub app: Arc<A>,
    /// The memory budget of unfinished requests.
    pub budget: Budget,
    /// The check of the sender of a message.
    pub sender_check: SenderCheck,
}

impl<A: App> Service<A> {
    /// Appends the input of a message to `batch`, unless the check of the sender refuses it. Returns the response to
    /// the sender.
    pub fn receive(&self, received: Received, connection: &Connection, batch: &mut InboxBatch<A::Host>) -> Receipt {
        match self.sender_check.check(&received.from, connection.peer()) {
            Ok(()) => receive(&*self.app, received, &Caller::default(), batch),
            Err(wrong) => {
                warn!(%wrong, "refusing a message");
                Receipt::Refused(wrong)
            }
        }
    }
}

/// Accepts connections until `stop` turns true. Each connection holds a permit of `room` until it has ended.
pub async fn serve<A: App>(
    listener: TcpListener,
    acceptor: impl Acceptor,
    service: Arc<Service<A>>,
    room: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = Arc::new(acceptor);
    let bulk = Arc::new(BulkThread::default());
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = accept(&listener, &room) => accepted,
        };
        let (socket, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The usual cause is a lack of file descriptors, which the end of any connection relieves.
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, service, bulk, stop) = (acceptor.clone(), service.clone(), bulk.clone(), stop.clone());
        tokio::spawn(async move {
            let accepted = tokio::time::timeout(REQUEST_TIMEOUT, acceptor.accept(socket, peer)).await;
            let connection = match accepted.map_err(io::Error::from).flatten() {
                Ok(connection) => connection,
                Err(error) => return debug!(%peer, %error, "connection refused"),
            };
            let own = connection.clone();
            let connection_task = async move {
                tokio::select! {
                    () = serve_connection(own.clone(), service, stop) => {}
                    () = own.killed() => {}
                }
                drop(permit);
            };
            BulkOffload::new(connection_task, connection, bulk, Handle::current()).await;
        });
    }
}

/// Resolves when the process ends.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, std::net::SocketAddr, Option<OwnedSemaphorePermit>)> {
    let permit = room.clone().acquire_owned().await.ok();
    let (socket, peer) = listener.accept().await?;
    Ok((socket, peer, permit))
}

async fn serve_connection<A: App>(connection: Connection, service: Arc<Service<A>>, mut stop: watch::Receiver<bool>) {
    let next = tokio::select! {
        next = read_messages(&connection, &service) => next,
        () = service.app.end_of_term() => return,
        () = stopped(&mut stop) => return,
    };
    match next {
        Ok(Next::Http(already_read)) => serve::serve(connection, service, already_read, stop).await,
        Ok(Next::Closed) => {}
        Err(error) => debug!(peer = %connection.peer(), %error, "connection ended"),
    }
}

enum Next {
    Http(Bytes),
    Closed,
}

/// Reads messages until other bytes arrive.
async fn read_messages<A: App>(connection: &Connection, service: &Service<A>) -> io::Result<Next> {
    let mut decoder = RequestDecoder::new(EnvelopeLimits { max_head: MAX_HEAD, max_body: MAX_BODY });
    let mut batch = InboxBatch::default();
    let mut receipts = Vec::new();
    let mut responses = MessageResponses::default();
    let mut share = service.budget.share();
    let mut deadline = None;
    loop {
        if read_more(connection, &mut decoder, &mut deadline).await? == 0 {
            return Ok(Next::Closed);
        }
        let end = loop {
            match decoder.next_message() {
                Ok(Some(received)) => {
                    deadline = None;
                    match service.receive(received, connection, &mut batch) {
                        Receipt::Accepted => receipts.extend_from_slice(responses.accepted()),
                        Receipt::NoSuchProcess => receipts.extend_from_slice(responses.no_such_process()),
                        Receipt::Refused(wrong) => receipts.extend(responses.refused(&wrong.to_string())),
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match service.app.inbox() {
            Some(inbox) => inbox.send_all(&mut batch).await.map_err(io::Error::other)?,
            None => batch.clear(),
        }
        match end {
            None => {}
            Some(RequestError::Body(error)) => {
                debug!(peer = %connection.peer(), %error, "closing a connection that has lost its framing");
                let status = match error {
                    BodyError::TooLong { .. } => "413 Payload Too Large",
                    _ => "400 Bad Request",
                };
                return refuse(connection, receipts, status).await;
            }
            // No byte of the request was consumed, so the HTTP server reads it from its beginning and answers its
            // errors as well.
            Some(_) => {
                write_all(connection, &receipts).await?;
                return Ok(Next::Http(decoder.into_unread().freeze()));
            }
        }
        write_all(connection, &receipts).await?;
        if let Err(exhausted) = share.fit(decoder.held()) {
            warn!(peer = %connection.peer(), %exhausted, "closing a connection");
            return refuse(connection, Vec::new(), "503 Service Unavailable").await;
        }
        receipts.clear();
        receipts.shrink_to(4096);
    }
}

/// Sends the pending receipts and a status, after which the connection ends.
async fn refuse(connection: &Connection, mut receipts: Vec<u8>, status: &str) -> io::Result<Next> {
    let refusal = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    receipts.extend_from_slice(refusal.as_bytes());
    write_all(connection, &receipts).await?;
    Ok(Next::Closed)
}

/// Reads more bytes of a link. Between messages a link may be idle for any time; a message has to arrive by its
/// deadline, which every byte moves.
async fn read_more(
    connection: &Connection,
    decoder: &mut RequestDecoder,
    deadline: &mut Option<Instant>,
) -> io::Result<usize> {
    loop {
        if decoder.is_mid_message() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + REQUEST_TIMEOUT);
            tokio::time::timeout_at(deadline, connection.transport().readable()).await??;
        } else {
            *deadline = None;
            connection.transport().readable().await?;
        }
        match connection.transport().try_read_into(decoder.buffer()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(count) => {
                if let Some(deadline) = deadline {
                    *deadline += Duration::from_secs_f64(count as f64 / MIN_BODY_RATE as f64);
                }
                return Ok(count);
            }
        }
    }
}

async fn write_all(connection: &Connection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match connection.transport().try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::timeout(WRITE_STALL_TIMEOUT, connection.transport().writable()).await??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! Accepts connections. One that begins with libprocess messages is read as such, in batches; any other, and the
//! rest of one that goes on with something else, is HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tracing::{debug, warn};
use wire::libprocess::{BodyError, EnvelopeLimits, RequestDecoder, RequestError};

use super::budget::Budget;
use super::bulk_offload::{BulkOffload, BulkThread};
use super::connection::Connection;
use crate::app::App;
use crate::http::serve;
use crate::libprocess::message::{Receipt, receive};
use crate::libprocess::message_response::MessageResponses;
use crate::limits::{MAX_BODY, MAX_CONNECTIONS, MAX_HEAD, MIN_BODY_RATE, REQUEST_TIMEOUT, WRITE_STALL_TIMEOUT};

/// Serves until `stop` changes.
pub async fn serve<A: App>(listener: TcpListener, app: Arc<A>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let budget = Budget::new();
    let bulk = Arc::new(BulkThread::default());
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = accept(&listener, &room) => accepted,
        };
        let (connection, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, usually: whoever closes a connection makes room.
                warn!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (app, budget, mut stop) = (app.clone(), budget.clone(), stop.clone());
        let own = connection.clone();
        let connection_task = async move {
            tokio::select! {
                () = serve_connection(own.clone(), app, budget) => {}
                () = own.killed() => {}
                _ = stop.changed() => {}
            }
            drop(permit);
        };
        tokio::spawn(BulkOffload::new(connection_task, connection, bulk.clone(), Handle::current()));
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(Connection, Option<tokio::sync::OwnedSemaphorePermit>)> {
    let permit = room.clone().acquire_owned().await.ok();
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok((Connection::new(socket, peer), permit))
}

async fn serve_connection<A: App>(connection: Connection, app: Arc<A>, budget: Budget) {
    let next = tokio::select! {
        next = read_messages(&connection, &*app, &budget) => next,
        () = app.end_of_term() => return,
    };
    match next {
        Ok(Next::Http(already_read)) => serve::serve(connection, app, budget, already_read).await,
        Ok(Next::Closed) => {}
        Err(error) => debug!(peer = %connection.peer(), %error, "connection ended"),
    }
}

enum Next {
    Http(Bytes),
    Closed,
}

/// Takes messages until something else comes.
async fn read_messages<A: App>(connection: &Connection, app: &A, budget: &Budget) -> io::Result<Next> {
    let mut decoder = RequestDecoder::new(EnvelopeLimits { max_head: MAX_HEAD, max_body: MAX_BODY });
    let mut items = Vec::new();
    let mut receipts = Vec::new();
    let mut responses = MessageResponses::default();
    let mut share = budget.share();
    let mut deadline = None;
    loop {
        if read_more(connection, &mut decoder, &mut deadline).await? == 0 {
            return Ok(Next::Closed);
        }
        let end = loop {
            match decoder.next_message() {
                Ok(Some(received)) => {
                    deadline = None;
                    receipts.extend_from_slice(match receive(app, received, &mut items) {
                        Receipt::Accepted => responses.accepted(),
                        Receipt::NoSuchProcess => responses.no_such_process(),
                    });
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match app.inbox() {
            Some(inbox) => inbox.send_all(&mut items).await.map_err(io::Error::other)?,
            None => items.clear(),
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
            // Nothing of the request was consumed: HTTP knows what to say, whatever is wrong with it.
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

/// The last words on a connection that cannot go on.
async fn refuse(connection: &Connection, mut receipts: Vec<u8>, status: &str) -> io::Result<Next> {
    let refusal = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    receipts.extend_from_slice(refusal.as_bytes());
    write_all(connection, &receipts).await?;
    Ok(Next::Closed)
}

/// Between messages a link may idle for ever; a message must arrive by its deadline, which every byte of it moves.
async fn read_more(
    connection: &Connection,
    decoder: &mut RequestDecoder,
    deadline: &mut Option<Instant>,
) -> io::Result<usize> {
    loop {
        if decoder.is_mid_message() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + REQUEST_TIMEOUT);
            tokio::time::timeout_at(deadline, connection.socket().readable()).await??;
        } else {
            *deadline = None;
            connection.socket().readable().await?;
        }
        match connection.socket().try_read_buf(decoder.buffer()) {
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
        match connection.socket().try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::timeout(WRITE_STALL_TIMEOUT, connection.socket().writable()).await??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

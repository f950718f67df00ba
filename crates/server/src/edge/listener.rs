//! Accepts connections. One that begins with libprocess messages is read as such, in batches; any other, and the
//! rest of one that goes on with something else, is HTTP.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing::{debug, warn};
use wire::libprocess::{BodyError, EnvelopeLimits, RequestDecoder, RequestError};

use super::app::App;
use super::connection::Connection;
use super::date::Date;
use super::http;
use super::limits::{MAX_BODY, MAX_CONNECTIONS, MAX_HEAD, REQUEST_TIMEOUT, WRITE_STALL};
use super::message::{Receipt, receive};

/// Serves until `stop` changes.
pub async fn serve<A: App>(listener: TcpListener, app: Arc<A>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let bodies = http::Bodies::new();
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
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (app, bodies, mut stop) = (app.clone(), bodies.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = converse(connection.clone(), app, bodies) => {}
                () = connection.killed() => {}
                _ = stop.changed() => {}
            }
            drop(permit);
        });
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

async fn converse<A: App>(connection: Connection, app: Arc<A>, bodies: http::Bodies) {
    match messages(&connection, &*app).await {
        Ok(Next::Http(already_read)) => http::serve(connection, app, bodies, already_read).await,
        Ok(Next::Closed) => {}
        Err(error) => debug!(peer = %connection.peer(), %error, "connection ended"),
    }
}

enum Next {
    Http(Bytes),
    Closed,
}

/// Takes messages until something else comes.
async fn messages<A: App>(connection: &Connection, app: &A) -> io::Result<Next> {
    let mut decoder = RequestDecoder::new(EnvelopeLimits { max_head: MAX_HEAD, max_body: MAX_BODY });
    let mut mail = Vec::new();
    let mut receipts = Vec::new();
    let mut date = Date::default();
    loop {
        if read_more(connection, &mut decoder).await? == 0 {
            return Ok(Next::Closed);
        }
        let end = loop {
            match decoder.next_message() {
                Ok(Some(received)) => receipts.extend_from_slice(match receive(app, received, &mut mail) {
                    Receipt::Accepted => date.accepted(),
                    Receipt::NoSuchProcess => date.no_such_process(),
                }),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        app.inbox().send_all(&mut mail).await.map_err(io::Error::other)?;
        match end {
            None => {}
            Some(RequestError::Body(error)) => {
                debug!(peer = %connection.peer(), %error, "closing a connection that has lost its framing");
                let status = match error {
                    BodyError::TooLong { .. } => "413 Payload Too Large",
                    _ => "400 Bad Request",
                };
                let refusal = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                receipts.extend_from_slice(refusal.as_bytes());
                write_all(connection, &receipts).await?;
                return Ok(Next::Closed);
            }
            // Nothing of the request was consumed: HTTP knows what to say, whatever is wrong with it.
            Some(_) => {
                write_all(connection, &receipts).await?;
                return Ok(Next::Http(decoder.into_unread().freeze()));
            }
        }
        write_all(connection, &receipts).await?;
        receipts.clear();
        receipts.shrink_to(4096);
    }
}

/// Between messages a link may idle for ever; a message must arrive in time.
async fn read_more(connection: &Connection, decoder: &mut RequestDecoder) -> io::Result<usize> {
    loop {
        let idle = !decoder.is_mid_message();
        if idle {
            connection.socket().readable().await?;
        } else {
            tokio::time::timeout(REQUEST_TIMEOUT, connection.socket().readable()).await??;
        }
        match connection.socket().try_read_buf(decoder.buffer()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

async fn write_all(connection: &Connection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match connection.socket().try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::timeout(WRITE_STALL, connection.socket().writable()).await??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

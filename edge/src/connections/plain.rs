//! Plain TCP, the transport of connections in both directions.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, SocketAddrV4};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::connection::Connection;
use super::transport::Transport;

/// A TCP socket.
pub struct PlainTransport(TcpStream);

impl PlainTransport {
    /// Takes over a connected socket and sets `TCP_NODELAY`, so that written bytes go out at once.
    ///
    /// # Errors
    /// Returns the error of the socket if it does not take the option.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(PlainTransport(socket))
    }
}

impl Transport for PlainTransport {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        self.0.try_read_buf(buffer)
    }

    fn try_read_into(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.0.try_read_buf(buffer)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write).map_err(io::Error::from))
    }

    fn poll_hung_up(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0; 1];
        match self.0.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Turns accepted sockets into connections. It runs on the task of the connection, so that a handshake delays no other
/// connection.
pub trait Acceptor: Send + Sync + 'static {
    /// Returns the connection of `socket`, whose other end is `peer`.
    ///
    /// # Errors
    /// Returns the error of the socket or of the handshake.
    fn accept(&self, socket: TcpStream, peer: SocketAddr) -> impl Future<Output = io::Result<Connection>> + Send;
}

/// Accepts sockets as plain TCP.
pub struct PlainAcceptor;

impl Acceptor for PlainAcceptor {
    async fn accept(&self, socket: TcpStream, peer: SocketAddr) -> io::Result<Connection> {
        Ok(Connection::new(PlainTransport::new(socket)?, peer))
    }
}

/// Connects to a libprocess peer.
///
/// # Errors
/// Returns the error of `connect(2)` or of the socket's options.
pub async fn connect(address: SocketAddrV4) -> io::Result<Box<dyn Transport>> {
    Ok(Box::new(PlainTransport::new(TcpStream::connect(address).await?)?))
}

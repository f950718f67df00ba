//! Plain TCP: the transport of connections in both directions.

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
    /// Takes a connected socket over; what is written goes out at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of the socket.
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

/// Makes connections of accepted sockets. It may take as long as a handshake does; it runs on the connection's task.
pub trait Acceptor: Send + Sync + 'static {
    /// The connection of `socket`, whose other end is `peer`.
    ///
    /// # Errors
    /// Those of the socket, and of a handshake.
    fn accept(&self, socket: TcpStream, peer: SocketAddr) -> impl Future<Output = io::Result<Connection>> + Send;
}

/// Takes sockets as they are.
pub struct PlainAcceptor;

impl Acceptor for PlainAcceptor {
    async fn accept(&self, socket: TcpStream, peer: SocketAddr) -> io::Result<Connection> {
        Ok(Connection::new(PlainTransport::new(socket)?, peer))
    }
}

/// Connects to a libprocess peer.
///
/// # Errors
/// Those of the socket.
pub async fn connect(address: SocketAddrV4) -> io::Result<Box<dyn Transport>> {
    Ok(Box::new(PlainTransport::new(TcpStream::connect(address).await?)?))
}

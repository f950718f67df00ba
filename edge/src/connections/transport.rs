//! The bytes of a connection, independent of what carries them: plain TCP, or a protocol around it.
//!
//! One task at a time uses a transport, in the manner of a non-blocking socket: the transport says when an operation
//! may be tried, and an operation that cannot proceed fails with [`io::ErrorKind::WouldBlock`]. Everything that only
//! one kind of socket can do is a method of this trait, so that a new kind needs nothing but an implementation.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::ReadBuf;

/// A byte stream in both directions.
pub trait Transport: Send + Sync + 'static {
    /// Returns `Ready` when a read may return bytes or the end of the stream.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads available bytes, at most as many as `buffer` has room for. Zero bytes mean the end of the stream.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no bytes are available yet, and any other error of the stream.
    fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize>;

    /// Appends available bytes to `buffer`, which grows if it is full. Zero bytes mean the end of the stream.
    ///
    /// # Errors
    /// Returns the errors of [`try_read`](Self::try_read).
    fn try_read_into(&self, buffer: &mut BytesMut) -> io::Result<usize>;

    /// Returns `Ready` when a write may succeed.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes a prefix of `bytes` and returns its length.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no bytes can be taken now, and any other error of the stream.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes a prefix of the concatenated `parts` and returns its length.
    ///
    /// # Errors
    /// Returns the errors of [`try_write`](Self::try_write).
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Returns `Ready` when all written bytes have been handed to the operating system.
    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that no more bytes will be written. Reading stays possible.
    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns `Ready` when the peer has closed its side. Bytes that the peer has sent stay unread.
    fn poll_hung_up(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl dyn Transport {
    /// Waits until a read may succeed.
    ///
    /// # Errors
    /// Returns the error of the stream.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits until a write may succeed.
    ///
    /// # Errors
    /// Returns the error of the stream.
    pub async fn writable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_writable(cx)).await
    }

    /// Tells the peer that no more bytes will be written.
    ///
    /// # Errors
    /// Returns the error of the stream.
    pub async fn shutdown(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_shutdown(cx)).await
    }
}

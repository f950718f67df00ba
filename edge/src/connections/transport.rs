//! The bytes of a connection, whatever carries them: plain TCP, or something around it.
//!
//! A transport is used by one task at a time, in the way of a non-blocking socket: it says when it may be tried, and a
//! try that finds nothing to do fails with [`io::ErrorKind::WouldBlock`]. Everything that only one kind of socket can
//! do is a method of this trait, so that another kind is an implementation and nothing else.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::ReadBuf;

/// A byte stream in both directions.
pub trait Transport: Send + Sync + 'static {
    /// Ready when a read may succeed, or may tell the end.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads what there is, at most what `buffer` has room for; zero bytes are the end.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet, and any other error of the stream.
    fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize>;

    /// Appends what there is to `buffer`, which grows if it is full; zero bytes are the end.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    fn try_read_into(&self, buffer: &mut BytesMut) -> io::Result<usize>;

    /// Ready when a write may succeed.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes a first part of `bytes` and returns its length.
    ///
    /// # Errors
    /// `WouldBlock` when nothing can be taken now, and any other error of the stream.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes a first part of what `parts` have together.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ready when everything written has been handed to the system.
    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more is written. Reading goes on.
    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when the peer has closed its side. Bytes that it may have sent instead stay unread.
    fn poll_hung_up(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl dyn Transport {
    /// Waits until a read may succeed.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits until a write may succeed.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn writable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_writable(cx)).await
    }

    /// Tells the peer that nothing more is written.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn shutdown(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_shutdown(cx)).await
    }
}

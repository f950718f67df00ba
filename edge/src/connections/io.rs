//! The bytes of a connection as hyper reads and writes them: the bytes that were read before hyper took over, then
//! those of the transport. Deadlines end the connection of a peer that sends a request too slowly or does not read the
//! response.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::connection::{Connection, Phase};
use crate::limits::{MIN_BODY_RATE, REQUEST_TIMEOUT, WRITE_BURST, WRITE_STALL_TIMEOUT};

/// An accepted connection as a stream for hyper.
pub struct Io {
    connection: Connection,
    already_read: Bytes,
    /// Runs while a request has begun and is not complete yet.
    read_deadline: Option<Pin<Box<Sleep>>>,
    /// Runs while bytes wait to be taken by the peer.
    write_deadline: Option<Pin<Box<Sleep>>>,
    /// The bytes written since this connection last yielded to other tasks.
    burst: usize,
}

impl Io {
    /// Makes the stream. `already_read` has the bytes that were received before HTTP was recognised.
    pub fn new(connection: Connection, already_read: Bytes) -> Self {
        Io { connection, already_read, read_deadline: None, write_deadline: None, burst: 0 }
    }

    fn received(&mut self, bytes: usize) {
        if self.connection.is_in(Phase::Streaming) {
            return;
        }
        if self.connection.is_in(Phase::BetweenRequests) {
            self.connection.set_phase(Phase::Receiving);
            self.read_deadline = None;
        }
        match &mut self.read_deadline {
            Some(deadline) => {
                let extended = deadline.deadline() + Duration::from_secs_f64(bytes as f64 / MIN_BODY_RATE as f64);
                deadline.as_mut().reset(extended);
            }
            None => self.read_deadline = Some(Box::pin(tokio::time::sleep(REQUEST_TIMEOUT))),
        }
    }

    /// Returns `Pending` while the request may still arrive in time, and an error after its deadline.
    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.connection.is_in(Phase::Receiving) {
            self.read_deadline = None;
        }
        match &mut self.read_deadline {
            Some(deadline) => deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            None => Poll::Pending,
        }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&Connection) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.burst >= WRITE_BURST {
            self.burst = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match self.connection.transport().poll_writable(cx) {
                Poll::Ready(Ok(())) => match write(&self.connection) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    done => {
                        self.write_deadline = None;
                        self.burst += done.as_ref().copied().unwrap_or_default();
                        return Poll::Ready(done);
                    }
                },
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let deadline = self.write_deadline.get_or_insert_with(|| {
                        Box::pin(tokio::time::sleep_until(Instant::now() + WRITE_STALL_TIMEOUT))
                    });
                    ready!(deadline.as_mut().poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.already_read.has_remaining() {
            let count = this.already_read.remaining().min(buf.remaining());
            buf.put_slice(&this.already_read.split_to(count));
            this.received(count);
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.connection.transport().poll_readable(cx)?.is_pending() {
                return this.poll_read_deadline(cx);
            }
            match this.connection.transport().try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(count) => {
                    this.received(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let buf = &buf[..buf.len().min(WRITE_BURST)];
        self.poll_write_with(cx, |connection| connection.transport().try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match bufs.iter().position(|buf| buf.len() > WRITE_BURST) {
            // This is the head of a chunk of a large body.
            Some(0) => self.poll_write(cx, &bufs[0]),
            Some(large) => {
                self.poll_write_with(cx, |connection| connection.transport().try_write_vectored(&bufs[..large]))
            }
            None => self.poll_write_with(cx, |connection| connection.transport().try_write_vectored(bufs)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.transport().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.transport().poll_shutdown(cx)
    }
}

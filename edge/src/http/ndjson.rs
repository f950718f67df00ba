//! A stream of lines in a chunked response, for `curl -N` and for programs without RecordIO.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use super::stream::{StreamError, StreamQueue};

/// The body of a streaming response with one JSON object per line. `on_end` runs when the body is dropped, for every
/// kind of end of the stream.
pub struct NdjsonBody<F: FnOnce()> {
    source: Arc<StreamQueue<Bytes>>,
    first: Option<Bytes>,
    on_end: Option<F>,
}

impl<F: FnOnce()> NdjsonBody<F> {
    /// Makes the body. `first` goes out before the queued lines.
    pub fn new(first: Bytes, source: Arc<StreamQueue<Bytes>>, on_end: F) -> Self {
        NdjsonBody { source, first: Some(first).filter(|first| !first.is_empty()), on_end: Some(on_end) }
    }
}

impl<F: FnOnce() + Unpin> Body for NdjsonBody<F> {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let mut taken = Vec::new();
        match self.source.poll_take(cx, &mut taken) {
            Poll::Ready(Some(())) => {
                let lines: Vec<u8> = taken.iter().flat_map(|line| line.iter().copied()).collect();
                Poll::Ready(Some(Ok(Frame::data(lines.into()))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.source.poll_hung_up(cx).map(|()| Some(Err(StreamError::Gone))),
        }
    }
}

impl<F: FnOnce()> Drop for NdjsonBody<F> {
    fn drop(&mut self) {
        self.source.abort();
        if let Some(on_end) = self.on_end.take() {
            on_end();
        }
    }
}

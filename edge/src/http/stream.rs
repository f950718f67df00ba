//! Event streams: from the core's queue to RecordIO in a chunked response. The task of the connection encodes the
//! events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use wire::{ContentType, StreamEvent};

use crate::connections::connection::Connection;
use crate::core_thread::queue::{BatchQueue, Bound, Pushed};
use crate::limits::{MAX_STREAM_BYTES, MAX_STREAM_EVENTS};

/// The events waiting for one subscriber.
pub struct StreamQueue<E> {
    queue: BatchQueue<E>,
    connection: Connection,
}

impl<E> StreamQueue<E> {
    /// Makes the queue for the subscriber at the other end of `connection`.
    pub fn new(connection: Connection) -> Arc<Self> {
        let bound = Bound { items: MAX_STREAM_EVENTS, bytes: MAX_STREAM_BYTES };
        Arc::new(StreamQueue { queue: BatchQueue::new(bound), connection })
    }

    /// Appends an event of `bytes` bytes. The caller [`kill`](Self::kill)s a queue that is full.
    pub fn push(&self, event: E, bytes: usize) -> Pushed {
        self.queue.push(event, bytes)
    }

    /// Wakes the task that writes.
    pub fn wake(&self) {
        self.queue.wake();
    }

    /// Ends the stream after the queued events.
    pub fn finish(&self) {
        self.queue.finish();
    }

    /// Takes the queued events; `None` at the end.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<E>) -> Poll<Option<()>> {
        self.queue.poll_take(cx, into).map(|more| more.then_some(()))
    }

    pub(crate) fn poll_hung_up(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.poll_hung_up(cx)
    }

    pub(crate) fn abort(&self) {
        self.queue.abort();
    }

    /// Drops the queued events and the connection.
    pub fn kill(&self) {
        self.queue.abort();
        self.connection.kill();
    }
}

/// The body of a streaming response. `on_end` runs when the body is dropped, for every kind of end of the stream.
pub struct EventBody<E, F: FnOnce()> {
    source: Arc<StreamQueue<E>>,
    content_type: ContentType,
    first: std::vec::IntoIter<Bytes>,
    taken: std::vec::IntoIter<E>,
    on_end: Option<F>,
}

/// The reason for which a stream ends before its queue does.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The subscriber has disconnected. hyper ends the response abnormally and closes the connection.
    #[error("the subscriber has closed its connection")]
    Gone,
}

impl<E: StreamEvent, F: FnOnce()> EventBody<E, F> {
    /// Makes the body of a stream that begins with the first event of `source`.
    pub fn new(source: Arc<StreamQueue<E>>, content_type: ContentType, on_end: F) -> Self {
        Self::with_initial_records(Vec::new(), source, content_type, on_end)
    }

    /// Makes the body of a stream that begins with `first`, which are encoded records.
    pub fn with_initial_records(
        first: Vec<Bytes>,
        source: Arc<StreamQueue<E>>,
        content_type: ContentType,
        on_end: F,
    ) -> Self {
        let taken = Vec::new().into_iter();
        EventBody { source, content_type, first: first.into_iter(), taken, on_end: Some(on_end) }
    }

    /// Returns the next record. Events are encoded when the connection has room for them.
    fn next_record(&mut self) -> Option<Bytes> {
        let encode = |event: E| Bytes::from(record(&event.encode_as(self.content_type)));
        self.first.next().or_else(|| self.taken.next().map(encode))
    }
}

impl<E: StreamEvent, F: FnOnce()> Body for EventBody<E, F>
where
    Self: Unpin,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = &mut *self;
        loop {
            // Each record is a frame of its own: some clients treat a chunk as a record, which holds with Mesos.
            if let Some(record) = this.next_record() {
                return Poll::Ready(Some(Ok(Frame::data(record))));
            }
            let mut taken = Vec::new();
            match this.source.queue.poll_take(cx, &mut taken) {
                Poll::Ready(true) => this.taken = taken.into_iter(),
                Poll::Ready(false) => return Poll::Ready(None),
                // hyper tolerates half-closed connections and does not look for them. A disconnected subscriber has to
                // be noticed at once, since its failover timeout starts then.
                Poll::Pending => {
                    return this.source.poll_hung_up(cx).map(|()| Some(Err(StreamError::Gone)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<E, F: FnOnce()> Drop for EventBody<E, F> {
    fn drop(&mut self) {
        self.source.queue.abort();
        if let Some(on_end) = self.on_end.take() {
            on_end();
        }
    }
}

/// Returns a payload in the framing of RecordIO.
pub fn record(payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(payload.len() + 12);
    wire::recordio::encode(payload, &mut record);
    record
}

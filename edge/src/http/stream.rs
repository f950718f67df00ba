//! Event streams: from a queue of the core or a channel to the body of a chunked response. The task of the connection
//! encodes the events when the connection has room for them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
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

    /// Drops the queued events and the connection.
    pub fn kill(&self) {
        self.queue.abort();
        self.connection.kill();
    }
}

/// The reason for which a stream ends before its source does.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The subscriber has disconnected. hyper ends the response abnormally and closes the connection.
    #[error("the subscriber has closed its connection")]
    Gone,
}

/// The source of the frames of a streaming response.
pub trait FrameSource: Unpin {
    /// Returns the next frame; `None` at the end of the stream.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// Returns the connection to the reader.
    fn connection(&self) -> &Connection;

    /// Drops what is left, since nobody reads any more.
    fn end(&mut self) {}
}

/// The body of a streaming response. `on_end` runs when the body is dropped, for every kind of end of the stream.
pub struct StreamBody<S: FrameSource, F: FnOnce()> {
    source: S,
    on_end: Option<F>,
}

impl<S: FrameSource, F: FnOnce() + Unpin> StreamBody<S, F> {
    /// Makes the body of a response that ends with its source.
    pub fn new(source: S, on_end: F) -> Self {
        StreamBody { source, on_end: Some(on_end) }
    }
}

impl<S: FrameSource, F: FnOnce() + Unpin> Body for StreamBody<S, F> {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match self.source.poll_next(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| Ok(Frame::data(frame)))),
            // hyper tolerates half-closed connections and does not look for them. A disconnected reader has to be noticed
            // at once: the failover timeout of a framework starts then, and a session ends.
            Poll::Pending => self.source.connection().poll_hung_up(cx).map(|()| Some(Err(StreamError::Gone))),
        }
    }
}

impl<S: FrameSource, F: FnOnce()> Drop for StreamBody<S, F> {
    fn drop(&mut self) {
        self.source.end();
        if let Some(on_end) = self.on_end.take() {
            on_end();
        }
    }
}

/// The events of a [`StreamQueue`] as records, each of which is a frame: some clients treat a chunk as a record, which
/// holds with Mesos.
pub struct QueuedRecords<E> {
    queue: Arc<StreamQueue<E>>,
    content_type: ContentType,
    first: std::vec::IntoIter<Bytes>,
    taken: std::vec::IntoIter<E>,
}

impl<E: StreamEvent> QueuedRecords<E> {
    /// Returns the records of a stream that begins with the first event of `queue`.
    pub fn new(queue: Arc<StreamQueue<E>>, content_type: ContentType) -> Self {
        Self::after(Vec::new(), queue, content_type)
    }

    /// Returns the records of a stream that begins with `first`, which are encoded records.
    pub fn after(first: Vec<Bytes>, queue: Arc<StreamQueue<E>>, content_type: ContentType) -> Self {
        QueuedRecords { queue, content_type, first: first.into_iter(), taken: Vec::new().into_iter() }
    }
}

impl<E: StreamEvent + Unpin> FrameSource for QueuedRecords<E> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let encode = |event: E| Bytes::from(record(&event.encode_as(self.content_type)));
            if let Some(record) = self.first.next().or_else(|| self.taken.next().map(encode)) {
                return Poll::Ready(Some(record));
            }
            let mut taken = Vec::new();
            match self.queue.queue.poll_take(cx, &mut taken) {
                Poll::Ready(true) => self.taken = taken.into_iter(),
                Poll::Ready(false) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn connection(&self) -> &Connection {
        &self.queue.connection
    }

    fn end(&mut self) {
        self.queue.queue.abort();
    }
}

/// The lines of a [`StreamQueue`], one JSON object each, for `curl -N` and for programs without RecordIO.
pub struct QueuedLines {
    queue: Arc<StreamQueue<Bytes>>,
    first: Option<Bytes>,
}

impl QueuedLines {
    /// Returns the lines of a stream. `first` goes out before the queued lines.
    pub fn after(first: Bytes, queue: Arc<StreamQueue<Bytes>>) -> Self {
        QueuedLines { queue, first: Some(first).filter(|first| !first.is_empty()) }
    }
}

impl FrameSource for QueuedLines {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let mut taken = Vec::new();
        self.queue.queue.poll_take(cx, &mut taken).map(|more| more.then(|| taken.concat().into()))
    }

    fn connection(&self) -> &Connection {
        &self.queue.connection
    }

    fn end(&mut self) {
        self.queue.queue.abort();
    }
}

/// The events of a bounded channel as records, whose sender waits for the reader, with heartbeats.
pub struct ChannelRecords<E> {
    events: mpsc::Receiver<E>,
    content_type: ContentType,
    heartbeat: E,
    ticks: Interval,
    connection: Connection,
}

impl<E: StreamEvent> ChannelRecords<E> {
    /// Returns the records for the reader at the other end of `connection`, with a `heartbeat` at every `interval`.
    pub fn new(
        events: mpsc::Receiver<E>,
        content_type: ContentType,
        (heartbeat, interval): (E, Duration),
        connection: Connection,
    ) -> Self {
        let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ChannelRecords { events, content_type, heartbeat, ticks, connection }
    }

    fn record(&self, event: &E) -> Bytes {
        Bytes::from(record(&event.encode_as(self.content_type)))
    }
}

impl<E: StreamEvent + Unpin> FrameSource for ChannelRecords<E> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.events.poll_recv(cx) {
            Poll::Ready(event) => Poll::Ready(event.map(|event| self.record(&event))),
            Poll::Pending => self.ticks.poll_tick(cx).map(|_| Some(self.record(&self.heartbeat))),
        }
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Returns a payload in the framing of RecordIO.
pub fn record(payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(payload.len() + 12);
    wire::recordio::encode(payload, &mut record);
    record
}

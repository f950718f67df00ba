//! Streams whose source waits for the reader: from a bounded channel to RecordIO in a chunked response, with heartbeats.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use wire::{ContentType, StreamEvent};

use super::stream::{StreamError, record};
use crate::connections::connection::Connection;

/// The body of a response that ends with its channel. `on_end` runs when the body is dropped, for every kind of end of
/// the stream.
pub struct ChannelBody<E, F: FnOnce()> {
    source: mpsc::Receiver<E>,
    content_type: ContentType,
    heartbeat: E,
    ticks: Interval,
    connection: Connection,
    on_end: Option<F>,
}

impl<E: StreamEvent, F: FnOnce()> ChannelBody<E, F> {
    /// Makes the body for the reader at the other end of `connection`, with a `heartbeat` at every `interval`.
    pub fn new(
        source: mpsc::Receiver<E>,
        content_type: ContentType,
        heartbeat: (E, Duration),
        connection: Connection,
        on_end: F,
    ) -> Self {
        let (heartbeat, interval) = heartbeat;
        let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ChannelBody { source, content_type, heartbeat, ticks, connection, on_end: Some(on_end) }
    }

    fn frame(&self, event: &E) -> Frame<Bytes> {
        Frame::data(Bytes::from(record(&event.encode_as(self.content_type))))
    }
}

impl<E: StreamEvent, F: FnOnce()> Body for ChannelBody<E, F>
where
    Self: Unpin,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = &mut *self;
        match this.source.poll_recv(cx) {
            Poll::Ready(Some(event)) => return Poll::Ready(Some(Ok(this.frame(&event)))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if this.ticks.poll_tick(cx).is_ready() {
            return Poll::Ready(Some(Ok(this.frame(&this.heartbeat))));
        }
        // hyper does not look for a disconnected reader, whose end has consequences here.
        this.connection.poll_hung_up(cx).map(|()| Some(Err(StreamError::Gone)))
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<E, F: FnOnce()> Drop for ChannelBody<E, F> {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end();
        }
    }
}

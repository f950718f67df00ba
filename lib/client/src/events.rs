//! Event streams: RecordIO frames of one message type.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use messages::schema::HasDescriptor;
use wire::recordio::Decoder;

use crate::address::Address;
use crate::error::Error;
use crate::transport;

/// The maximum size of a record in bytes, above that of any event.
const MAX_RECORD: usize = 256 << 20;

const MISSED_HEARTBEATS: u32 = 4;

/// The events of a subscription in order. Dropping the value ends the subscription.
#[derive(Debug)]
pub struct Events<T> {
    address: Address,
    body: Incoming,
    decoder: Decoder,
    /// The time without bytes after which the peer counts as lost.
    silence_limit: Option<Duration>,
    event: PhantomData<fn() -> T>,
}

impl<T: HasDescriptor> Events<T> {
    pub(crate) fn new(address: Address, response: Response<Incoming>) -> Self {
        Events {
            address,
            body: response.into_body(),
            decoder: Decoder::new(MAX_RECORD),
            silence_limit: None,
            event: PhantomData,
        }
    }

    /// Waits for the next event; `None` if the peer has ended the stream.
    ///
    /// Dropping the future before it resolves loses no event.
    ///
    /// # Errors
    /// Returns [`Error`] if the connection breaks, the peer is silent for too long, or a record is not an event.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(record) = self.decoder.next_record() {
                let limits = transport::limits(MAX_RECORD);
                return wire::decode(&record, &limits).map(Some).map_err(|e| self.protocol(e.to_string()));
            }
            let Some(frame) = self.frame().await? else { return Ok(None) };
            let frame = frame.map_err(|source| Error::Transport { address: self.address.clone(), source })?;
            if let Some(data) = frame.data_ref() {
                self.decoder.push(data).map_err(|e| self.protocol(e.to_string()))?;
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Result<Frame<Bytes>, hyper::Error>>, Error> {
        let frame = self.body.frame();
        match self.silence_limit {
            None => Ok(frame.await),
            Some(limit) => tokio::time::timeout(limit, frame).await.map_err(|_| Error::Timeout(self.address.clone())),
        }
    }

    /// Sets the interval of the peer's heartbeats. After several missed ones the peer counts as lost, since a
    /// connection whose other end has vanished looks the same as an idle one.
    pub(crate) fn expect_heartbeats(&mut self, interval: Duration) {
        self.silence_limit = Some(interval.saturating_mul(MISSED_HEARTBEATS));
    }

    /// Returns the peer that sends the events.
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn protocol(&self, reason: String) -> Error {
        Error::Protocol { address: self.address.clone(), reason }
    }
}

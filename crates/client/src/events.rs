//! An event stream: RecordIO frames of one message type.

use std::marker::PhantomData;

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use messages::schema::Described;
use wire::Limits;
use wire::recordio::Decoder;

use crate::address::Address;
use crate::error::Error;

/// A record larger than this is not an event of any cluster this can serve.
const MAX_RECORD: usize = 256 << 20;

/// The events of a subscription, in order. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Events<T> {
    address: Address,
    body: Incoming,
    decoder: Decoder,
    event: PhantomData<fn() -> T>,
}

impl<T: Described> Events<T> {
    pub(crate) fn new(address: Address, response: Response<Incoming>) -> Self {
        Events { address, body: response.into_body(), decoder: Decoder::new(MAX_RECORD), event: PhantomData }
    }

    /// The next event; `None` when the peer ended the stream.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(record) = self.decoder.next_record() {
                let limits = Limits { max_bytes: MAX_RECORD, ..Limits::default() };
                return wire::decode(&record, &limits).map(Some).map_err(|e| self.protocol(e.to_string()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|source| Error::Transport { address: self.address.clone(), source })?;
            if let Some(data) = frame.data_ref() {
                self.decoder.push(data).map_err(|e| self.protocol(e.to_string()))?;
            }
        }
    }

    fn protocol(&self, reason: String) -> Error {
        Error::Protocol { address: self.address.clone(), reason }
    }
}

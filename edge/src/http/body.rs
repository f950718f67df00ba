//! The bodies of requests: received whole within the bounds, or read by a handler piece by piece.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use wire::recordio::{Decoder, RecordError};

use super::respond::{Response, bad_request, closing, too_large, unavailable};
use crate::connections::budget::Share;
use crate::connections::connection::{Connection, Phase};

/// The body of a request that its handler reads. The peer is read only as fast as the handler asks for more.
pub struct BodyStream {
    incoming: Incoming,
    connection: Connection,
    /// The maximum of the whole body, and of each record, in bytes.
    max_bytes: usize,
    /// The memory that [`whole`](Self::whole) takes from the budget until the handler drops the stream.
    share: Share,
    records: Decoder,
}

/// The reason for which a body ends early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer has disconnected, or has sent bytes that are not a body.
    #[error("Failed to read the body: {0}")]
    Read(#[from] hyper::Error),
    /// The body is not RecordIO.
    #[error("Failed to decode the request body: {0}")]
    Record(#[from] RecordError),
}

impl BodyStream {
    pub(crate) fn new(incoming: Incoming, connection: Connection, share: Share, max_bytes: usize) -> Self {
        BodyStream { incoming, connection, max_bytes, share, records: Decoder::new(max_bytes) }
    }

    /// Bounds the records from now on, whose memory the budget does not count.
    pub fn limit_records(&mut self, max_bytes: usize) {
        self.records.set_limit(max_bytes);
    }

    /// Receives the whole body.
    ///
    /// # Errors
    /// Returns the response that refuses a body that is too large, ends early, or exceeds the memory budget.
    pub async fn whole(&mut self) -> Result<Bytes, Response> {
        let body = collect(&mut self.incoming, &mut self.share, self.max_bytes).await?;
        self.connection.set_phase(Phase::BetweenRequests);
        Ok(body)
    }

    /// Reads the next record of a RecordIO body; `None` at the end. The time between records is not limited.
    ///
    /// # Errors
    /// Returns [`BodyError`] if the peer disconnects within a record or sends bytes that are not RecordIO.
    pub async fn next_record(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.connection.set_phase(Phase::Streaming);
        loop {
            if let Some(record) = self.records.next_record() {
                return Ok(Some(record.into()));
            }
            let Some(frame) = self.incoming.frame().await else { return Ok(None) };
            // Trailers are ignored.
            let Ok(data) = frame?.into_data() else { continue };
            // Records that were complete before a fault still count.
            let pushed = self.records.push(&data);
            if let Some(record) = self.records.next_record() {
                return Ok(Some(record.into()));
            }
            pushed?;
        }
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        if self.connection.is_in(Phase::Streaming) {
            self.connection.set_phase(Phase::BetweenRequests);
        }
    }
}

/// Receives the whole body, which may have `max_bytes`, within the memory budget of all bodies.
pub(crate) async fn collect(incoming: &mut Incoming, share: &mut Share, max_bytes: usize) -> Result<Bytes, Response> {
    if incoming.size_hint().lower() > max_bytes as u64 {
        return Err(too_large(max_bytes));
    }
    // Most bodies arrive in one piece, which is not copied.
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| closing(bad_request(format!("Failed to read the body: {error}"))))?;
        // Trailers are ignored.
        let Ok(data) = frame.into_data() else { continue };
        let length = whole.len() + joined.len() + data.len();
        if length > max_bytes {
            return Err(too_large(max_bytes));
        }
        share.fit(length).map_err(|exhausted| closing(unavailable(exhausted.to_string())))?;
        if length == data.len() {
            whole = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

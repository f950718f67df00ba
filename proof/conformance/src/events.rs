//! An event stream: JSON records in RecordIO framing in a chunked HTTP response.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case_error::{CaseError, Checked};
use crate::http::{Connection, Request, Response};

const MAX_RECORD: usize = 32 << 20;

/// The number of events that are kept for a later step; the oldest are dropped first.
const KEPT: usize = 1024;

pub struct EventStream {
    pub head: Response,
    connection: Connection,
    records: wire::recordio::Decoder,
    ended: bool,
    /// The events that arrived while another one was awaited.
    kept: VecDeque<Value>,
}

impl EventStream {
    /// Sends the request and reads the head of the response, whatever its status is.
    pub fn open(address: std::net::SocketAddrV4, request: &Request) -> Checked<Self> {
        let mut connection = Connection::open(address)?;
        connection.write(&request.to_bytes(address))?;
        let head = connection.read_stream_head()?;
        Ok(EventStream {
            head,
            connection,
            records: wire::recordio::Decoder::new(MAX_RECORD),
            ended: false,
            kept: VecDeque::new(),
        })
    }

    /// Returns the next event, including heartbeats; `None` at the deadline or at the end of the stream.
    pub fn next_any(&mut self, deadline: Instant) -> Checked<Option<Value>> {
        match self.next_record(deadline)? {
            Some(record) => match serde_json::from_slice(&record) {
                Ok(event) => Ok(Some(event)),
                Err(_) => Err(CaseError::unexpected("record", "JSON", String::from_utf8_lossy(&record))),
            },
            None => Ok(None),
        }
    }

    pub fn next_record(&mut self, deadline: Instant) -> Checked<Option<Vec<u8>>> {
        loop {
            if let Some(record) = self.records.next_record() {
                return Ok(Some(record));
            }
            if self.ended {
                return Ok(None);
            }
            match self.connection.read_chunk(deadline) {
                Ok(Some(chunk)) => {
                    self.records.push(&chunk).map_err(|error| CaseError::unexpected("stream", "RecordIO", error))?;
                }
                Ok(None) => self.ended = true,
                Err(CaseError::Timeout { .. }) => return Ok(None),
                // A peer that closes a stream with unread data on it resets the connection.
                Err(CaseError::Io { .. }) => self.ended = true,
                Err(other) => return Err(other),
            }
        }
    }

    /// Waits for the next event of this type; others are kept for later.
    pub fn expect(&mut self, kind: &str, time: Duration) -> Checked<Value> {
        self.expect_that(kind, time, |_| true)
    }

    /// Waits for the next event of this type that satisfies `wanted`. Others are kept for later, since the order of
    /// events about different subjects is not promised.
    pub fn expect_that(&mut self, kind: &str, time: Duration, wanted: impl Fn(&Value) -> bool) -> Checked<Value> {
        let fits = |event: &Value| event["type"] == kind && wanted(event);
        if let Some(event) = self.kept.iter().position(fits).and_then(|position| self.kept.remove(position)) {
            return Ok(event);
        }
        let deadline = Instant::now() + time;
        loop {
            match self.next_any(deadline)? {
                Some(event) if fits(&event) => return Ok(event),
                Some(event) => self.keep(event),
                None => return Err(self.missing(kind, time)),
            }
        }
    }

    fn keep(&mut self, event: Value) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
    }

    fn missing(&self, kind: &str, time: Duration) -> CaseError {
        let others: Vec<String> =
            self.kept.iter().filter(|event| event["type"] != "HEARTBEAT").map(Value::to_string).collect();
        if self.ended {
            return CaseError::unexpected("stream", kind, format!("its end, after {}", others.join(" ")));
        }
        if others.is_empty() {
            return CaseError::Timeout { what: format!("a {kind} event"), seconds: time.as_secs_f64() };
        }
        CaseError::unexpected("stream", kind, others.join(" "))
    }

    /// Checks that no event of this type arrives for a while.
    pub fn expect_none(&mut self, kind: &str, time: Duration) -> Checked {
        let deadline = Instant::now() + time;
        while let Some(event) = self.next_any(deadline)? {
            if event["type"] == kind {
                return Err(CaseError::unexpected("stream", format!("no {kind}"), event));
            }
            self.keep(event);
        }
        Ok(())
    }

    /// Checks that the stream ends in time; events before the end are ignored.
    pub fn expect_end(&mut self, time: Duration) -> Checked {
        let deadline = Instant::now() + time;
        while self.next_any(deadline)?.is_some() {}
        if self.ended {
            return Ok(());
        }
        Err(CaseError::Timeout { what: "the end of the stream".into(), seconds: time.as_secs_f64() })
    }
}

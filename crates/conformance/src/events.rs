//! An event stream: chunked HTTP around RecordIO around JSON.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Connection, Request, Response};
use crate::stop::{Checked, Stop};

const MAX_RECORD: usize = 32 << 20;

pub struct EventStream {
    pub head: Response,
    connection: Connection,
    records: wire::recordio::Decoder,
    ended: bool,
}

impl EventStream {
    /// Sends the request and reads the head of the answer, whatever its status.
    pub fn open(address: std::net::SocketAddrV4, request: &Request) -> Checked<Self> {
        let mut connection = Connection::open(address)?;
        connection.write(&request.to_bytes(address))?;
        let head = connection.read_stream_head()?;
        Ok(EventStream { head, connection, records: wire::recordio::Decoder::new(MAX_RECORD), ended: false })
    }

    /// The next event, heartbeats included; `None` when nothing came in time or the stream has ended.
    pub fn next_any(&mut self, deadline: Instant) -> Checked<Option<Value>> {
        match self.next_record(deadline)? {
            Some(record) => match serde_json::from_slice(&record) {
                Ok(event) => Ok(Some(event)),
                Err(_) => Err(Stop::unexpected("record", "JSON", String::from_utf8_lossy(&record))),
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
                    self.records.push(&chunk).map_err(|error| Stop::unexpected("stream", "RecordIO", error))?;
                }
                Ok(None) => self.ended = true,
                Err(Stop::Late { .. }) => return Ok(None),
                // Whoever closes a stream with unread data on it resets it.
                Err(Stop::Io { .. }) => self.ended = true,
                Err(other) => return Err(other),
            }
        }
    }

    /// The next event of this type, skipping others.
    pub fn expect(&mut self, kind: &str, time: Duration) -> Checked<Value> {
        self.expect_that(kind, time, |_| true)
    }

    /// The next event of this type that satisfies `wanted`, skipping others.
    pub fn expect_that(&mut self, kind: &str, time: Duration, wanted: impl Fn(&Value) -> bool) -> Checked<Value> {
        let deadline = Instant::now() + time;
        let mut skipped: Vec<String> = Vec::new();
        loop {
            match self.next_any(deadline)? {
                Some(event) if event["type"] == kind && wanted(&event) => return Ok(event),
                Some(event) => skipped.push(event.to_string()),
                None if self.ended => {
                    return Err(Stop::unexpected("stream", kind, format!("its end, after {}", skipped.join(" "))));
                }
                None if skipped.is_empty() => {
                    return Err(Stop::Late { what: format!("a {kind} event"), seconds: time.as_secs_f64() });
                }
                None => return Err(Stop::unexpected("stream", kind, skipped.join(" "))),
            }
        }
    }

    /// Nothing of this type comes for a while.
    pub fn expect_none(&mut self, kind: &str, time: Duration) -> Checked {
        let deadline = Instant::now() + time;
        while let Some(event) = self.next_any(deadline)? {
            if event["type"] == kind {
                return Err(Stop::unexpected("stream", format!("no {kind}"), event));
            }
        }
        Ok(())
    }

    /// The stream ends, whatever still comes before.
    pub fn expect_end(&mut self, time: Duration) -> Checked {
        let deadline = Instant::now() + time;
        while self.next_any(deadline)?.is_some() {}
        if self.ended {
            return Ok(());
        }
        Err(Stop::Late { what: "the end of the stream".into(), seconds: time.as_secs_f64() })
    }
}

//! The HTTP that a load generator needs: requests as bytes, and the body of an endless response as records.

use wire::recordio::{Decoder, RecordError};

/// The largest event: a full set of offers of a large cluster.
const MAX_RECORD: usize = 1 << 30;
const MAX_LINE: usize = 1 << 10;

/// Appends a call of the v1 scheduler API.
pub fn encode_call(host: &str, stream: Option<&str>, body: &[u8], out: &mut Vec<u8>) {
    let stream = stream.map_or(String::new(), |id| format!("Mesos-Stream-Id: {id}\r\n"));
    let head = format!(
        "POST /api/v1/scheduler HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\n\
         Accept: application/x-protobuf\r\n{stream}Content-Length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("malformed response")]
    Malformed(#[from] httparse::Error),
    #[error("the master answered SUBSCRIBE with {status}: {body}")]
    Refused { status: u16, body: String },
    #[error("the response to SUBSCRIBE is not chunked, or has no Mesos-Stream-Id")]
    NotAStream,
    #[error("malformed chunk")]
    BadChunk,
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The response to SUBSCRIBE, which is parsed as its bytes arrive.
pub struct EventStream {
    stream_id: Option<String>,
    /// The bytes of an incomplete head or chunk-size line.
    pending: Vec<u8>,
    /// The number of bytes of the current chunk that are still to come, including its line end.
    chunk: usize,
    records: Decoder,
}

impl Default for EventStream {
    fn default() -> Self {
        EventStream { stream_id: None, pending: Vec::new(), chunk: 0, records: Decoder::new(MAX_RECORD) }
    }
}

impl EventStream {
    /// Returns the `Mesos-Stream-Id` once the head of the response is complete.
    pub fn id(&self) -> Option<&str> {
        self.stream_id.as_deref()
    }

    pub fn next_record(&mut self) -> Option<Vec<u8>> {
        self.records.next_record()
    }

    /// Takes the next bytes of the response.
    ///
    /// # Errors
    /// Returns [`StreamError`] if the bytes are not a successful response with chunks of records.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        if self.stream_id.is_some() {
            return self.body(bytes);
        }
        self.pending.extend_from_slice(bytes);
        let Some((length, id)) = parse_head(&self.pending)? else { return Ok(()) };
        self.stream_id = Some(id);
        let pending = std::mem::take(&mut self.pending);
        self.body(pending.get(length..).unwrap_or_default())
    }

    fn body(&mut self, mut bytes: &[u8]) -> Result<(), StreamError> {
        /// The length of the line end of a chunk.
        const LINE_END: usize = 2;
        while !bytes.is_empty() {
            if self.chunk > 0 {
                let (now, rest) = bytes.split_at(bytes.len().min(self.chunk));
                let payload = now.len().min(self.chunk.saturating_sub(LINE_END));
                self.records.push(now.get(..payload).unwrap_or_default())?;
                self.chunk -= now.len();
                bytes = rest;
                continue;
            }
            let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
                self.pending.extend_from_slice(bytes);
                return if self.pending.len() > MAX_LINE { Err(StreamError::BadChunk) } else { Ok(()) };
            };
            let (line, rest) = bytes.split_at(end + 1);
            self.pending.extend_from_slice(line);
            let size = chunk_size(&self.pending).ok_or(StreamError::BadChunk)?;
            self.pending.clear();
            self.chunk = size.checked_add(LINE_END).ok_or(StreamError::BadChunk)?;
            bytes = rest;
        }
        Ok(())
    }
}

/// Returns the length of the head and the stream id; `None` if the head is incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, String)>, StreamError> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    if status != 200 {
        let body = String::from_utf8_lossy(bytes.get(length..).unwrap_or_default()).into_owned();
        return Err(StreamError::Refused { status, body });
    }
    let header = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let chunked = header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    match header("Mesos-Stream-Id") {
        Some(id) if chunked => Ok(Some((length, id))),
        _ => Err(StreamError::NotAStream),
    }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(line).ok()?.split(';').next()?.trim();
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: s-1\r\n\r\n";

    fn records(text: &str, chunk: usize) -> Result<Vec<String>, String> {
        let mut stream = EventStream::default();
        for part in text.as_bytes().chunks(chunk) {
            stream.push(part).map_err(|error| error.to_string())?;
        }
        assert_eq!(stream.id(), Some("s-1"));
        Ok(std::iter::from_fn(|| stream.next_record()).map(|r| String::from_utf8(r).unwrap()).collect())
    }

    fn check(text: &str, expect: Result<&[&str], &str>) {
        let expect = expect.map(|r| r.iter().map(|r| (*r).to_owned()).collect()).map_err(str::to_owned);
        for chunk in [1, 3, 1000] {
            assert_eq!(records(text, chunk), expect, "in chunks of {chunk}");
        }
    }

    #[test]
    fn records_are_decoded_from_any_chunks() {
        check(&format!("{HEAD}5\r\n3\nabc\r\n1\r\n1\r\n2;x=y\r\n\nd\r\n"), Ok(&["abc", "d"]));
        check(&format!("{HEAD}C\r\n10\n01234567\r\n\r\n"), Err("malformed chunk"));
    }

    #[test]
    fn calls_are_requests() {
        let mut out = Vec::new();
        encode_call("h:1", Some("s"), b"body", &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("POST /api/v1/scheduler HTTP/1.1\r\nHost: h:1\r\n"), "{text}");
        assert!(text.ends_with("Mesos-Stream-Id: s\r\nContent-Length: 4\r\n\r\nbody"), "{text}");
    }
}

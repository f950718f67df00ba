//! The framing of HTTP/1.1 bodies: `Content-Length` or chunked, incremental and bounded. RFC 9112, sections 6 and 7.

use bytes::{Buf, Bytes, BytesMut};

/// The longest chunk-size line with its extensions, or trailer line.
const MAX_LINE: usize = 8 << 10;
/// The most trailers of a body. They are read and ignored (CVE-2018-1330: libprocess once aborted on them), but not
/// without end.
const MAX_TRAILERS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum BodyError {
    #[error("the Content-Length is not a number, or there are several different ones")]
    BadLength,
    #[error("Content-Length together with a Transfer-Encoding")]
    AmbiguousLength,
    #[error("a Transfer-Encoding other than chunked")]
    UnknownEncoding,
    #[error("a malformed chunk")]
    BadChunk,
    #[error("a line of the chunked framing is longer than {MAX_LINE} bytes")]
    LineTooLong,
    #[error("more than {MAX_TRAILERS} trailers")]
    TooManyTrailers,
    #[error("the body is longer than the limit of {limit} bytes")]
    TooLong { limit: usize },
}

/// The framing of a body, as the head announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

impl Framing {
    /// Returns the framing that the headers announce. Both framings at once are refused: two readers that disagree on
    /// the end of a body allow requests to be smuggled (RFC 9112, 6.3).
    ///
    /// # Errors
    ///
    /// Returns an error if the headers announce both framings, an unknown one, or an invalid length.
    pub fn of(headers: &[httparse::Header<'_>]) -> Result<Self, BodyError> {
        let mut framing = Framing::None;
        for header in headers {
            let found = if header.name.eq_ignore_ascii_case("content-length") {
                Framing::Length(parse_length(header.value).ok_or(BodyError::BadLength)?)
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(BodyError::UnknownEncoding);
                }
                Framing::Chunked
            } else {
                continue;
            };
            framing = match (framing, found) {
                (Framing::None, found) => found,
                (before, found) if before == found => found,
                (Framing::Length(_), Framing::Length(_)) => return Err(BodyError::BadLength),
                _ => return Err(BodyError::AmbiguousLength),
            };
        }
        Ok(framing)
    }
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !all_digits {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Takes one body from the front of a buffer, as its bytes arrive.
#[derive(Debug)]
pub(super) struct BodyReader {
    state: State,
    limit: usize,
    keep: bool,
    /// The number of bytes of the body so far, kept or not.
    length: usize,
    body: Bytes,
    joined: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A plain body that misses this many bytes.
    Plain(usize),
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailers(usize),
    Done,
}

impl BodyReader {
    /// Creates a reader of one body. If `keep` is false, the bytes are counted and dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the announced length exceeds `limit`.
    pub fn new(framing: Framing, limit: usize, keep: bool) -> Result<Self, BodyError> {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => State::Plain(length),
                _ => return Err(BodyError::TooLong { limit }),
            },
            Framing::Chunked => State::ChunkSize,
        };
        Ok(BodyReader { state, limit, keep, length: 0, body: Bytes::new(), joined: BytesMut::new() })
    }

    /// Consumes the bytes that belong to the body, and returns whether the body is complete.
    ///
    /// # Errors
    ///
    /// Returns an error if the framing is invalid or the body exceeds the limit.
    pub fn advance(&mut self, buffer: &mut BytesMut) -> Result<bool, BodyError> {
        loop {
            self.state = match self.state {
                State::Done => return Ok(true),
                // The bytes stay in the buffer until all have arrived, so that the common single-part body is never
                // copied.
                State::Plain(missing) if self.keep && buffer.len() < missing => return Ok(false),
                State::Plain(missing) => match self.take(buffer, missing) {
                    0 => State::Done,
                    missing => {
                        self.state = State::Plain(missing);
                        return Ok(false);
                    }
                },
                State::ChunkSize => {
                    let Some(line) = take_line(buffer)? else { return Ok(false) };
                    let size = chunk_size(&line).ok_or(BodyError::BadChunk)?;
                    let fits = size.checked_add(self.length).is_some_and(|total| total <= self.limit);
                    match size {
                        _ if !fits => return Err(BodyError::TooLong { limit: self.limit }),
                        0 => State::Trailers(0),
                        size => State::ChunkData(size),
                    }
                }
                State::ChunkData(missing) if self.keep && buffer.len() < missing => return Ok(false),
                State::ChunkData(missing) => match self.take(buffer, missing) {
                    0 => State::ChunkEnd,
                    missing => {
                        self.state = State::ChunkData(missing);
                        return Ok(false);
                    }
                },
                State::ChunkEnd => match take_line(buffer)? {
                    None => return Ok(false),
                    Some(line) if line.is_empty() => State::ChunkSize,
                    Some(_) => return Err(BodyError::BadChunk),
                },
                State::Trailers(count) => match take_line(buffer)? {
                    None => return Ok(false),
                    Some(line) if line.is_empty() => State::Done,
                    Some(_) if count >= MAX_TRAILERS => return Err(BodyError::TooManyTrailers),
                    Some(_) => State::Trailers(count + 1),
                },
            };
        }
    }

    /// Returns the number of bytes of the body so far.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn into_body(self) -> Bytes {
        if self.joined.is_empty() { self.body } else { self.joined.freeze() }
    }

    /// Moves up to `missing` bytes into the body, and returns the number that is still missing.
    fn take(&mut self, buffer: &mut BytesMut, missing: usize) -> usize {
        let count = missing.min(buffer.len());
        self.length += count;
        if !self.keep {
            buffer.advance(count);
        } else if self.body.is_empty() && self.joined.is_empty() {
            self.body = buffer.split_to(count).freeze();
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.body);
            }
            self.joined.extend_from_slice(&buffer.split_to(count));
        }
        missing - count
    }
}

/// Returns the line at the front without its end; `None` if it is not complete.
fn take_line(buffer: &mut BytesMut) -> Result<Option<Bytes>, BodyError> {
    let Some(end) = buffer.iter().take(MAX_LINE).position(|b| *b == b'\n') else {
        return if buffer.len() >= MAX_LINE { Err(BodyError::LineTooLong) } else { Ok(None) };
    };
    let mut line = buffer.split_to(end + 1).freeze();
    line.truncate(end);
    if line.ends_with(b"\r") {
        line.truncate(end - 1);
    }
    Ok(Some(line))
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

//! RecordIO, the framing of event streams. A record is its length in decimal digits, a newline and the payload; nothing
//! is between records.

use std::collections::VecDeque;

/// The longest header. A length that fits a `u64` has no more digits.
const MAX_HEADER: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum RecordError {
    #[error("the length of a record is not a decimal number")]
    BadLength,
    #[error("a record of {length} bytes is longer than the limit of {limit}")]
    TooLong { length: u64, limit: usize },
}

/// Appends one record.
pub fn encode(payload: &[u8], out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let length = digits.format(payload.len());
    out.reserve(length.len() + 1 + payload.len());
    out.extend_from_slice(length.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload);
}

/// Splits a byte stream into records. The boundaries of the chunks in which it arrives do not matter.
///
/// The first error is final: a stream that lost its framing cannot be resumed.
#[derive(Debug)]
pub struct Decoder {
    max_record: usize,
    state: State,
    ready: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    Payload { missing: usize, record: Vec<u8> },
    Failed(RecordError),
}

impl Decoder {
    /// Creates a decoder that refuses records of more than `max_record` bytes.
    pub fn new(max_record: usize) -> Self {
        Decoder { max_record, state: State::Header(Vec::new()), ready: VecDeque::new() }
    }

    /// Refuses records of more than `max_record` bytes whose length has not been read yet.
    pub fn set_limit(&mut self, max_record: usize) {
        self.max_record = max_record;
    }

    /// Takes the next bytes of the stream. Records completed before an error remain available.
    ///
    /// # Errors
    ///
    /// Returns an error if a length is malformed or a record is too large.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), RecordError> {
        while !bytes.is_empty() {
            bytes = self.advance(bytes)?;
        }
        Ok(())
    }

    /// Returns the next complete record; `None` until more bytes arrive.
    pub fn next_record(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    /// Returns whether the stream may end here, since no record has begun.
    pub fn is_at_boundary(&self) -> bool {
        matches!(&self.state, State::Header(digits) if digits.is_empty())
    }

    fn advance<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], RecordError> {
        match &mut self.state {
            State::Header(digits) => {
                let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
                    digits.extend_from_slice(bytes);
                    if digits.len() > MAX_HEADER {
                        return Err(self.fail(RecordError::BadLength));
                    }
                    return Ok(&[]);
                };
                digits.extend_from_slice(&bytes[..end]);
                let length = match parse_length(digits, self.max_record) {
                    Ok(length) => length,
                    Err(error) => return Err(self.fail(error)),
                };
                self.begin(length);
                Ok(&bytes[end + 1..])
            }
            State::Payload { missing, record } => {
                let (taken, rest) = bytes.split_at(bytes.len().min(*missing));
                record.extend_from_slice(taken);
                *missing -= taken.len();
                if *missing == 0 {
                    self.ready.push_back(std::mem::take(record));
                    self.state = State::Header(Vec::new());
                }
                Ok(rest)
            }
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn begin(&mut self, length: usize) {
        if length == 0 {
            self.ready.push_back(Vec::new());
            self.state = State::Header(Vec::new());
        } else {
            // The announced length is only a claim: memory is taken for the bytes that really arrive.
            self.state = State::Payload { missing: length, record: Vec::with_capacity(length.min(64 << 10)) };
        }
    }

    fn fail(&mut self, error: RecordError) -> RecordError {
        self.state = State::Failed(error.clone());
        error
    }
}

fn parse_length(digits: &[u8], limit: usize) -> Result<usize, RecordError> {
    if digits.is_empty() || digits.len() > MAX_HEADER || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RecordError::BadLength);
    }
    let length = digits
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(RecordError::BadLength)?;
    usize::try_from(length).ok().filter(|l| *l <= limit).ok_or(RecordError::TooLong { length, limit })
}

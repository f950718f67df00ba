//! Responses on a link socket. Peers answer every message with a `202 Accepted`, which is discarded.

use bytes::{Buf, BytesMut};

use super::body::{BodyError, BodyReader, Framing};
use super::head_scanner::HeadScanner;

const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum ResponseError {
    #[error("malformed response")]
    Malformed(#[from] httparse::Error),
    #[error("the response head is longer than {MAX_HEAD} bytes")]
    HeadTooLong,
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// Reads responses and drops them. It never keeps more than a head.
#[derive(Debug, Default)]
pub struct ResponseSkipper {
    buffer: BytesMut,
    head: HeadScanner,
    /// The body that is being skipped, and the status of its response.
    body: Option<(u16, BodyReader)>,
}

impl ResponseSkipper {
    /// Creates the reader of a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, and returns the number of responses that they completed. After an error the connection is
    /// of no use.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not HTTP responses.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, ResponseError> {
        let mut finished = 0;
        self.push_each(bytes, |_| finished += 1)?;
        Ok(finished)
    }

    /// Works as [`Self::push`], and passes the status of each completed response to `finished`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not HTTP responses.
    pub fn push_each(&mut self, bytes: &[u8], mut finished: impl FnMut(u16)) -> Result<(), ResponseError> {
        self.buffer.extend_from_slice(bytes);
        loop {
            if let Some((status, body)) = &mut self.body {
                if !body.advance(&mut self.buffer)? {
                    return Ok(());
                }
                finished(*status);
                self.body = None;
            }
            let Some(head) = self.head.head(&self.buffer) else {
                return if self.buffer.len() > MAX_HEAD { Err(ResponseError::HeadTooLong) } else { Ok(()) };
            };
            let (length, body) = parse_head(head)?;
            self.buffer.advance(length);
            self.head = HeadScanner::default();
            self.body = body;
        }
    }
}

/// Returns the length of a head, and the reader of its body unless the response is an interim one (1xx), after which
/// the real one follows.
fn parse_head(head: &[u8]) -> Result<(usize, Option<(u16, BodyReader)>), ResponseError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(head)? else {
        return Err(ResponseError::HeadTooLong);
    };
    let status = response.code.unwrap_or_default();
    let framing = match status {
        100..=199 => return Ok((length, None)),
        204 | 304 => Framing::None,
        _ => Framing::of(response.headers)?,
    };
    Ok((length, Some((status, BodyReader::new(framing, usize::MAX, false)?))))
}

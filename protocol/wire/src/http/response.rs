//! A whole response, however it arrives.

use super::chunked::{BadChunk, Chunked};
use super::head::{InvalidHead, ResponseHead, parse_head};

/// Why bytes are no response, or none that the caller takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResponse {
    /// The head is no head.
    #[error(transparent)]
    Head(#[from] InvalidHead),
    /// The chunks are no chunks.
    #[error(transparent)]
    Chunk(#[from] BadChunk),
    /// The body is longer than the caller takes.
    #[error("a response of more than {0} bytes")]
    TooLong(usize),
    /// The connection has ended within the response.
    #[error("a response that ends too early")]
    Truncated,
}

/// The decoder of one response.
#[derive(Debug)]
pub struct Response {
    head: Option<ResponseHead>,
    /// The bytes of the head until it is complete.
    head_bytes: Vec<u8>,
    body: Vec<u8>,
    /// The length of the body so far, with what was taken out of it.
    received: usize,
    chunked: Chunked,
    max_body: usize,
}

impl Response {
    /// Makes the decoder of a response whose body has at most `max_body` bytes at any time, apart from those that
    /// [`Response::take_body`] has taken.
    pub fn new(max_body: usize) -> Self {
        Response {
            head: None,
            head_bytes: Vec::new(),
            body: Vec::new(),
            received: 0,
            chunked: Chunked::new(),
            max_body,
        }
    }

    /// Takes bytes in. Returns whether the response is complete.
    ///
    /// # Errors
    /// Returns [`InvalidResponse`] if the bytes are no response, or the body is too long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, InvalidResponse> {
        if self.head.is_some() {
            return self.push_body(bytes);
        }
        self.head_bytes.extend_from_slice(bytes);
        let Some((head, length)) = parse_head(&self.head_bytes)? else { return Ok(false) };
        let rest = self.head_bytes.split_off(length);
        self.head_bytes = Vec::new();
        // An interim response precedes the response itself (RFC 9110, section 15.2), except for a change of protocol.
        if (100..200).contains(&head.status) && head.status != 101 {
            return self.push(&rest);
        }
        self.head = Some(head);
        self.push_body(&rest)
    }

    fn push_body(&mut self, bytes: &[u8]) -> Result<bool, InvalidResponse> {
        let Some(head) = &self.head else { return Ok(false) };
        if head.has_no_body() {
            return Ok(true);
        }
        let before = self.body.len();
        if head.chunked {
            self.chunked.push(bytes, &mut self.body)?;
        } else {
            self.body.extend_from_slice(bytes);
        }
        self.received += self.body.len() - before;
        if self.body.len() > self.max_body {
            return Err(InvalidResponse::TooLong(self.max_body));
        }
        Ok(match head.length {
            _ if head.chunked => self.chunked.is_done(),
            Some(length) => self.received >= length,
            None => false,
        })
    }

    /// Handles the end of the connection, which ends a body of unknown length.
    ///
    /// # Errors
    /// Returns [`InvalidResponse::Truncated`] if the response is not complete.
    pub fn end(&self) -> Result<(), InvalidResponse> {
        match &self.head {
            Some(head) if !head.chunked && head.length.is_none() => Ok(()),
            _ => Err(InvalidResponse::Truncated),
        }
    }

    /// Returns the status; `None` before the head is complete.
    pub fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status)
    }

    /// Takes the part of the body that has arrived since the last call.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BODY: usize = 1000;

    /// Returns the status and the body of a response that arrives in pieces of this length.
    fn decode(input: &[u8], step: usize) -> Result<(u16, Vec<u8>), InvalidResponse> {
        let mut response = Response::new(MAX_BODY);
        for piece in input.chunks(step) {
            if response.push(piece)? {
                return Ok((response.status().unwrap(), response.take_body()));
            }
        }
        response.end()?;
        Ok((response.status().unwrap(), response.take_body()))
    }

    #[test]
    fn a_response_ends_as_its_head_says_however_it_arrives() {
        let check = |input: &str, expect: Option<(u16, &str)>| {
            let expect = expect.map(|(status, body)| (status, body.as_bytes().to_vec()));
            for step in 1..=input.len() {
                assert_eq!(decode(input.as_bytes(), step).ok(), expect, "{input:?} in steps of {step}");
            }
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some((200, "ok")));
        check("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", Some((404, "no")));
        check("HTTP/1.1 200 OK\r\n\r\nto the end", Some((200, "to the end")));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, "")));
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", Some((200, "x")));
        check("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw", Some((101, "raw")));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n3\nabc\r\n", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", None);
        check("SSH-2.0\r\n", None);
    }

    #[test]
    fn an_answer_without_end_is_not_kept() {
        let mut input = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        input.resize(MAX_BODY + 1000, b'x');
        assert_eq!(decode(&input, 100), Err(InvalidResponse::TooLong(MAX_BODY)));
        let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 70_000]].concat();
        assert!(matches!(decode(&endless, 1000), Err(InvalidResponse::Head(_))));
    }

    #[test]
    fn a_stream_is_taken_while_it_arrives() {
        let mut response = Response::new(10);
        assert_eq!(response.push(b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n12345678"), Ok(false));
        assert_eq!(response.take_body(), b"12345678");
        assert_eq!(response.push(b"12345678"), Ok(false));
        assert_eq!(response.take_body(), b"12345678");
        assert_eq!(response.push(b"12345678"), Ok(true));
    }
}

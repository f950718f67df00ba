//! The status line and the headers of a response.

/// The maximum length of the head of a response in bytes.
pub const MAX_HEAD: usize = 64 << 10;

/// The maximum number of headers, more than any server of ours or of Docker sends.
const MAX_HEADERS: usize = 64;

/// The bytes are not the head of an HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidHead(String);

/// What the head of a response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// The length of the body in bytes, if the head says it.
    pub length: Option<usize>,
    /// Whether the body comes in chunks.
    pub chunked: bool,
    /// Whether the connection can be used again.
    pub keep_alive: bool,
}

impl ResponseHead {
    /// Returns whether a response with this status has no body, whatever its headers say (RFC 9112, section 6.3).
    pub fn has_no_body(&self) -> bool {
        matches!(self.status, 204 | 304)
    }
}

/// Parses the head of a response. Returns it with its length; `None` if it is not complete.
///
/// # Errors
/// Returns [`InvalidHead`] if the bytes are not the head of an HTTP response, or the head is too long.
pub fn parse_head(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, InvalidHead> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|error| InvalidHead(error.to_string()))?;
    let httparse::Status::Complete(length) = parsed else {
        return match bytes.len() > MAX_HEAD {
            true => Err(InvalidHead("a response head without end".to_owned())),
            false => Ok(None),
        };
    };
    let value = |name: &str| {
        let header = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        header.map(|h| String::from_utf8_lossy(h.value).to_ascii_lowercase())
    };
    let head = ResponseHead {
        status: response.code.unwrap_or_default(),
        length: value("content-length").and_then(|v| v.trim().parse().ok()),
        chunked: value("transfer-encoding").is_some_and(|v| v.contains("chunked")),
        keep_alive: value("connection").is_none_or(|v| !v.contains("close")),
    };
    Ok(Some((head, length)))
}

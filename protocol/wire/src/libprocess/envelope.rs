//! The parts of the envelope: sender, receiver, and name of the message.

use std::fmt::Write as _;

use ids::{InvalidUpid, Upid};

const AGENT_PREFIX: &str = "libprocess/";

/// The reason for which a request that looks like a message is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum EnvelopeError {
    #[error("Failed to determine sender from request headers")]
    NoSender,
    #[error(transparent)]
    InvalidSender(#[from] InvalidUpid),
    /// CVE-2017-9790: libprocess once read an empty path out of bounds.
    #[error("Request URL path must start with '/'")]
    NoLeadingSlash,
    /// CVE-2017-7687: libprocess once aborted on it.
    #[error("Failed to decode URL path: malformed percent-encoding")]
    BadPercentEncoding,
}

/// Appends a message, byte for byte as libprocess writes it. An empty body has no framing at all.
pub fn encode_message(from: &Upid, to: &Upid, name: &str, body: &[u8], out: &mut Vec<u8>) {
    let mut head = String::with_capacity(256);
    head.push_str("POST ");
    if !to.id.is_empty() {
        head.push('/');
        head.push_str(&to.id);
    }
    // Writing to a string cannot fail.
    let _ = write!(
        head,
        "/{name} HTTP/1.1\r\nUser-Agent: {AGENT_PREFIX}{from}\r\nLibprocess-From: {from}\r\nConnection: Keep-Alive\r\nHost: {}\r\n",
        to.address
    );
    if body.is_empty() {
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
        return;
    }
    let _ = write!(head, "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    out.reserve(head.len() + body.len() + 7);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n0\r\n\r\n");
}

/// Returns whether a request is a libprocess message rather than a call of an HTTP API.
pub fn is_message(method: &str, user_agent: Option<&str>, libprocess_from: Option<&str>) -> bool {
    method == "POST" && (libprocess_from.is_some() || user_agent.is_some_and(|agent| agent.starts_with(AGENT_PREFIX)))
}

/// Returns the sender: the value of `Libprocess-From`, or that in the `User-Agent` of older peers.
///
/// # Errors
///
/// Returns an error if neither header names a libprocess address.
pub fn sender(user_agent: Option<&str>, libprocess_from: Option<&str>) -> Result<Upid, EnvelopeError> {
    let text = libprocess_from
        .map(str::trim)
        .or_else(|| user_agent?.split_once(AGENT_PREFIX).map(|(_, from)| from.trim()))
        .ok_or(EnvelopeError::NoSender)?;
    Ok(text.parse()?)
}

/// Splits `/slave%281%29/mesos.internal.X` into the process id, decoded, and the name, as it is. Without a second slash
/// the name is empty.
///
/// # Errors
///
/// Returns an error if the path does not begin with a slash or has an invalid percent encoding.
pub fn parse_path(path: &str) -> Result<(String, String), EnvelopeError> {
    let path = path.strip_prefix('/').ok_or(EnvelopeError::NoLeadingSlash)?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (id, name) = path.split_once('/').unwrap_or((path, ""));
    Ok((percent_decode(id)?, name.to_owned()))
}

fn percent_decode(text: &str) -> Result<String, EnvelopeError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                match (high, low) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(EnvelopeError::BadPercentEncoding),
                }
            }
            // libprocess decodes the path as a query string.
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| EnvelopeError::BadPercentEncoding)
}

//! A request that has been received completely.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use views::Query;

use crate::connections::connection::Connection;
use crate::endpoints::names::escape_invalid;

pub struct Request {
    pub method: Method,
    /// As it came, without the query.
    pub path: String,
    /// As it came, with the query.
    pub target: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub connection: Connection,
}

impl Request {
    /// The text of a header; one that is no text counts as empty.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or_default())
    }

    pub fn jsonp(&self) -> Option<&str> {
        self.query.get("jsonp")
    }
}

/// Why a query or a form could not be decoded; prints as Mesos says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unable to decode query string: Malformed % escape in '{0}'")]
pub struct MalformedQuery(String);

/// Reads `a=1&b=2`, the query of a URL or the body of a form.
pub fn parse_query(text: &str) -> Result<Query, MalformedQuery> {
    let pairs = text.split(['&', ';']).filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(key)?, decode(value)?))
    });
    pairs.collect()
}

/// Percent- and plus-decoding. Bytes that make no UTF-8 stay percent-encoded: they stand for themselves where names of
/// files are meant ([`crate::common::names`]), and are no name of anything else.
pub fn decode(text: &str) -> Result<String, MalformedQuery> {
    let malformed = || MalformedQuery(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(malformed()),
                }
            }
            byte => byte,
        });
    }
    Ok(escape_invalid(&bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_are_decoded() {
        for (text, key, value) in [
            ("path=/a/b", "path", Some("/a/b")),
            ("path=%2Fa+b&x", "path", Some("/a b")),
            ("x", "x", Some("")),
            ("a=1&a=2", "a", Some("2")),
            ("", "a", None),
            ("a=b=c", "a", Some("b=c")),
            ("a=%c3%a9%ff", "a", Some("é%FF")),
        ] {
            assert_eq!(parse_query(text).unwrap().get(key), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(text in ".*") {
            let _ = parse_query(&text);
        }

        #[test]
        fn what_is_escaped_is_read(value in ".*") {
            let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let query = parse_query(&format!("a={escaped}")).unwrap();
            prop_assert_eq!(query.get("a"), Some(value.as_str()));
        }
    }

    #[test]
    fn malformed_escapes_are_refused() {
        for text in ["path=%zz", "%", "a=%f"] {
            assert!(parse_query(text).is_err(), "{text}");
        }
    }
}

//! A request and the parts of its target.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use model::Caller;
use views::Query;

use crate::connections::connection::Connection;
use crate::endpoints::names::escape_invalid;

/// An HTTP request.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as received, without the query.
    pub path: String,
    /// The path and the query as received.
    pub target: String,
    /// The decoded query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body; empty if the handler reads the body as a stream.
    pub body: Bytes,
    /// The caller who makes the request.
    pub caller: Caller,
    /// The connection that the request came on.
    pub connection: Connection,
}

impl Request {
    /// Returns the text of a header; `None` if the header is absent or not text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or_default())
    }

    /// Returns the callback of `?jsonp=`, whose characters have been checked.
    pub fn jsonp(&self) -> Option<&str> {
        self.query.get("jsonp")
    }

    /// Returns the part of the path below an endpoint's own path. The process at the beginning of the path is optional.
    pub fn below<'a>(&'a self, process: &str, route: &str) -> &'a str {
        let path = self.path.trim_matches('/');
        let path = path.strip_prefix(process).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
        path.strip_prefix(route).unwrap_or_default().trim_matches('/')
    }
}

/// The callback of `?jsonp=` is not a name. It becomes the beginning of a script that a browser executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Invalid 'jsonp' callback: expecting letters, digits, '_', '.', '$', '[' and ']' alone")]
pub struct InvalidCallback;

/// Checks the callback of `?jsonp=`.
///
/// # Errors
/// Returns [`InvalidCallback`] if it has characters that a name may not have.
pub fn check_callback(query: &Query) -> Result<(), InvalidCallback> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.$[]".contains(&byte);
    match query.get("jsonp") {
        Some(callback) if !callback.bytes().all(allowed) => Err(InvalidCallback),
        _ => Ok(()),
    }
}

/// The reason for which a query or a form cannot be decoded, with the text of Mesos.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unable to decode query string: Malformed % escape in '{0}'")]
pub struct MalformedQuery(String);

/// Parses `a=1&b=2`, which is the query of a URL or the body of a form.
///
/// # Errors
/// Returns [`MalformedQuery`] for an incomplete percent escape.
pub fn parse_query(text: &str) -> Result<Query, MalformedQuery> {
    let pairs = text.split(['&', ';']).filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(key)?, decode(value)?))
    });
    pairs.collect()
}

/// Decodes percent escapes and plus signs. Bytes that are not UTF-8 stay percent-encoded: names of files keep them in
/// this form (`endpoints::names`), and no other name has them.
///
/// # Errors
/// Returns [`MalformedQuery`] for an incomplete percent escape.
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
        fn escaped_values_are_decoded(value in ".*") {
            let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let query = parse_query(&format!("a={escaped}")).unwrap();
            prop_assert_eq!(query.get("a"), Some(value.as_str()));
        }
    }

    #[test]
    fn a_callback_is_a_name() {
        let check = |text: &str, expect: bool| {
            assert_eq!(check_callback(&parse_query(text).unwrap()).is_ok(), expect, "{text}");
        };
        check("", true);
        check("jsonp=", true);
        check("jsonp=jQuery_1.$cb[0]", true);
        check("jsonp=alert(1)%2F%2F", false);
        check("jsonp=a;b", true);
        check("jsonp=%3Cscript%3E", false);
        check("jsonp=a%20b", false);
        check("jsonp=%C3%A9", false);
    }

    #[test]
    fn malformed_escapes_are_refused() {
        for text in ["path=%zz", "%", "a=%f"] {
            assert!(parse_query(text).is_err(), "{text}");
        }
    }
}

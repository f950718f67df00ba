//! Names of files as text. The name of a file may consist of any bytes but `/` and zero, while JSON, protobuf and URLs
//! need UTF-8.
//!
//! A name that is UTF-8 is shown unchanged. In any other name, bytes that are not UTF-8 and `%` are percent-encoded:
//! `caf\xe9 5%` becomes `caf%E9 5%25`. A request for a name gets the file of exactly that name if it exists, else the
//! file whose encoded name it is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Percent-encodes the bytes that are not UTF-8, and nothing else.
pub fn escape_invalid(bytes: &[u8]) -> String {
    escape(bytes, |valid| valid.to_owned())
}

/// Returns the text that a name is shown as.
pub fn encode(name: &OsStr) -> String {
    match name.to_str() {
        Some(text) => text.to_owned(),
        None => escape(name.as_bytes(), |valid| valid.replace('%', "%25")),
    }
}

fn escape(bytes: &[u8], valid: impl Fn(&str) -> String) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&valid(chunk.valid()));
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Returns the name whose encoded form is `shown`; `None` if `shown` is not the encoded form of a name.
fn decode(shown: &str) -> Option<OsString> {
    let mut name = Vec::with_capacity(shown.len());
    let mut rest = shown.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(behind.first()), digit(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                name.push((high * 16 + low) as u8);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                name.push(*first);
                rest = behind;
            }
        }
    }
    let name = OsString::from_vec(name);
    let plain = !name.as_bytes().iter().any(|byte| matches!(byte, b'/' | 0));
    (plain && name.to_str().is_none()).then_some(name)
}

/// Returns the path below a directory that the shown path means: each part unchanged if it exists, else decoded if that
/// exists. Links are not resolved; the caller checks whether the path leads out of the directory.
pub fn find(directory: &Path, shown: &Path) -> PathBuf {
    let mut found = directory.to_owned();
    for component in shown.components() {
        let name = match component {
            Component::Normal(name) => name,
            other => other.as_os_str(),
        };
        let exact = found.join(name);
        let decoded = match exact.symlink_metadata() {
            Ok(_) => None,
            Err(_) => name.to_str().and_then(decode).map(|name| found.join(name)),
        };
        found = decoded.filter(|path| path.symlink_metadata().is_ok()).unwrap_or(exact);
    }
    found
}

/// Returns the `Content-Disposition` of a download (RFC 6266): the name in ASCII with special characters replaced, and
/// the complete name in the encoding of RFC 8187 if it differs. No name can end the header or begin a parameter.
pub fn content_disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
    let fallback: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut header = format!("attachment; filename=\"{fallback}\"");
    if fallback != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            // These are the characters of attr-char in RFC 8187.
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                header.push(char::from(byte));
            } else {
                header.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_shown_as_text() {
        for (name, shown) in [
            (&b"plain 5% \xc3\xa9"[..], "plain 5% \u{e9}"),
            (b"caf\xe9", "caf%E9"),
            (b"\xff%41", "%FF%2541"),
            (b"\xe2\x82", "%E2%82"),
        ] {
            assert_eq!(encode(OsStr::from_bytes(name)), shown);
        }
    }

    #[test]
    fn an_exact_name_precedes_an_encoded_one() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join(OsStr::from_bytes(b"d\xff"));
        std::fs::create_dir(&directory).unwrap();
        let check = |shown: &str, expect: PathBuf| assert_eq!(find(root.path(), Path::new(shown)), expect, "{shown}");
        for name in [&b"a%FF"[..], b"a\xff", b"b\xff", b"c%25"] {
            std::fs::write(directory.join(OsStr::from_bytes(name)), "").unwrap();
        }
        check("d%FF/a%FF", directory.join("a%FF"));
        check("d%FF/b%FF", directory.join(OsStr::from_bytes(b"b\xff")));
        check("d%FF/c%25", directory.join("c%25"));
        check("d%FF/missing%FE", directory.join("missing%FE"));
        check("d%FF%2Fb%FF", root.path().join("d%FF%2Fb%FF"));
        check("%2e%2e", root.path().join("%2e%2e"));
    }

    #[test]
    fn dispositions_are_quoted_and_encoded() {
        for (name, header) in [
            ("stdout", "attachment; filename=\"stdout\""),
            ("a b.txt", "attachment; filename=\"a b.txt\""),
            ("a\"; x=\"", "attachment; filename=\"a_; x=_\"; filename*=UTF-8''a%22%3B%20x%3D%22"),
            (
                "a\r\nSet-Cookie: x",
                "attachment; filename=\"a__Set-Cookie: x\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x",
            ),
            ("\u{20ac}", "attachment; filename=\"_\"; filename*=UTF-8''%E2%82%AC"),
            ("caf%E9", "attachment; filename=\"caf_E9\"; filename*=UTF-8''caf%25E9"),
        ] {
            assert_eq!(content_disposition(name), header);
        }
    }

    proptest! {
        #[test]
        fn a_shown_name_is_decoded_to_the_name(name in proptest::collection::vec(1u8..=255, 1..20)) {
            let name = OsString::from_vec(name.into_iter().filter(|byte| *byte != b'/').collect());
            let shown = encode(&name);
            prop_assert!(OsStr::new(&shown) == name || decode(&shown) == Some(name));
        }

        #[test]
        fn no_name_ends_its_header(name in ".*") {
            let header = content_disposition(&name);
            prop_assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(header.matches('"').count(), 2);
            prop_assert!(http::HeaderValue::from_str(&header).is_ok());
        }
    }
}

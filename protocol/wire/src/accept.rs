//! The `Accept` header as Mesos reads it.

use crate::ContentType;

/// The media type of a stream of records (RecordIO), each a message in the encoding that `Message-Accept` or
/// `Message-Content-Type` names.
pub const RECORDIO: &str = "application/recordio";

/// Returns the encoding to answer with; `None` for a 406. JSON is preferred if both are acceptable. A missing header
/// accepts everything.
pub fn negotiate(accept: Option<&str>) -> Option<ContentType> {
    [ContentType::Json, ContentType::Protobuf].into_iter().find(|t| accepts(accept, t.as_str()))
}

/// Returns whether the header value allows `media_type`.
///
/// The most specific range decides (`type/subtype`, then `type/*`, then `*/*`), also against the client: with
/// `application/json;q=0, */*` JSON is refused. Only whether `q` is zero counts, not its rank.
pub fn accepts(accept: Option<&str>, media_type: &str) -> bool {
    let Some(accept) = accept else { return true };
    let Some((kind, _)) = media_type.split_once('/') else { return false };
    let any_subtype = format!("{kind}/*");
    [media_type, &any_subtype, "*/*"].into_iter().find_map(|range| allowed_by_range(accept, range)).unwrap_or(false)
}

/// Returns whether the first element that names exactly `range` allows it; `None` if no element names it.
fn allowed_by_range(accept: &str, range: &str) -> Option<bool> {
    accept.split(',').find_map(|element| {
        let mut parts = element.split(';').map(without_blanks).filter(|part| !part.is_empty());
        let matches = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(range));
        matches.then(|| parts.find_map(|part| part.strip_prefix("q=").map(is_positive)).unwrap_or(true))
    })
}

/// Mesos removes every blank of the header first, also inside of elements.
fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n')).collect()
}

fn is_positive(q: &str) -> bool {
    q.parse::<f64>().is_ok_and(|q| q > 0.0)
}

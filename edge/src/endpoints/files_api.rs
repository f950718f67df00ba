//! The `/files/*` endpoints, and the same reads for the operator API.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use messages::v1;
use serde_json::{Value, json};

use super::files::{Contents, FileError, Files};
use super::names::content_disposition;
use crate::http::request::Request;
use crate::http::respond::{self, Response, ResponseBody, bad_request, not_found, text};

/// Answers `/files/debug`: every virtual path and its target, as a JSON object.
pub fn debug(files: &Files, request: &Request) -> Response {
    let mapping = files.mapping().into_iter().map(|(path, real)| (path, json!(real.display().to_string())));
    let mapping: serde_json::Map<String, Value> = mapping.collect();
    respond::json(Value::Object(mapping).to_string(), request.jsonp())
}

fn path_of(request: &Request) -> Result<String, Response> {
    let path = request.query.get("path").filter(|path| !path.is_empty());
    path.map(str::to_owned).ok_or_else(|| bad_request("Expecting 'path=value' in query.\n"))
}

/// Answers `/files/browse?path=`: the files of a directory, as a JSON array.
pub async fn browse(files: &Arc<Files>, request: &Request) -> Response {
    let path = match path_of(request) {
        Ok(path) => path,
        Err(refusal) => return refusal,
    };
    let files = files.clone();
    match blocking(move || files.browse(&path)).await {
        Ok(listing) => {
            let listing: Vec<Value> = listing.iter().map(entry).collect();
            respond::json(Value::Array(listing).to_string(), request.jsonp())
        }
        Err(error) => refused(error),
    }
}

/// Answers `/files/read?path=&offset=&length=`: `{"offset": …, "data": …}`.
pub async fn read(files: &Arc<Files>, request: &Request) -> Response {
    let path = match path_of(request) {
        Ok(path) => path,
        Err(refusal) => return refusal,
    };
    let offset = match number(request, "offset") {
        Ok(offset) => offset.unwrap_or(-1),
        Err(refusal) => return bad_request(refusal),
    };
    let length = match number(request, "length") {
        Ok(length) => length,
        Err(refusal) => return bad_request(refusal),
    };
    // An offset of -1 asks for the size of the file.
    let (from, length) = match u64::try_from(offset) {
        Ok(offset) => (offset, length.and_then(|length| u64::try_from(length).ok())),
        Err(_) => (0, Some(0)),
    };
    let files = files.clone();
    match blocking(move || files.read(&path, from, length)).await {
        Ok(Contents { size, data }) => {
            let offset = if offset < 0 { size } else { from };
            respond::json(json!({ "offset": offset, "data": whole_characters(&data) }).to_string(), request.jsonp())
        }
        Err(error) => refused(error),
    }
}

/// Answers `/files/download?path=` with the file as a streamed body.
pub async fn download(files: &Arc<Files>, request: &Request) -> Response {
    let path = match path_of(request) {
        Ok(path) => path,
        Err(refusal) => return refusal,
    };
    let files = files.clone();
    let (name, size, content) = match blocking(move || files.download(&path)).await {
        Ok(found) => found,
        Err(FileError::NotFound) => return not_found(),
        Err(error) => return refused(error),
    };
    let mut response = http::Response::new(ResponseBody::stream(StreamBody::new(chunks(content))));
    let headers = response.headers_mut();
    let kind = if name.ends_with(".txt") || name.ends_with(".log") { "text/plain" } else { "application/octet-stream" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    if let Ok(disposition) = HeaderValue::from_str(&content_disposition(&name)) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// Streams the content in chunks. Each chunk is read when the connection has room for it, so that a slow client
/// occupies an open file and no thread.
fn chunks(content: impl Read + Send + 'static) -> impl futures_util::Stream<Item = io::Result<Frame<Bytes>>> + Send {
    const CHUNK: usize = 64 * 1024;
    futures_util::stream::unfold(Some(content), async |content| {
        let mut content = content?;
        let read = move || {
            let mut chunk = vec![0; CHUNK];
            let count = content.read(&mut chunk)?;
            chunk.truncate(count);
            Ok((chunk, content))
        };
        match tokio::task::spawn_blocking(read).await.map_err(io::Error::other).flatten() {
            Ok((chunk, _)) if chunk.is_empty() => None,
            Ok((chunk, content)) => Some((Ok(Frame::data(Bytes::from(chunk))), Some(content))),
            // The client notices the error by the missing bytes.
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// Answers the operator call `LIST_FILES`.
///
/// # Errors
/// Returns the HTTP response that refuses the call ([`FileError`]).
pub async fn list(files: &Arc<Files>, path: String) -> Result<Vec<v1::FileInfo>, Response> {
    let files = files.clone();
    blocking(move || files.browse(&path)).await.map_err(refused)
}

/// Answers the operator call `READ_FILE`.
///
/// # Errors
/// Returns the HTTP response that refuses the call ([`FileError`]).
pub async fn read_range(
    files: &Arc<Files>,
    path: String,
    offset: u64,
    length: Option<u64>,
) -> Result<Contents, Response> {
    let files = files.clone();
    blocking(move || files.read(&path, offset, length)).await.map_err(refused)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(FileError::Unknown(error.to_string())))
}

fn refused(error: FileError) -> Response {
    match error {
        FileError::Invalid(reason) => bad_request(reason),
        FileError::NotFound => text(StatusCode::NOT_FOUND, Bytes::new()),
        FileError::Unknown(reason) => text(StatusCode::INTERNAL_SERVER_ERROR, reason),
    }
}

/// Parses a number of the query. The minimum is -1, which means "not given".
fn number(request: &Request, key: &str) -> Result<Option<i64>, String> {
    let Some(value) = request.query.get(key) else { return Ok(None) };
    match value.parse::<i64>() {
        Err(_) => Err(format!("Failed to parse {key}: Failed to convert '{value}' to number.\n")),
        Ok(number) if number < -1 => Err(format!("Negative {key} provided: {number}.\n")),
        Ok(number) => Ok(Some(number)),
    }
}

/// Cuts an incomplete character off the end. Readers continue at the offset plus the length of the data, so the next
/// read returns it whole.
fn whole_characters(data: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(data) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            String::from_utf8_lossy(&data[..error.valid_up_to()])
        }
        _ => String::from_utf8_lossy(data),
    }
}

fn entry(file: &v1::FileInfo) -> Value {
    json!({
        "gid": file.gid,
        "mode": mode(file.mode.unwrap_or_default()),
        "mtime": file.mtime.as_ref().map_or(0.0, |time| (time.nanoseconds / 1_000_000_000) as f64),
        "nlink": file.nlink,
        "path": file.path,
        "size": file.size,
        "uid": file.uid,
    })
}

/// Formats a file mode as `ls -l` does.
fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o020_000 => 'c',
        0o060_000 => 'b',
        0o010_000 => 'p',
        0o120_000 => 'l',
        0o140_000 => 's',
        _ => '-',
    };
    let bits = (0..9).map(|bit| match mode & (0o400 >> bit) {
        0 => '-',
        _ => ['r', 'w', 'x'][bit % 3],
    });
    std::iter::once(kind).chain(bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_ls_shows_them() {
        for (bits, expect) in [(0o100_644, "-rw-r--r--"), (0o040_755, "drwxr-xr-x"), (0o010_000, "p---------")] {
            assert_eq!(mode(bits), expect);
        }
    }

    #[test]
    fn a_cut_character_is_left_for_the_next_read() {
        assert_eq!(whole_characters("aé".as_bytes()), "aé");
        assert_eq!(whole_characters(&"aé".as_bytes()[..2]), "a");
        assert_eq!(whole_characters(&[b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(whole_characters(&[0xc3]), "\u{fffd}");
    }

    #[test]
    fn clients_that_do_not_read_hold_no_thread() {
        use futures_util::StreamExt;

        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
        runtime.block_on(async {
            let mut clients: Vec<_> = (0..3).map(|_| Box::pin(chunks(io::repeat(0).take(10_000_000)))).collect();
            for client in &mut clients {
                let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), client.next()).await;
                assert!(chunk.is_ok_and(|chunk| chunk.is_some_and(|chunk| chunk.is_ok())));
            }
        });
    }
}

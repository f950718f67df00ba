//! However the bytes of a connection are cut, its messages are the same; responses likewise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::libprocess::{EnvelopeLimits, Received, RequestDecoder, ResponseSkipper};

fn requests(bytes: &[u8], chunk: usize) -> (Vec<Received>, bool) {
    let mut decoder = RequestDecoder::new(EnvelopeLimits { max_head: 4096, max_body: 4096 });
    let mut messages = Vec::new();
    for part in bytes.chunks(chunk) {
        decoder.push(part);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

fn responses(bytes: &[u8], chunk: usize) -> Option<usize> {
    let mut skipper = ResponseSkipper::new();
    bytes.chunks(chunk).try_fold(0, |sum, part| Some(sum + skipper.push(part).ok()?))
}

fuzz_target!(|bytes: &[u8]| {
    let whole = bytes.len().max(1);
    assert_eq!(requests(bytes, 1), requests(bytes, whole));
    assert_eq!(responses(bytes, 1), responses(bytes, whole));
});

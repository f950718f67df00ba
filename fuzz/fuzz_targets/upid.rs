//! Addresses and paths in any text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Upid;
use wire::libprocess::{parse_path, sender};

fuzz_target!(|text: &str| {
    if let Ok(upid) = text.parse::<Upid>() {
        assert_eq!(upid.to_string().parse(), Ok(upid));
    }
    let _ = sender(Some(text), None);
    let _ = sender(None, Some(text));
    let _ = parse_path(text);
});

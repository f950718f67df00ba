//! Any text as the headers that say what a body is and what is wanted back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{ContentType, accept};

fuzz_target!(|headers: [Option<&str>; 2]| {
    let [content_type, accept] = headers;
    let _ = content_type.and_then(ContentType::from_header);
    let answer = accept::negotiate(accept);
    // The negotiated type is one of the accepted ones.
    if let Some(answer) = answer {
        assert!(accept::accepts(accept, answer.as_str()));
    }
});

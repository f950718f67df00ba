//! Any text as the headers that say what a body is and what is wanted back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::media::{MediaHeaders, MediaTypes};
use wire::{ContentType, accept};

fuzz_target!(|headers: [Option<&str>; 4]| {
    let [content_type, message_content_type, accept, message_accept] = headers;
    let _ = content_type.and_then(ContentType::from_header);
    let answer = accept::negotiate(accept);
    // What is negotiated is accepted.
    if let Some(answer) = answer {
        assert!(accept::accepts(accept, answer.as_str()));
    }
    let _ = MediaTypes::of(MediaHeaders { content_type, message_content_type, accept, message_accept });
});

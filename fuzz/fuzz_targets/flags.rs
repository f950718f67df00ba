//! Any words as flags of each program, on the command line and in the environment.
#![no_main]

use flags::{AGENT, EXECUTE, LOCAL, MASTER, format_bytes, parse_bytes};
use libfuzzer_sys::fuzz_target;
use model::{format_duration, parse_duration};

fuzz_target!(|text: &str| {
    // A value that names a file would be read: the input must decide everything.
    if text.contains('/') {
        return;
    }
    let words = || text.split('\n').map(str::to_owned);
    for definition in [&MASTER, &AGENT, &LOCAL, &EXECUTE] {
        if let Ok(parsed) = flags::parse(definition, words(), []) {
            let _ = parsed.listing();
        }
        let variables = words().filter_map(|word| word.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())));
        let _ = flags::parse(definition, [], variables);
    }
    for word in text.split('\n') {
        if let Ok(duration) = parse_duration(word) {
            // What is printed has fifteen digits, which may be a nanosecond too many of 292 years.
            let _ = parse_duration(&format_duration(duration));
        }
        if let Ok(bytes) = parse_bytes(word) {
            assert_eq!(parse_bytes(&format_bytes(bytes)), Ok(bytes));
        }
    }
});

//! Any words as flags of each program, on the command line and in the environment.
#![no_main]

use flags::{AGENT, EXECUTE, LOCAL, MASTER, format_bytes, format_duration, parse_bytes, parse_duration};
use libfuzzer_sys::fuzz_target;

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
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        if let Ok(bytes) = parse_bytes(word) {
            assert_eq!(parse_bytes(&format_bytes(bytes)), Ok(bytes));
        }
    }
});

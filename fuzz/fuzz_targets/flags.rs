//! Any words as flags of each program, on the command line and in the environment.
#![no_main]

use std::ffi::OsString;

use flags::{AgentFlags, Bytes, ExecuteFlags, LocalFlags, MasterFlags, Program, Value};
use libfuzzer_sys::fuzz_target;
use model::{format_bytes, format_duration, parse_duration};

fuzz_target!(|text: &str| {
    // A value that names a file would be read: the input must decide everything.
    if text.contains('/') {
        return;
    }
    given::<MasterFlags>(text);
    given::<AgentFlags>(text);
    given::<LocalFlags>(text);
    given::<ExecuteFlags>(text);
    for word in text.split('\n') {
        if let Ok(duration) = parse_duration(word) {
            // The printed text has fifteen digits, so that a duration near 292 years may differ by a nanosecond.
            let _ = parse_duration(&format_duration(duration));
        }
        if let Ok(Bytes(bytes)) = Bytes::parse(word) {
            assert_eq!(Bytes::parse(&format_bytes(bytes)), Ok(Bytes(bytes)));
        }
    }
});

/// The lines of `text` as arguments, and those with `=` as variables.
fn given<P: Program>(text: &str) {
    let _ = flags::parse::<P>(text.split('\n').map(OsString::from), []);
    let variables = text.split('\n').filter_map(|line| line.split_once('='));
    let _ = flags::parse::<P>([], variables.map(|(name, value)| (OsString::from(name), OsString::from(value))));
}

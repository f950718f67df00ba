//! Any text as any message: refused, or read to what prints and reads to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messages::schema::ALL_MESSAGES;
use wire::{Limits, json};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else { return };
    let desc = ALL_MESSAGES[usize::from(*first) % ALL_MESSAGES.len()];
    let Ok(encoded) = json::read_bytes(desc, text, &Limits::default()) else { return };
    let mut printed = Vec::new();
    json::write_bytes(desc, &encoded, &mut printed);
    let again = json::read_bytes(desc, &printed, &Limits::default()).expect("our own text");
    let mut printed_again = Vec::new();
    json::write_bytes(desc, &again, &mut printed_again);
    assert_eq!(printed, printed_again);
});

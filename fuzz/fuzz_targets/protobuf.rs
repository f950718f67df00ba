//! Any bytes as any message: refused, or decoded to what encodes and decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messages::schema::{ALL_MESSAGES, HasDescriptor};
use messages::v1::{master, scheduler};
use wire::{Limits, json};

fn check<T: HasDescriptor + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = wire::decode::<T>(bytes, &Limits::default()) else { return };
    // A NaN is not equal to itself: compare what is printed.
    let again = wire::decode::<T>(&wire::encode(&message), &Limits::default()).expect("our own bytes");
    assert_eq!(json::encode(&again), json::encode(&message));
}

fuzz_target!(|bytes: &[u8]| {
    check::<scheduler::Call>(bytes);
    check::<master::Call>(bytes);
    check::<messages::internal::ReregisterSlaveMessage>(bytes);
    let Some((first, rest)) = bytes.split_first() else { return };
    let desc = ALL_MESSAGES[usize::from(*first) % ALL_MESSAGES.len()];
    let mut text = Vec::new();
    json::write_bytes(desc, rest, &mut text);
    serde_json::from_slice::<serde_json::Value>(&text).expect("always JSON");
});

//! Any bytes as a v0 scheduler call.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Limits, json, v0};

fuzz_target!(|bytes: &[u8]| {
    let Ok((call, force)) = v0::decode_scheduler_call(bytes, &Limits::default()) else { return };
    let encoded = v0::encode_scheduler_call(&call, force);
    let (again, forced) = v0::decode_scheduler_call(&encoded, &Limits::default()).expect("our own bytes");
    assert_eq!((json::encode(&again), forced), (json::encode(&call), force));
});

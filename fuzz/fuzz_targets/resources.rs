//! `--resources` and `--attributes` in any text: refused, or resources that print to what reads to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resources::{Resources, attributes};

fuzz_target!(|text: &str| {
    let _ = attributes::parse(text);
    let Ok(resources) = Resources::parse(text, "*") else { return };
    let protos = resources.to_proto();
    let again = Resources::from_proto(&protos).expect("our own messages");
    assert_eq!(again, resources);
    // The laws of the algebra hold for any input.
    assert!(resources.contains(&resources));
    let doubled = resources.clone() + resources.clone();
    assert!(doubled.contains(&resources));
});

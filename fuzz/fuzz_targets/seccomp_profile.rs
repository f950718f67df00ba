//! Any text as a profile of system calls: a filter that the kernel takes, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(instructions) = containerizer::check_seccomp_profile(text) {
        assert!((1..=4096).contains(&instructions));
    }
});

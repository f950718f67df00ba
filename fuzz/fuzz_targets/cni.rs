//! Any bytes as the answer of a CNI plugin.
#![no_main]

use containerizer::CniResult;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(result) = CniResult::parse(bytes) else { return };
    assert!(result.addresses.iter().all(|address| !address.is_unspecified() && !address.is_multicast()));
    // What becomes a line of a configuration file is one word.
    let dns = &result.dns;
    for word in dns.domain.iter().chain(&dns.search).chain(&dns.options) {
        assert!(!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()));
    }
});

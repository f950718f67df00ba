//! Any bytes as the file of a log: refused, or opened; what was opened once opens again with the same records.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use store::log::Log;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("0000000001.log");
    // The header is checked first: most inputs should come past it.
    let mut content = b"TEPUILOG\x01\0\0\0\0\0\0\0".to_vec();
    content.extend_from_slice(bytes);
    fs::write(&path, &content).expect("room for a file");
    let Ok((log, replay)) = Log::open(directory.path()) else {
        assert_eq!(fs::read(&path).expect("still there"), content, "what is refused is left as it is");
        return;
    };
    assert_eq!(log.length() + replay.torn, content.len() as u64);
    drop(log);
    let (mut log, again) = Log::open(directory.path()).expect("it was opened before");
    assert_eq!((again.records, again.torn), (replay.records.clone(), 0));
    log.compact(replay.records.clone()).expect("room for a file");
    drop(log);
    let (_, compacted) = Log::open(directory.path()).expect("it was just written");
    assert_eq!(compacted.records, replay.records);
});

//! What a client sends to the input of a container, cut anywhere.
#![no_main]

use agent_server::check_attach_record;
use libfuzzer_sys::fuzz_target;
use wire::ContentType;
use wire::recordio::Decoder;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(64 * 1024);
    for part in bytes.chunks(13) {
        if decoder.push(part).is_err() {
            return;
        }
        while let Some(record) = decoder.next_record() {
            for encoding in [ContentType::Json, ContentType::Protobuf] {
                let _ = check_attach_record(encoding, &record);
            }
        }
    }
});

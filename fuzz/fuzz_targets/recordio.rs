//! However a stream is cut, its records are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::recordio::Decoder;

fn records(bytes: &[u8], chunk: usize) -> (Vec<Vec<u8>>, bool) {
    let mut decoder = Decoder::new(4096);
    let failed = bytes.chunks(chunk).try_for_each(|part| decoder.push(part)).is_err();
    (std::iter::from_fn(|| decoder.next_record()).collect(), failed)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = records(bytes, bytes.len().max(1));
    assert_eq!(records(bytes, 1), whole);
    assert_eq!(records(bytes, 7), whole);
});

//! Any bytes as the index, the manifest or the configuration of an image: taken or refused.
#![no_main]

#[path = "support/image_layout.rs"]
mod image_layout;

use image_layout::{import, layout};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, document)) = bytes.split_first() else { return };
    let chosen = |number: u8| (kind % 3 == number).then_some(document);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("layout");
    layout(&root, chosen(0), chosen(1), chosen(2).unwrap_or(b"{}"), b"");
    import(directory.path(), &root);
});

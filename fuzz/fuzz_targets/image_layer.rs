//! Any bytes as a layer: unpacked or refused, and nothing of it outside of the store.
#![no_main]

#[path = "support/image_layout.rs"]
mod image_layout;
#[path = "support/tar_checksums.rs"]
mod tar_checksums;

use std::fs;
use std::path::Path;

use image_layout::{import, layout};
use libfuzzer_sys::fuzz_target;
use tar_checksums::with_tar_checksums;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("layout");
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5]);
    let layer = if is_packed { bytes.to_vec() } else { with_tar_checksums(bytes) };
    layout(&root, None, None, b"{}", &layer);
    import(directory.path(), &root);
    let names = |path: &Path| {
        let entries = fs::read_dir(path).expect("ours").map(|entry| entry.expect("ours").file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    assert_eq!(names(directory.path()), ["layout", "store"]);
    let store = directory.path().join("store");
    assert_eq!(names(&store), ["blobs", "boot", "images", "implied", "in-use", "ingest", "layers", "lock", "staging"]);
    assert!(names(&store.join("staging")).is_empty());
});

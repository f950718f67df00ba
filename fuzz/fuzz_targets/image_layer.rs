//! Any bytes as a layer: unpacked or refused, and nothing of it outside of the store.
#![no_main]

#[path = "support/image_layout.rs"]
mod image_layout;

use std::fs;
use std::path::Path;

use image_layout::{import, layout};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("layout");
    layout(&root, None, None, b"{}", bytes);
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

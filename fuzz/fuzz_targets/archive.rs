//! Any bytes as an archive of each kind: unpacked or refused, and nothing of it outside of the sandbox.
#![no_main]

#[path = "support/tar_checksums.rs"]
mod tar_checksums;

use std::fs;

use fetcher::{Error, Item, Limits, Plan};
use libfuzzer_sys::fuzz_target;
use tar_checksums::with_tar_checksums;

const NAMES: [&str; 6] = ["a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.zip", "a.gz"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, content)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (source, sandbox) = (directory.path().join(name), directory.path().join("sandbox"));
    let content = if name == "a.tar" { with_tar_checksums(content) } else { content.to_vec() };
    fs::write(&source, &content).expect("room for a file");
    fs::create_dir(&sandbox).expect("room for a directory");

    let item = Item { uri: source.display().to_string(), extract: true, ..Item::default() };
    let limits = Limits { unpacked_bytes: 1 << 20, entries: 100, ..Limits::default() };
    let outcome = fetcher::fetch(&Plan { limits, ..Plan::new(&sandbox, vec![item]) });

    assert!(!matches!(outcome, Err(Error::Aborted)), "a decoder has panicked");
    let mut around: Vec<_> =
        fs::read_dir(directory.path()).expect("ours").map(|entry| entry.expect("ours").file_name()).collect();
    around.sort();
    assert_eq!(around, [name, "sandbox"]);
    assert_eq!(fs::read(&source).expect("still there"), content);
});

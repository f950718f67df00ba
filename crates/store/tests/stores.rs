//! What every store has to keep, and what the file does after crashes and damage.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use store::{Embedded, Entries, Error, Memory, Store, Write};

fn put(key: &str, value: &str) -> Write {
    Write { key: key.to_owned(), value: Some(value.as_bytes().to_vec()) }
}

fn delete(key: &str) -> Write {
    Write { key: key.to_owned(), value: None }
}

fn entries(pairs: &[(&str, &str)]) -> Entries {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

/// Two contenders for the same state, whatever keeps it.
fn check(mut one: impl Store, mut two: impl Store) {
    assert!(matches!(one.commit(&[put("a", "0")]), Err(Error::Fenced)), "nobody writes before leading");
    assert_eq!(one.take_over().unwrap(), Entries::new());
    one.commit(&[put("a/1", "x"), put("b", "y")]).unwrap();
    one.commit(&[delete("b"), delete("absent"), put("a/1", "z")]).unwrap();

    assert_eq!(two.take_over().unwrap(), entries(&[("a/1", "z")]));
    assert!(matches!(one.commit(&[put("a/1", "late")]), Err(Error::Fenced)));
    two.commit(&[put("c", "")]).unwrap();

    assert_eq!(one.take_over().unwrap(), entries(&[("a/1", "z"), ("c", "")]));
    assert!(matches!(two.commit(&[delete("c")]), Err(Error::Fenced)));
    one.commit(&[delete("c")]).unwrap();
}

#[test]
fn memory_is_fenced() {
    let memory = Memory::new();
    check(memory.clone(), memory);
}

#[test]
fn the_file_is_fenced() {
    let directory = tempfile::tempdir().unwrap();
    let file = Embedded::open(directory.path()).unwrap();
    check(file.clone(), file);
}

fn written(directory: &Path) -> Embedded {
    let mut store = Embedded::open(directory).unwrap();
    store.take_over().unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    store
}

fn reopened(directory: &Path) -> Result<Entries, Error> {
    Embedded::open(directory)?.take_over()
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    drop(written(directory.path()));
    assert_eq!(reopened(directory.path()).unwrap(), entries(&[("a", "1")]));
}

#[test]
fn a_file_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let held = written(directory.path());
    assert!(matches!(Embedded::open(directory.path()), Err(Error::InUse { .. })));
    drop(held);
    reopened(directory.path()).unwrap();
}

#[test]
fn a_crash_at_any_commit_loses_nothing_committed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Embedded::open(directory.path()).unwrap();
    store.take_over().unwrap();
    let mut expect = Entries::new();
    for n in 0..20 {
        let (key, value) = (format!("agents/{n}"), "v".repeat(700 * n));
        store.commit(&[put(&key, &value)]).unwrap();
        expect.insert(key, value.into_bytes());
        // As a machine finds it that lost its power now: the file was not closed.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(store.path(), copy.path().join("registry.redb")).unwrap();
        assert_eq!(reopened(copy.path()).unwrap(), expect);
    }
}

/// The pages of the next commit, written in part, without its last step: the switch to them.
#[test]
fn a_torn_commit_is_as_if_it_had_not_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = written(directory.path());
    let before = std::fs::read(store.path()).unwrap();
    store.commit(&[put("b", &"x".repeat(5000)), delete("a")]).unwrap();
    let after = std::fs::read(store.path()).unwrap();
    const PAGE: usize = 4096;
    let page = |n: usize| n * PAGE..(n + 1) * PAGE;
    // The first page has the pointer to what is valid; it goes last.
    let changed: Vec<usize> = (1..after.len() / PAGE).filter(|n| before.get(page(*n)) != after.get(page(*n))).collect();
    assert!(changed.len() > 2, "{changed:?}");
    for count in 0..=changed.len() {
        let mut torn = before.clone();
        torn.resize(after.len(), 0);
        for n in &changed[..count] {
            torn[page(*n)].copy_from_slice(&after[page(*n)]);
        }
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("registry.redb"), &torn).unwrap();
        assert_eq!(reopened(copy.path()).unwrap(), entries(&[("a", "1")]), "{count} of {changed:?} were written");
    }
}

#[test]
fn damage_is_said_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(written(directory.path()));
    let path = directory.path().join("registry.redb");
    let good = std::fs::read(&path).unwrap();
    let damage: [(&str, Vec<u8>); 4] = [
        ("empty", Vec::new()),
        ("foreign", b"this is not a registry at all".repeat(1000)),
        ("truncated", good[..good.len() / 2].to_vec()),
        ("overwritten", {
            let mut bytes = good.clone();
            bytes[4096..].fill(0xa5);
            bytes
        }),
    ];
    for (what, bytes) in damage {
        std::fs::write(&path, &bytes).unwrap();
        let refused = reopened(directory.path());
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{what}: {refused:?}");
        assert!(!refused.unwrap_err().is_transient());
    }
}

#[test]
fn a_first_start_that_crashed_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("registry.redb.new"), b"half").unwrap();
    assert_eq!(reopened(directory.path()).unwrap(), Entries::new());
}

//! The guarantees of every store, and the behaviour of the file after crashes and damage.

#![allow(clippy::unwrap_used, clippy::panic, clippy::unreachable, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use store::{EmbeddedStore, Entries, Error, MemoryStore, RecordWrite, Store};

fn put(key: &str, value: &str) -> RecordWrite {
    RecordWrite { key: key.to_owned(), value: Some(value.as_bytes().to_vec()) }
}

fn delete(key: &str) -> RecordWrite {
    RecordWrite { key: key.to_owned(), value: None }
}

fn entries(pairs: &[(&str, &str)]) -> Entries {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

/// Checks two contenders for the same state.
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
    let memory = MemoryStore::new();
    check(memory.clone(), memory);
}

#[test]
fn the_file_is_fenced() {
    let directory = tempfile::tempdir().unwrap();
    let file = EmbeddedStore::open(directory.path()).unwrap();
    check(file.clone(), file);
}

fn written(directory: &Path) -> EmbeddedStore {
    let mut store = EmbeddedStore::open(directory).unwrap();
    store.take_over().unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    store
}

fn reopened(directory: &Path) -> Result<Entries, Error> {
    EmbeddedStore::open(directory)?.take_over()
}

#[test]
fn committed_values_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    drop(written(directory.path()));
    assert_eq!(reopened(directory.path()).unwrap(), entries(&[("a", "1")]));
}

#[test]
fn a_file_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let held = written(directory.path());
    assert!(matches!(EmbeddedStore::open(directory.path()), Err(Error::InUse { .. })));
    drop(held);
    reopened(directory.path()).unwrap();
}

#[test]
fn a_crash_at_any_commit_loses_nothing_committed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = EmbeddedStore::open(directory.path()).unwrap();
    store.take_over().unwrap();
    let mut expect = Entries::new();
    for n in 0..20 {
        let (key, value) = (format!("agents/{n}"), "v".repeat(700 * n));
        store.commit(&[put(&key, &value)]).unwrap();
        expect.insert(key, value.into_bytes());
        // This is the state after a loss of power: the file was not closed.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(store.path(), copy.path().join("registry.redb")).unwrap();
        assert_eq!(reopened(copy.path()).unwrap(), expect);
    }
}

/// Some pages of the next commit are written, without its last step, the switch to them.
#[test]
fn a_truncated_commit_has_no_effect() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = written(directory.path());
    let before = std::fs::read(store.path()).unwrap();
    store.commit(&[put("b", &"x".repeat(5000)), delete("a")]).unwrap();
    let after = std::fs::read(store.path()).unwrap();
    const PAGE: usize = 4096;
    let page = |n: usize| n * PAGE..(n + 1) * PAGE;
    // The first page has the pointer to the valid pages, and is written last.
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

/// Returns the files that may be found in the place of the registry.
fn damage(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut overwritten = good.to_vec();
    overwritten[4096..].fill(0xa5);
    vec![
        ("empty", Vec::new()),
        ("foreign", b"this is not a registry at all".repeat(1000)),
        ("truncated", good[..good.len() / 2].to_vec()),
        ("overwritten", overwritten),
        ("of another program", {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.redb");
            let database = redb::Database::create(&path).unwrap();
            let transaction = database.begin_write().unwrap();
            transaction.open_table(redb::TableDefinition::<u64, u64>::new("records")).unwrap();
            transaction.commit().unwrap();
            drop(database);
            std::fs::read(path).unwrap()
        }),
    ]
}

fn damaged_kept(result: Result<Entries, Error>) -> (PathBuf, PathBuf) {
    match result {
        Err(error @ Error::DamagedKept { .. }) => {
            assert!(!error.is_transient());
            let Error::DamagedKept { kept, marker, .. } = error else { unreachable!() };
            (kept, marker)
        }
        other => panic!("not renamed: {other:?}"),
    }
}

#[test]
fn a_damaged_file_is_kept_and_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    drop(written(directory.path()));
    let path = directory.path().join("registry.redb");
    let good = std::fs::read(&path).unwrap();
    for (number, (what, bytes)) in (1..).zip(damage(&good)) {
        std::fs::write(&path, &bytes).unwrap();
        let (kept, marker) = damaged_kept(reopened(directory.path()));
        assert_eq!(kept, directory.path().join(format!("registry.redb.damaged-{number}")), "{what}");
        assert_eq!(std::fs::read(&kept).unwrap().len(), bytes.len(), "{what}");
        // No restart creates a cluster without its past.
        for _ in 0..2 {
            assert_eq!(damaged_kept(reopened(directory.path())), (kept.clone(), marker.clone()), "{what}");
            assert!(!path.exists());
        }
        // The operator puts a good copy in place.
        std::fs::write(&path, &good).unwrap();
        assert_eq!(reopened(directory.path()).unwrap(), entries(&[("a", "1")]), "{what}");
        assert!(!marker.exists() && kept.exists(), "{what}");
    }
    // The operator decides to start with an empty store.
    std::fs::write(&path, b"").unwrap();
    let (_, marker) = damaged_kept(reopened(directory.path()));
    std::fs::remove_file(marker).unwrap();
    assert_eq!(reopened(directory.path()).unwrap(), Entries::new());
}

#[test]
fn a_file_with_invalid_content_is_renamed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = written(directory.path());
    let nonsense = std::io::Error::other("an agent without an id");
    let error = store.mark_damaged(&nonsense).unwrap();
    let Error::DamagedKept { kept, source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "an agent without an id");
    assert!(store.commit(&[put("a", "2")]).is_err());
    std::fs::rename(kept, store.path()).unwrap();
    drop(store);
    assert_eq!(reopened(directory.path()).unwrap(), entries(&[("a", "1")]));
}

#[test]
fn a_file_in_use_by_a_running_master_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let held = written(directory.path());
    std::fs::OpenOptions::new().write(true).open(held.path()).unwrap().set_len(0).unwrap();
    assert!(matches!(EmbeddedStore::open(directory.path()), Err(Error::InUse { .. })));
    assert!(held.path().exists());
}

/// The test has a file system of a few hundred kilobytes for itself, which only root can make.
#[test]
fn commits_wait_while_the_disk_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(directory.path()) else { return };
    let mut store = written(&small.0);
    let filler = small.0.join("filler");
    let mut fill = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut fill, &[0; 4096]).is_ok() {}
    let large = [put("b", &"x".repeat(300_000))];
    let refused = store.commit(&large).unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    let refused = store.commit(&large).unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
    // The disk gets free space.
    drop(fill);
    std::fs::remove_file(&filler).unwrap();
    store.commit(&[put("c", "1")]).unwrap();
    drop(store);
    assert_eq!(reopened(&small.0).unwrap(), entries(&[("a", "1"), ("c", "1")]));
}

struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Small> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(at).output();
        mounted.ok().filter(|output| output.status.success()).map(|_| Small(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} is still mounted", self.0.display());
    }
}

#[test]
fn an_interrupted_first_start_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("registry.redb.new"), b"half").unwrap();
    assert_eq!(reopened(directory.path()).unwrap(), Entries::new());
}

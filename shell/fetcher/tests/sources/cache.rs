//! The fetcher's cache.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use fetcher::{Cache, CacheError, Item, Owner, Plan, Reason, Report};

use crate::support::*;

/// A sandbox, and a cache beside it.
struct TestCache {
    test: TestSandbox,
    cache: Arc<Cache>,
}

impl TestCache {
    fn new(capacity: u64) -> Self {
        let test = TestSandbox::new();
        let cache = Arc::new(Cache::open(&test.beside("cache"), capacity).unwrap());
        TestCache { test, cache }
    }

    fn plan(&self, user: &str, items: Vec<Item>) -> Plan {
        let items = items.into_iter().map(|item| Item { cache: true, ..item }).collect();
        Plan { cache: Some(self.cache.clone()), user: Some(user.to_owned()), ..self.test.plan(items) }
    }

    fn fetch(&self, user: &str, item: Item) -> Result<Report, fetcher::Error> {
        fetcher::fetch(&self.plan(user, vec![item]))
    }

    /// Returns the paths of the files in the cache, sorted.
    fn files(&self) -> Vec<String> {
        let files = tree(&self.test.beside("cache")).into_iter().filter(|(_, (kind, ..))| *kind != 'd');
        files.map(|(path, _)| path.to_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_file_is_downloaded_once_for_each_user() {
    let server = WebServer::start(|_, _| ok(b"hello"));
    let test = TestCache::new(1000);
    let uri = server.uri("/a.txt");
    for (user, requests) in [("alice", 1), ("alice", 1), ("bob", 2), ("alice", 2)] {
        test.fetch(user, Item { output_file: Some("b/c".into()), executable: true, ..item(&uri) }).unwrap();
        assert_eq!(test.test.read("b/c"), "hello");
        let mode = test.test.sandbox().join("b/c").metadata().unwrap().permissions().mode();
        assert_eq!((server.heads().len(), mode & 0o777), (requests, 0o755), "{user}");
    }
    assert_eq!((test.cache.used(), test.cache.capacity()), (10, 1000));
    assert_eq!(test.files(), ["alice/c1-a.txt", "bob/c2-a.txt"]);
    // An item that does not ask for the cache does not use it.
    let plan = Plan { items: vec![item(&uri)], ..test.plan("alice", vec![]) };
    fetcher::fetch(&plan).unwrap();
    assert_eq!(server.heads().len(), 3);
}

#[test]
fn requests_at_the_same_time_share_one_download() {
    let server = WebServer::start(|_, _| ok(&[7; 100_000]));
    let test = TestCache::new(1_000_000);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (server, test) = (&server, &test);
            let item = Item { output_file: Some(format!("out{number}")), ..item(server.uri("/a")) };
            scope.spawn(move || test.fetch("u", item).unwrap());
        }
    });
    assert_eq!(server.heads().len(), 1);
    for number in 0..8 {
        assert_eq!(std::fs::read(test.test.sandbox().join(format!("out{number}"))).unwrap(), [7; 100_000]);
    }
}

#[test]
fn an_archive_is_unpacked_from_the_cache() {
    let tar = Tar::default().file("d/inner", "x").bytes();
    let server = WebServer::start(move |_, _| ok(&gzip(&tar)));
    let test = TestCache::new(10_000);
    let archive = Item { extract: true, output_file: Some("other.bin".into()), ..item(server.uri("/a.tar.gz")) };
    for _ in 0..2 {
        let report = test.fetch("u", archive.clone()).unwrap();
        assert!(report.fetched[0].extracted);
        assert_eq!(test.test.read("d/inner"), "x");
        assert!(!test.test.sandbox().join("other.bin").exists() && !test.test.sandbox().join("a.tar.gz").exists());
    }
    test.fetch("u", Item { extract: false, ..archive }).unwrap();
    assert!(test.test.sandbox().join("other.bin").exists());
    assert_eq!(server.heads().len(), 1);
}

#[test]
fn files_that_do_not_fit_are_fetched_without_the_cache() {
    let server = WebServer::start(|_, head| match head.split(' ').nth(1) {
        Some("/small") => ok(&[1; 40]),
        Some("/other") => ok(&[2; 70]),
        Some("/empty") => ok(b""),
        Some("/unknown") => response("200 OK", "", "x"),
        _ => ok(&[3; 101]),
    });
    let test = TestCache::new(100);
    for (path, used, files) in [
        ("/small", 40, vec!["u/c1-small"]),
        ("/large", 40, vec!["u/c1-small"]),
        ("/unknown", 40, vec!["u/c1-small"]),
        ("/empty", 40, vec!["u/c1-small"]),
        ("/other", 70, vec!["u/c5-other"]),
    ] {
        let before = server.heads().len();
        test.fetch("u", item(server.uri(path))).unwrap();
        assert!(test.test.sandbox().join(&path[1..]).exists());
        assert_eq!(server.heads().len(), before + 1, "{path} is requested once");
        assert_eq!((test.cache.used(), test.files()), (used, files.into_iter().map(str::to_owned).collect()), "{path}");
    }
}

#[test]
fn a_failed_download_and_a_lost_file_leave_no_entry() {
    let server = WebServer::start(|number, _| match number {
        1 => response("404 Not Found", "Content-Length: 0\r\n", ""),
        _ => ok(b"helloworld"),
    });
    let test = TestCache::new(100);
    let uri = server.uri("/a");
    assert!(matches!(reason(test.fetch("u", item(&uri))), Reason::Status(404)));
    let wrong = item(format!("{uri}?checksum=sha256:{}", "0".repeat(64)));
    assert!(matches!(reason(test.fetch("u", wrong)), Reason::ChecksumMismatch { .. }));
    assert_eq!((test.cache.used(), test.files()), (0, vec![]));
    let cancelled = test.plan("u", vec![item(&uri)]);
    cancelled.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(reason(fetcher::fetch(&cancelled)), Reason::Cancelled));
    assert_eq!((test.cache.used(), test.files()), (0, vec![]));
    test.fetch("u", item(&uri)).unwrap();
    let file = test.test.beside("cache").join(&test.files()[0]);
    std::fs::remove_file(file).unwrap();
    for _ in 0..2 {
        test.fetch("u", item(&uri)).unwrap();
        assert_eq!(test.test.read("a"), "helloworld");
    }
    assert_eq!((test.cache.used(), test.files().len()), (10, 1));
}

#[test]
fn the_files_of_an_earlier_agent_are_removed_and_nothing_else_is() {
    let test = TestSandbox::new();
    for file in ["c1-a", "alice/c22-b.tgz", "bob/keep", "c-d", "cx1-a", "deep/er/c1-a"] {
        let path = test.beside("cache").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    std::os::unix::fs::symlink(test.beside(""), test.beside("cache").join("c3-link")).unwrap();
    let cache = Cache::open(&test.beside("cache"), 1).unwrap();
    let left: Vec<PathBuf> = tree(&test.beside("cache")).into_keys().collect();
    let expected = ["bob", "bob/keep", "c-d", "c3-link", "cx1-a", "deep", "deep/er", "deep/er/c1-a"];
    assert_eq!(left, expected.map(PathBuf::from));
    assert_eq!(test.beside("cache").metadata().unwrap().permissions().mode() & 0o777, 0o700);
    // Agents do not share it.
    assert!(matches!(Cache::open(&test.beside("cache"), 1), Err(CacheError::InUse(_))));
    drop(cache);
    Cache::open(&test.beside("cache"), 1).unwrap();
    std::os::unix::fs::symlink(test.beside("cache"), test.beside("link")).unwrap();
    assert!(matches!(Cache::open(&test.beside("link"), 1), Err(CacheError::Open { .. })));
    assert!(matches!(Cache::open(&test.beside("outside"), 1), Err(CacheError::Create { .. })));
}

#[test]
fn a_tasks_user_cannot_change_the_files_of_the_cache() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        testkit::skip::skipped(&testkit::skip::current_test(), "only root can fetch for somebody else");
        return;
    }
    let server = WebServer::start(|_, _| ok(b"hello"));
    let test = TestCache::new(100);
    std::fs::set_permissions(test.test.beside(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..2 {
        let owner = Owner { uid: 65_534, gid: 65_533, supplementary: vec![] };
        let plan = Plan { owner: Some(owner), ..test.plan("nobody", vec![item(server.uri("/a"))]) };
        fetcher::fetch(&plan).unwrap();
        assert_eq!(test.test.sandbox().join("a").metadata().unwrap().uid(), 65_534);
    }
    let cached = test.test.beside("cache/nobody/c1-a").metadata().unwrap();
    assert_eq!((cached.uid(), cached.mode() & 0o777, server.heads().len()), (0, 0o600, 1));
    // The source is read with the user's rights, also for the cache.
    let secret = test.test.file("secret", "root's");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let owner = Owner { uid: 65_534, gid: 65_533, supplementary: vec![] };
    let plan = Plan { owner: Some(owner), ..test.plan("nobody", vec![item(&secret)]) };
    assert!(matches!(reason(fetcher::fetch(&plan)), Reason::Read(_)));
}

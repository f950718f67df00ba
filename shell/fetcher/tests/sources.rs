//! The sources of files, and the results of fetching them.

#[path = "sources/cache.rs"]
mod cache;
#[path = "sources/hadoop.rs"]
mod hadoop;
mod support;
#[path = "sources/web.rs"]
mod web;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::Ordering;
use std::time::Duration;

use fetcher::{Error, Item, Limits, Owner, Plan, Reason};
use support::*;

#[test]
fn files_are_copied_under_their_own_name_or_another() {
    let test = TestSandbox::new();
    let uri = test.file("a.txt", "hello");
    let report = test
        .fetch(vec![
            item(&uri),
            item(format!("file://{uri}")),
            Item { output_file: Some("deep/er/b.txt".into()), executable: true, ..item(&uri) },
        ])
        .unwrap();
    assert_eq!(report.fetched.len(), 3);
    assert_eq!(report.fetched[2].path, test.sandbox().join("deep/er/b.txt"));
    assert_eq!(report.fetched[2].bytes, 5);
    assert_eq!(test.read("a.txt"), "hello");
    assert_eq!(test.read("deep/er/b.txt"), "hello");
    let mode = |name: &str| test.sandbox().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("deep/er/b.txt"), 0o755);
    assert_eq!(mode("a.txt") & 0o111, 0);
}

#[test]
fn relative_uris_are_relative_to_the_frameworks_home() {
    let test = TestSandbox::new();
    test.file("a.txt", "hello");
    assert!(matches!(reason(test.fetch(vec![item("a.txt")])), Reason::NoFrameworksHome));
    let plan = Plan { frameworks_home: Some(test.beside("")), ..test.plan(vec![item("a.txt")]) };
    fetcher::fetch(&plan).unwrap();
    assert_eq!(test.read("a.txt"), "hello");
}

#[test]
fn only_regular_files_are_copied() {
    let test = TestSandbox::new();
    let missing = test.beside("missing");
    assert!(matches!(reason(test.fetch(vec![item(missing.to_str().unwrap())])), Reason::Read(_)));
    for uri in ["/dev/zero", "/proc/self/environ", "/proc/version", "/tmp"] {
        assert!(matches!(reason(test.fetch(vec![item(uri)])), Reason::NotAFile(_)), "{uri}");
    }
    // A link to the file does not help.
    let link = test.beside("link");
    symlink("/proc/self/environ", &link).unwrap();
    assert!(matches!(reason(test.fetch(vec![item(link.to_str().unwrap())])), Reason::NotAFile(_)));
}

#[test]
fn output_files_outside_the_sandbox_are_refused() {
    let test = TestSandbox::new();
    let uri = test.file("a.txt", "hello");
    for output in ["../outside", "/etc/fetched", "a/../../outside", "..", "."] {
        let item = Item { output_file: Some(output.into()), ..item(&uri) };
        assert!(matches!(reason(test.fetch(vec![item])), Reason::OutputOutside), "{output}");
    }
    test.assert_contained();
}

#[test]
fn invalid_items_are_refused_before_any_download() {
    let test = TestSandbox::new();
    let uri = test.file("a.txt", "hello");
    for (wrong, output) in [("http://127.0.0.1:1/d/", None), ("ftp://h/a", None), ("http://h/a", Some("../a"))] {
        let wrong = Item { output_file: output.map(str::to_owned), ..item(wrong) };
        let error = test.fetch(vec![item(&uri), wrong]).unwrap_err();
        assert!(!test.sandbox().join("a.txt").exists(), "{error}");
    }
    let error = test.fetch(vec![item("http://127.0.0.1:1/d/")]).unwrap_err().to_string();
    assert!(error.contains("ends with '/' and names no file") && error.contains("output_file"), "{error}");
}

#[test]
fn links_in_the_sandbox_are_replaced_and_never_followed() {
    let test = TestSandbox::new();
    let uri = test.file("a.txt", "hello");
    symlink(test.beside("outside"), test.sandbox().join("a.txt")).unwrap();
    test.fetch(vec![item(&uri)]).unwrap();
    assert_eq!(test.read("a.txt"), "hello");
    test.assert_contained();
    symlink(test.beside(""), test.sandbox().join("dir")).unwrap();
    let through = Item { output_file: Some("dir/outside".into()), ..item(&uri) };
    assert!(matches!(reason(test.fetch(vec![through])), Reason::Write { .. }));
    assert_eq!(std::fs::read_to_string(test.beside("outside")).unwrap(), "untouched");
}

#[test]
fn hard_links_in_the_sandbox_are_replaced_and_not_written_through() {
    let test = TestSandbox::new();
    let uri = test.file("a.txt", "hello");
    std::fs::hard_link(test.beside("outside"), test.sandbox().join("a.txt")).unwrap();
    test.fetch(vec![item(&uri)]).unwrap();
    assert_eq!(test.read("a.txt"), "hello");
    test.assert_contained();
}

#[test]
fn http_files_are_downloaded_unchanged() {
    let body: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let compressed = gzip(b"hello");
    let (sent, packed) = (body.clone(), compressed.clone());
    let server = Server::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", packed.len());
        vec![
            ("/big", ok(&sent)),
            ("/there", redirect("/big")),
            ("/a.gz", Answer::Whole([head.as_bytes(), &packed].concat())),
            ("/chunked", Answer::Whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec())),
        ]
    });
    let test = TestSandbox::new();
    let items = vec![item(server.uri("/there")), item(server.uri("/a.gz")), item(server.uri("/chunked"))];
    let report = test.fetch(items).unwrap();
    assert_eq!(report.fetched[0].bytes, 200_000);
    assert_eq!(std::fs::read(test.sandbox().join("there")).unwrap(), body);
    assert_eq!(std::fs::read(test.sandbox().join("a.gz")).unwrap(), compressed);
    assert_eq!(test.read("chunked"), "hello");
}

#[test]
fn http_failures_are_distinguished() {
    let server = Server::start(|address| {
        vec![
            ("/loop", redirect("/loop")),
            ("/empty", Answer::Whole(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec())),
            (
                "/short",
                Answer::Whole(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nabc".to_vec()),
            ),
            ("/file", redirect("file:///etc/passwd")),
            ("/nowhere", redirect(&format!("http://{address}/missing"))),
        ]
    });
    let test = TestSandbox::new();
    let fails = |path: &str| reason(test.fetch(vec![item(server.uri(path))]));
    assert!(matches!(fails("/missing"), Reason::Status(404)));
    assert!(matches!(fails("/nowhere"), Reason::Status(404)));
    assert!(matches!(fails("/empty"), Reason::Status(204)));
    assert!(matches!(fails("/file"), Reason::Redirect(_)));
    for path in ["/loop", "/short"] {
        let reason = fails(path);
        assert!(matches!(reason, Reason::Download(_)), "{path}: {reason:?}");
    }
}

#[test]
fn a_stalled_download_fails() {
    let server = Server::start(|_| {
        vec![
            ("/body", Answer::Stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc".to_vec())),
            ("/head", Answer::Stalls(b"HTTP/1.1 200 OK\r\n".to_vec())),
        ]
    });
    let test = TestSandbox::new();
    for path in ["/body", "/head"] {
        let limits = Limits { attempts: 1, ..Limits::default() };
        let plan = test.plan(vec![item(server.uri(path))]);
        let plan = Plan { stall_timeout: Duration::from_millis(200), limits, ..plan };
        assert!(matches!(reason(fetcher::fetch(&plan)), Reason::Download(_)), "{path}");
    }
}

#[test]
fn files_are_bounded_and_a_fetch_can_be_cancelled() {
    let test = TestSandbox::new();
    let uri = test.file("a.txt", vec![0; 100_000]);
    let limits = Limits { file_bytes: 99_999, ..Limits::default() };
    let plan = Plan { limits, ..test.plan(vec![item(&uri)]) };
    assert!(matches!(reason(fetcher::fetch(&plan)), Reason::TooLarge(99_999)));
    let plan = test.plan(vec![item(&uri)]);
    plan.cancelled.store(true, Ordering::Relaxed);
    assert!(matches!(reason(fetcher::fetch(&plan)), Reason::Cancelled));
}

#[test]
fn files_belong_to_the_tasks_user_and_are_read_as_that_user() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        testkit::skip::skipped(&testkit::skip::current_test(), "only root can fetch for somebody else");
        return;
    }
    let test = TestSandbox::new();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&test.beside(""), 0o755);
    let uri = test.file("a.tar", {
        let tar = Tar::default().file("d/inner", "x").symlink("l", "d").symlink("abs", "/etc");
        tar.member(tar::EntryType::Fifo, "p", "", b"").member(tar::EntryType::Char, "null", "", b"").bytes()
    });
    open(&test.beside("a.tar"), 0o644);
    let owner = Owner { uid: 65_534, gid: 65_533, supplementary: vec![65_532] };
    let plan = Plan { owner: Some(owner), ..test.plan(vec![archive(&uri)]) };
    fetcher::fetch(&plan).unwrap();
    for name in ["", "a.tar", "d", "d/inner", "l", "abs", "p", "stderr"] {
        let owner = test.sandbox().join(name).symlink_metadata().unwrap();
        assert_eq!((owner.uid(), owner.gid()), (65_534, 65_533), "{name}");
    }
    // A file that only root may read is not read, and this thread is still root.
    test.file("secret", "root's");
    open(&test.beside("secret"), 0o600);
    let plan = Plan { items: vec![item(test.beside("secret").to_str().unwrap())], ..plan };
    assert!(matches!(reason(fetcher::fetch(&plan)), Reason::Read(_)));
    assert_eq!(std::fs::read_to_string(test.beside("secret")).unwrap(), "root's");
}

#[test]
fn a_sandbox_must_not_be_a_link() {
    let test = TestSandbox::new();
    symlink(test.sandbox(), test.beside("link")).unwrap();
    let plan = Plan::new(test.beside("link"), vec![]);
    assert!(matches!(fetcher::fetch(&plan), Err(Error::Sandbox(_))));
}

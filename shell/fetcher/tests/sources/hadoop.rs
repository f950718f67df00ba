//! URIs of other schemes, with a program in place of the Hadoop client.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fetcher::{Cache, Item, Limits, Plan, Reason};

use crate::support::*;

/// Returns a `--hadoop_home` whose client is this shell script.
fn home(test: &TestSandbox, script: &str) -> PathBuf {
    let home = test.beside("hadoop");
    std::fs::create_dir_all(home.join("bin")).unwrap();
    let program = home.join("bin/hadoop");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    home
}

/// Writes the URI to the file, and its arguments and variables beside the sandbox.
const COPIES: &str = r#"echo "$1 $2 $# $HADOOP_HOME" >> ../calls; env > ../env; printf %s "$3" > "$4""#;

fn plan(test: &TestSandbox, script: &str, items: Vec<Item>) -> Plan {
    Plan { hadoop_home: Some(home(test, script)), ..test.plan(items) }
}

#[test]
fn other_schemes_are_copied_by_the_client() {
    let test = TestSandbox::new();
    // A link of an earlier archive has the name of the directory that the client gets.
    symlink(test.beside("trap"), test.sandbox().join(".fetch-0")).unwrap();
    let other = Item { output_file: Some("d/b".into()), executable: true, ..item("s3a://bucket/x/b") };
    let report = fetcher::fetch(&plan(&test, COPIES, vec![item("hdfs://h:9000/dir/a.txt"), other])).unwrap();
    assert_eq!(report.fetched[0].bytes, 23);
    assert_eq!((test.read("a.txt"), test.read("d/b")), ("hdfs://h:9000/dir/a.txt".into(), "s3a://bucket/x/b".into()));
    let call = format!("fs -copyToLocal 4 {}\n", test.beside("hadoop").display());
    assert_eq!(std::fs::read_to_string(test.beside("calls")).unwrap(), call.repeat(2));
    assert!(!std::fs::read_to_string(test.beside("env")).unwrap().contains("MESOS_"));
    assert_eq!(test.sandbox().join("d/b").metadata().unwrap().permissions().mode() & 0o777, 0o755);
    let names: Vec<_> = tree(&test.sandbox()).into_keys().collect();
    assert_eq!(names, [".fetch-0", "a.txt", "d", "d/b"].map(PathBuf::from), "nothing else remains");
    test.assert_contained();
}

#[test]
fn files_of_the_client_have_checksums_and_are_cached() {
    let test = TestSandbox::new();
    let cache = Arc::new(Cache::open(&test.beside("cache"), 100).unwrap());
    let cached = Item { cache: true, ..item("hdfs://h/a") };
    for _ in 0..2 {
        let plan = Plan { cache: Some(cache.clone()), ..plan(&test, COPIES, vec![cached.clone()]) };
        fetcher::fetch(&plan).unwrap();
        assert_eq!(test.read("a"), "hdfs://h/a");
    }
    assert_eq!(std::fs::read_to_string(test.beside("calls")).unwrap().lines().count(), 1);
    let wrong = item(format!("hdfs://h/a?checksum=sha256:{}", "0".repeat(64)));
    assert!(matches!(reason(fetcher::fetch(&plan(&test, COPIES, vec![wrong]))), Reason::ChecksumMismatch { .. }));
}

#[test]
fn failures_of_the_client_are_reported() {
    let test = TestSandbox::new();
    let check = |script: &str, expected: &str| {
        let error = fetcher::fetch(&plan(&test, script, vec![item("hdfs://h/a")])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(tree(&test.sandbox()).len(), 0);
    };
    check("echo 'no such file' >&2; exit 1", "the Hadoop client failed (exit status: 1): no such file");
    check("exit 0", "has not written a regular file");
    check(r#"ln -s /etc/passwd "$4""#, "has not written a regular file");
    let missing = Plan { hadoop_home: Some(test.beside("nowhere")), ..test.plan(vec![item("gs://h/a")]) };
    let error = fetcher::fetch(&missing).unwrap_err().to_string();
    assert!(error.contains("scheme 'gs' need the Hadoop client") && error.contains("--hadoop_home"), "{error}");
    let limits = Limits { file_bytes: 9, ..Limits::default() };
    let large = Plan { limits, ..plan(&test, COPIES, vec![item("hdfs://h/a")]) };
    assert!(matches!(reason(fetcher::fetch(&large)), Reason::TooLarge(9)));
}

#[test]
fn the_client_ends_with_a_cancelled_fetch() {
    let test = TestSandbox::new();
    let plan = plan(&test, "sleep 1000 & echo $! > ../child; wait", vec![item("hdfs://h/a")]);
    let cancelled = plan.cancelled.clone();
    std::thread::scope(|scope| {
        let fetch = scope.spawn(|| fetcher::fetch(&plan));
        let child = testkit::wait::until("the client runs", || {
            std::fs::read_to_string(test.beside("child")).ok()?.trim().parse::<u32>().ok()
        });
        cancelled.store(true, Ordering::Relaxed);
        assert!(matches!(reason(fetch.join().unwrap()), Reason::Cancelled));
        testkit::wait::until("its processes end", || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
    });
}

//! `/files`: attached files can be read, and no others.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::net::SocketAddr;

use support::master_with;
use testkit::http::{Response, call, get};

fn check(response: &Response, status: u16, body: &str) {
    assert_eq!((response.status, response.text().as_str()), (status, body));
}

/// Starts a master whose log is a directory, in the same way as a sandbox.
fn serving(root: &std::path::Path) -> edge::Running {
    master_with(|options| options.log_file = Some(root.to_owned()))
}

async fn read(at: SocketAddr, query: &str) -> Response {
    get(at, &format!("/files/read?path=/master/log/{query}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_listed_read_and_downloaded() {
    let root = tempfile::tempdir().expect("a directory");
    fs::write(root.path().join("stdout"), "0123456789").expect("written");
    fs::create_dir(root.path().join("dir")).expect("created");
    let master = serving(root.path());
    let at = master.address;

    let listing = get(at, "/files/browse?path=/master/log/").await.json();
    let names: Vec<&str> =
        listing.as_array().expect("a list").iter().filter_map(|file| file["path"].as_str()).collect();
    assert_eq!(names, ["/master/log/dir", "/master/log/stdout"]);
    assert_eq!(listing[1]["size"], 10);
    assert_eq!(listing[1]["mode"], "-rw-r--r--");

    check(&read(at, "stdout&offset=2&length=3").await, 200, r#"{"data":"234","offset":2}"#);
    check(&read(at, "stdout&offset=7").await, 200, r#"{"data":"789","offset":7}"#);
    check(&read(at, "stdout").await, 200, r#"{"data":"","offset":10}"#);
    check(&read(at, "stdout&offset=-1").await, 200, r#"{"data":"","offset":10}"#);
    check(&read(at, "stdout&offset=99").await, 200, r#"{"data":"","offset":99}"#);
    check(&read(at, "stdout&offset=0&length=-1&jsonp=f").await, 200, r#"f({"data":"0123456789","offset":0})"#);

    let download = get(at, "/files/download?path=/master/log/stdout").await;
    assert_eq!(download.text(), "0123456789");
    assert_eq!(download.header("content-disposition"), Some(r#"attachment; filename="stdout""#));

    let list = call(at, "/api/v1", r#"{"type":"LIST_FILES","list_files":{"path":"/master/log"}}"#).await.json();
    assert_eq!(list["list_files"]["file_infos"][1]["path"], "/master/log/stdout");
    let range = r#"{"type":"READ_FILE","read_file":{"path":"/master/log/stdout","offset":1,"length":2}}"#;
    check(&call(at, "/api/v1", range).await, 200, r#"{"type":"READ_FILE","read_file":{"size":10,"data":"MTI="}}"#);
    let debug = get(at, "/files/debug").await.json();
    assert_eq!(debug["/master/log"], root.path().display().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_not_utf8_are_listed_read_and_downloaded() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join(OsStr::from_bytes(b"d\xe9"));
    fs::create_dir(&directory).expect("created");
    let odd = [&b"\xff"[..], b"a\"; x=\"y", b"a\r\nX: y", b"%FE", "\u{20ac} 5%".as_bytes()];
    for name in odd {
        fs::write(directory.join(OsStr::from_bytes(name)), name).expect("written");
    }
    let master = serving(root.path());
    let at = master.address;
    // Each file is found by its listed name.
    let mut names = Vec::new();
    let listed = get(at, "/files/browse?path=/master/log").await.json();
    let directory = listed[0]["path"].as_str().expect("a path").to_owned();
    assert_eq!(directory, "/master/log/d%E9");
    for file in get(at, &format!("/files/browse?path={}", escaped(&directory))).await.json().as_array().expect("list") {
        let path = file["path"].as_str().expect("a path");
        let download = get(at, &format!("/files/download?path={}", escaped(path))).await;
        assert_eq!(download.status, 200, "{path}: {}", download.text());
        let disposition = download.header("content-disposition").expect("a disposition").to_owned();
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert_eq!(download.header("x"), None);
        names.push(download.body.to_vec());
        let read = get(at, &format!("/files/read?offset=0&path={}", escaped(path))).await;
        assert_eq!(read.status, 200, "{path}: {}", read.text());
        let call_of = serde_json::json!({"type":"READ_FILE","read_file":{"path":path,"offset":0}}).to_string();
        assert_eq!(call(at, "/api/v1", &call_of).await.status, 200, "{path}");
    }
    let mut expected: Vec<Vec<u8>> = odd.iter().map(|name| name.to_vec()).collect();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    // The file is found by its raw bytes, too.
    let raw = get(at, "/files/download?path=/master/log/d%E9/%FF").await;
    assert_eq!((raw.status, raw.body.to_vec()), (200, vec![0xff]));
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_answered_as_in_mesos() {
    let root = tempfile::tempdir().expect("a directory");
    fs::write(root.path().join("stdout"), "x").expect("written");
    fs::create_dir(root.path().join("dir")).expect("created");
    let master = serving(root.path());
    let at = master.address;
    for route in ["browse", "read", "download"] {
        check(&get(at, &format!("/files/{route}")).await, 400, "Expecting 'path=value' in query.\n");
    }
    check(&get(at, "/files/browse?path=/x").await, 404, "");
    check(&get(at, "/files/read?path=/x").await, 404, "");
    check(&get(at, "/files/download?path=/x").await, 404, "404 Not Found.");
    check(&read(at, "stdout&offset=x").await, 400, "Failed to parse offset: Failed to convert 'x' to number.\n");
    check(&read(at, "stdout&offset=-2").await, 400, "Negative offset provided: -2.\n");
    check(&read(at, "stdout&length=-2").await, 400, "Negative length provided: -2.\n");
    check(&read(at, "dir&offset=0").await, 400, "Cannot read a directory.\n");
    check(&get(at, "/files/download?path=/master/log/dir").await, 400, "Cannot download a directory.\n");
    for call_of in [
        r#""type":"LIST_FILES","list_files":{"path":"/x"}"#,
        r#""type":"READ_FILE","read_file":{"path":"/x","offset":0}"#,
    ] {
        check(&call(at, "/api/v1", &format!("{{{call_of}}}")).await, 404, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leaves_the_directory() {
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("secret"), "secret").expect("written");
    let root = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(outside.path(), root.path().join("link")).expect("linked");
    std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("file")).expect("linked");
    let fifo = root.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("made");
    let master = serving(root.path());
    let up = "../".repeat(20);
    for path in ["link/secret", "file", &format!("{up}etc/passwd"), &format!("%2e%2e/{up}etc/passwd"), "pipe"] {
        for route in ["read", "download"] {
            let response = get(master.address, &format!("/files/{route}?path=/master/log/{path}&offset=0")).await;
            assert_eq!(response.status, 400, "{route} {path}: {}", response.text());
        }
    }
    let listed = get(master.address, "/files/browse?path=/master/log/link").await;
    assert_eq!(listed.status, 400);
}

//! Downloads that break off, checksums, and what hosts get.

use fetcher::{Error, Plan, Reason};

use crate::support::*;

const HELLOWORLD: &str = "936a185caaa266bb9cbe981e9e05cb78cd732b0b3280eb944412bb6f8f8f07af";

/// Breaks off after the first half of `helloworld`.
fn half(tag: &str) -> Answer {
    response("200 OK", &format!("{tag}Content-Length: 10\r\n"), "hello")
}

#[test]
fn a_download_continues_where_it_broke_off_if_the_file_is_the_same() {
    let check = |tag: &'static str, second: Answer, continues: bool, expected: &str| {
        let server = WebServer::start(move |number, _| if number == 1 { half(tag) } else { second.clone() });
        let test = TestSandbox::new();
        test.fetch(vec![item(server.uri("/a"))]).unwrap();
        assert_eq!(test.read("a"), expected);
        let heads = server.heads();
        assert_eq!(heads.len(), 2);
        assert!(!heads[0].contains("range"), "{}", heads[0]);
        let resumed = heads[1].contains("range: bytes=5-\r\n") && heads[1].contains("if-range: \"v1\"\r\n");
        assert_eq!(resumed, continues, "{}", heads[1]);
    };
    let rest = response("206 Partial Content", "Content-Length: 5\r\nContent-Range: bytes 5-9/10\r\n", "world");
    check("ETag: \"v1\"\r\n", rest, true, "helloworld");
    // The file has changed meanwhile.
    check("ETag: \"v1\"\r\n", ok(b"another"), true, "another");
    // Nothing, or nothing reliable, tells whether it has changed.
    check("", ok(b"helloworld"), false, "helloworld");
    check("ETag: W/\"v1\"\r\n", ok(b"helloworld"), false, "helloworld");
}

#[test]
fn a_mismatching_part_is_discarded() {
    let server = WebServer::start(|number, _| match number {
        1 => half("ETag: \"v1\"\r\n"),
        2 => response("206 Partial Content", "Content-Length: 5\r\nContent-Range: bytes 0-4/10\r\n", "hello"),
        _ => ok(b"helloworld"),
    });
    let test = TestSandbox::new();
    test.fetch(vec![item(format!("{}?checksum=sha256:{HELLOWORLD}", server.uri("/a")))]).unwrap();
    assert_eq!(test.read("a"), "helloworld");
    assert_eq!(server.heads().len(), 3);
    assert!(!server.heads()[2].contains("range:"));
}

#[test]
fn only_transient_failures_are_retried() {
    let check = |answers: Vec<Answer>, expected: Result<&str, u16>, requests: usize| {
        let server = WebServer::start(move |number, _| answers.get(number - 1).or(answers.last()).unwrap().clone());
        let test = TestSandbox::new();
        match (test.fetch(vec![item(server.uri("/a"))]), expected) {
            (Ok(_), Ok(content)) => assert_eq!(test.read("a"), content),
            (failed, Err(status)) => assert!(matches!(reason(failed), Reason::Status(found) if found == status)),
            (failed, Ok(_)) => panic!("{failed:?}"),
        }
        assert_eq!(server.heads().len(), requests, "{expected:?}");
    };
    let status = |status: &str| response(status, "Content-Length: 0\r\nRetry-After: 0\r\n", "");
    check(vec![status("503 Service Unavailable"), status("429 Too Many Requests"), ok(b"x")], Ok("x"), 3);
    check(vec![status("503 Service Unavailable")], Err(503), 3);
    check(vec![status("404 Not Found")], Err(404), 1);
    check(vec![status("403 Forbidden")], Err(403), 1);
    // An attempt with new bytes does not count.
    let part = |length: u32, from: u32, body: &str| {
        let headers = format!("Content-Length: {length}\r\nContent-Range: bytes {from}-9/10\r\n");
        response("206 Partial Content", &headers, body)
    };
    let unavailable = || status("503 Service Unavailable");
    let parts = vec![half("ETag: \"v1\"\r\n"), unavailable(), part(5, 5, "wor"), unavailable(), part(2, 8, "ld")];
    check(parts, Ok("helloworld"), 5);
}

#[test]
fn a_file_with_another_checksum_is_not_left_in_the_sandbox() {
    let server = WebServer::start(|_, _| ok(b"helloworld"));
    let test = TestSandbox::new();
    let local = test.file("local", "helloworld");
    for uri in [server.uri("/a"), local.clone(), format!("file://{local}")] {
        let with = |digest: &str| item(format!("{uri}?checksum=sha256:{digest}"));
        let report = test.fetch(vec![with(HELLOWORLD)]).unwrap();
        assert!(report.fetched[0].path.exists() && !report.fetched[0].path.to_str().unwrap().contains('?'));
        let wrong = test.fetch(vec![with(&HELLOWORLD.replace('9', "8"))]);
        assert!(matches!(reason(wrong), Reason::ChecksumMismatch { .. }));
        assert!(!report.fetched[0].path.exists());
    }
    assert!(server.heads().iter().all(|head| head.starts_with("get /a http/1.1")), "the server does not get it");
    assert!(matches!(reason(test.fetch(vec![item("/a?checksum=md5:00")])), Reason::Checksum(_)));
}

#[test]
fn a_host_gets_its_headers_and_no_other_host_does() {
    let other = WebServer::start(|_, _| ok(b"x"));
    let target = other.uri("/a");
    let server = WebServer::start(move |_, _| redirect(&target));
    let test = TestSandbox::new();
    let settings = format!(r#"{{"http://{}": {{"token": "Sesame", "headers": {{"X-Key": "k"}}}}}}"#, server.address);
    test.file("settings", settings);
    let plan = || Plan { host_settings: Some(test.beside("settings")), ..test.plan(vec![item(server.uri("/a"))]) };
    fetcher::fetch(&plan()).unwrap();
    let gets = |head: &str| head.contains("authorization: bearer sesame\r\n") && head.contains("x-key: k\r\n");
    assert!(gets(&server.heads()[0]), "{}", server.heads()[0]);
    assert!(!other.heads()[0].contains("sesame") && !other.heads()[0].contains("x-key"), "{}", other.heads()[0]);
    // The file is read for each fetch, and a fetch does without neither silently.
    test.file("settings", "{}");
    fetcher::fetch(&plan()).unwrap();
    assert!(!gets(&server.heads()[1]));
    test.file("settings", "[");
    assert!(matches!(fetcher::fetch(&plan()), Err(Error::HostSettings(_))));
}

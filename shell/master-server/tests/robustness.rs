//! Inputs that must not harm a master: invalid bodies and heads of every kind, slow and silent peers.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{master, master_with};
use testkit::http::{Client, JSON, Scheduler, get, post, request};

const HEALTH: &str = r#"{"type":"GET_HEALTH"}"#;
const HEALTHY: &str = r#"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#;

/// Sends a request; `rest` follows the request line and the content type.
async fn check(rest: &str, status: u16, body: &str) {
    let master = master();
    let head = format!("POST /api/v1 HTTP/1.1\r\n{JSON}");
    let response = request(master.address, format!("{head}{rest}")).await;
    assert_eq!(response.status, status, "{rest:.200}: {}", response.text());
    assert!(response.text().contains(body), "{rest:.200}: {}", response.text());
    assert_eq!(get(master.address, "/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_read_in_every_framing() {
    check(&format!("Content-Length: 21\r\n\r\n{HEALTH}"), 200, HEALTHY).await;
    check(&format!("Transfer-Encoding: chunked\r\n\r\n15\r\n{HEALTH}\r\n0\r\n\r\n"), 200, HEALTHY).await;
    let two_chunks =
        format!("Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n10;x=y\r\n{}\r\n0\r\n\r\n", &HEALTH[..5], &HEALTH[5..]);
    check(&two_chunks, 200, HEALTHY).await;
    // CVE-2018-1330: libprocess once aborted on trailers.
    check(&format!("Transfer-Encoding: chunked\r\n\r\n15\r\n{HEALTH}\r\n0\r\nX: y\r\n\r\n"), 200, HEALTHY).await;
    check("Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_bodies_are_refused_before_they_are_read() {
    check("Content-Length: 67108865\r\n\r\n", 413, "67108864").await;
    let master = master();
    // The bound is that of the endpoint: of JSON, of a form, of a body that is ignored, and of a path without an endpoint.
    for (target, bytes) in [("/weights", 4 << 20), ("/reserve", 1 << 20), ("/state", 64 << 10), ("/nope", 64 << 10)] {
        let refused =
            request(master.address, format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n", bytes + 1));
        let refused = refused.await;
        assert_eq!((refused.status, refused.text().contains(&bytes.to_string())), (413, true), "{target}");
    }
    let headers = "X: y\r\n".repeat(200);
    check(&format!("{headers}\r\n"), 431, "").await;
    let long = format!("X: {}\r\n\r\n", "y".repeat(200_000));
    check(&long, 431, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nesting_of_json_is_bounded() {
    // CVE-2018-11793: libprocess once overflowed its stack.
    for open in ["[", r#"{"a":"#] {
        let body = open.repeat(100_000);
        check(&format!("Content-Length: {}\r\n\r\n{body}", body.len()), 400, "").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_bodies_take_no_memory_from_others() {
    let master = master();
    let mut silent = Vec::new();
    // Each body may grow to the maximum; all of them together would exceed the memory budget of bodies.
    for _ in 0..10 {
        let mut client = Client::connect(master.address).await;
        client.send(format!("POST /api/v1 HTTP/1.1\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n")).await;
        silent.push(client);
    }
    let chunked =
        format!("POST /api/v1 HTTP/1.1\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n15\r\n{HEALTH}\r\n0\r\n\r\n");
    assert_eq!(request(master.address, chunked).await.text(), HEALTHY);
    // The padding makes the body large.
    let large = format!("{}{HEALTH}", " ".repeat(1_000_000));
    assert_eq!(request(master.address, post("/api/v1", JSON, large)).await.text(), HEALTHY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_paths_are_refused() {
    let master = master();
    // CVE-2017-7687 and CVE-2017-9790: libprocess once crashed on them.
    for target in ["/%", "/%zz", "/%f", "", "*", "master", "/x?path=%zz", "//", "/%00", "?"] {
        for headers in ["", "Libprocess-From: a@127.0.0.1:1\r\n"] {
            let mut client = Client::connect(master.address).await;
            client.send(format!("POST {target} HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n")).await;
            if let Some(response) = client.response().await {
                assert!((400..500).contains(&response.status), "{target:?} {headers:?}: {response:?}");
            }
        }
    }
    assert_eq!(get(master.address, "/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_closed_connection_still_gets_its_answers() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    client.send("GET /health HTTP/1.1\r\n\r\nGET /version HTTP/1.1\r\n\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.socket).await.expect("shutdown");
    assert_eq!(client.response().await.expect("an answer").status, 200);
    assert_eq!(client.response().await.expect("an answer").json()["version"], "1.11.0");
    assert!(client.at_end().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_within_a_request_is_dropped() {
    let master = master();
    for part in ["P", "POST /api/v1 HTTP/1.1\r\nContent-Le", "POST /api/v1 HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"] {
        let mut client = Client::connect(master.address).await;
        client.send(part).await;
        drop(client);
    }
    let mut client = Client::connect(master.address).await;
    client.send("POST /master/x HTTP/1.1\r\nLibprocess-From: a@127.0.0.1:1\r\nContent-Length: 10\r\n\r\n{").await;
    drop(client);
    assert_eq!(get(master.address, "/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    let slow = "GET /state HTTP/1.1\r\n\r\n";
    let fast = "GET /health HTTP/1.1\r\n\r\n";
    let missing = "GET /nope HTTP/1.1\r\n\r\n";
    client.send([slow, fast, missing].concat().repeat(50)).await;
    for _ in 0..50 {
        for (status, empty) in [(200, false), (200, true), (404, false)] {
            let response = client.response().await.expect("an answer");
            assert_eq!((response.status, response.body.is_empty()), (status, empty));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gzip_is_negotiated() {
    let flags = (0..100).map(|n| (format!("flag{n}"), "value".repeat(10))).collect();
    let master = master_with(|options| options.flags = flags);
    let state = async |accept: &str| request(master.address, format!("GET /state HTTP/1.1\r\n{accept}\r\n")).await;
    let plain = state("").await;
    assert!(plain.body.len() >= 1024, "the state is worth compressing");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(state("Accept-Encoding: gzip;q=0\r\n").await.header("content-encoding"), None);
    let compressed = state("Accept-Encoding: deflate, gzip\r\n").await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*compressed.body), &mut text).expect("gzip");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["id"], plain.json()["id"]);
    let small = request(master.address, "GET /version HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert_eq!(small.header("content-encoding"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jsonp_response_is_javascript() {
    let master = master();
    let response = get(master.address, "/version?jsonp=cb").await;
    assert_eq!(response.header("content-type"), Some("text/javascript"));
    assert!(response.text().starts_with("cb({") && response.text().ends_with("})"), "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_loses_its_connection() {
    let master = master();
    let scheduler = Scheduler::subscribe(master.address, r#"{"user":"u","name":"n"}"#).await;
    let tasks: Vec<String> = (0..10_000).map(|n| format!(r#"{{"task_id":{{"value":"{n}"}}}}"#)).collect();
    let reconcile = format!(r#""type":"RECONCILE","reconcile":{{"tasks":[{}]}}"#, tasks.join(","));
    // Every call queues 10,000 events behind those that are not read. The framework ends with its connection.
    let mut accepted = 0;
    while scheduler.call(master.address, &reconcile).await.status == 202 {
        accepted += 1;
        assert!(accepted < 200, "nothing bounds the events of a subscriber");
    }
    assert!(accepted > 10, "{accepted}");
    assert_eq!(get(master.address, "/frameworks").await.json()["frameworks"].as_array().map(Vec::len), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_calls_after_a_stream_has_begun_do_not_disturb_it() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    let subscribe = r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}"#;
    client.send([post("/api/v1/scheduler", JSON, subscribe), post("/api/v1", JSON, HEALTH)].concat()).await;
    assert_eq!(client.head().await.expect("a head").status, 200);
    assert_eq!(client.event().await.expect("an event")["type"], "SUBSCRIBED");
    assert_eq!(client.event().await.expect("an event")["type"], "HEARTBEAT");
}

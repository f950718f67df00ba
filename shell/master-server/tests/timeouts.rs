//! Behaviour after minutes, tested without waiting: the clock advances whenever nothing is left to do.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::master;
use testkit::http::Client;

#[tokio::test(start_paused = true)]
async fn a_request_that_trickles_in_loses_its_connection() {
    let master = master();
    for part in [
        "GET /health HT",
        "POST /api/v1 HTTP/1.1\r\nContent-Length: 10\r\n\r\n{",
        "POST /master/x HTTP/1.1\r\nLibprocess-From: a@127.0.0.1:1\r\nContent-Length: 10\r\n\r\n{",
    ] {
        let mut client = Client::connect(master.address).await;
        client.send(part).await;
        let mut rest = Vec::new();
        // A response may or may not arrive; the end of the connection has to.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut client.socket, &mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn single_bytes_do_not_extend_the_timeout_of_a_request() {
    let master = master();
    for head in [
        "POST /api/v1 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
        "POST /master/x HTTP/1.1\r\nLibprocess-From: a@127.0.0.1:1\r\nContent-Length: 1000\r\n\r\n",
        "POST /master/x HTTP/1.1\r\nLibprocess-From: a@127.0.0.1:1\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n",
    ] {
        let mut client = Client::connect(master.address).await;
        client.send(head).await;
        let mut sent = 0;
        while tokio::io::AsyncWriteExt::write_all(&mut client.socket, b"x").await.is_ok() {
            sent += 1;
            assert!(sent < 10, "{head:?}");
            tokio::time::sleep(std::time::Duration::from_secs(50)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_open() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        client.send("GET /health HTTP/1.1\r\n\r\n").await;
        let mut answer = [0; 15];
        tokio::io::AsyncReadExt::read_exact(&mut client.socket, &mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = [0; 1024];
        let count = tokio::io::AsyncReadExt::read(&mut client.socket, &mut rest).await.expect("the rest");
        assert!(rest[..count].ends_with(b"\r\n\r\n"));
    }
}

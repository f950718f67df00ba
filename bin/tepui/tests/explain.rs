//! `tepui explain`, `partition` and `quota` against a cluster of real processes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use processes::TEPUI;
use testkit::http::get_blocking;
use testkit::process::LocalCluster;
use testkit::wait::until;

/// A cluster with one agent of four processors.
struct Cluster(LocalCluster);

impl Cluster {
    fn start() -> Self {
        Cluster(LocalCluster::start(TEPUI, 1, &["--resources=cpus:4;mem:1024"]))
    }

    /// Returns whether a command succeeded, and its output.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output =
            Command::new(TEPUI).args(arguments).arg(format!("--master=127.0.0.1:{}", self.0.port)).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (output.status.success(), text)
    }

    fn expect_output(&self, arguments: &[&str], expected: &str) {
        let (_, text) = self.run(arguments);
        assert!(text.contains(expected), "{arguments:?} does not say {expected}:\n{text}");
    }

    fn expect_success(&self, arguments: &[&str]) {
        let (done, text) = self.run(arguments);
        assert!(done, "{arguments:?}: {text}");
    }

    /// Subscribes a framework that exists while the stream is open, and reads its first event.
    fn subscribe(&self, name: &str, role: &str) -> TcpStream {
        let info =
            format!(r#"{{"user":"root","name":"{name}","roles":["{role}"],"capabilities":[{{"type":"MULTI_ROLE"}}]}}"#);
        let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{info}}}}}"#);
        let mut stream = TcpStream::connect(("127.0.0.1", self.0.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /api/v1/scheduler HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        while !text.contains("SUBSCRIBED") {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "{text}");
            text += &String::from_utf8_lossy(&buffer[..read]);
        }
        stream
    }
}

#[test]
fn reasons_against_offers_are_explained() {
    let cluster = Cluster::start();
    cluster.expect_success(&["partition", "set", "web", "--role=web", "--min=cpus:4,mem:1024MB", "--lends=false"]);
    cluster.expect_output(&["partition", "list"], "web");
    let _batch = cluster.subscribe("batch", "batch");
    cluster.expect_output(&["explain", "framework", "batch"], "kept free for what was guaranteed to web");
    cluster.expect_output(&["explain", "role", "batch"], "kept free for what was guaranteed to web");
    cluster.expect_output(&["explain", "framework", "nobody"], "nobody");

    cluster.expect_success(&["partition", "remove", "web"]);
    cluster.expect_success(&["quota", "set", "batch", "--limit=cpus:1,mem:128"]);
    cluster.expect_output(
        &["explain", "role", "batch", "--needs=cpus:8"],
        "smaller than the demand: even empty not enough cpus",
    );
    cluster.expect_output(&["explain", "role", "batch", "--needs=many"], "many");
    let refused = get_blocking(cluster.0.port, "/explain?demand=x").unwrap();
    assert_eq!(refused.status, 400, "{refused:?}");
    until("the limit is reached", || {
        let (_, text) = cluster.run(&["explain", "framework", "batch"]);
        text.contains("limit").then_some(())
    });
}

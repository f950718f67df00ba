//! `tepui explain`, `partition` and `quota` as a person uses them, against a cluster of real processes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use processes::{free_port, get, until};

/// `tepui local` with one agent of four processors.
struct Cluster {
    child: Child,
    port: u16,
    _work: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let (work, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_tepui"))
            .args(["local", "--num_slaves=1", "--resources=cpus:4;mem:1024", &format!("--port={port}")])
            .arg(format!("--work_dir={}", work.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Cluster { child, port, _work: work };
        let has_agent = |body: &str| body.contains("\"active\":true");
        until("an agent is there", || get(port, "/slaves").filter(|answer| has_agent(&answer.body)));
        cluster
    }

    /// What a command prints, and whether it went well.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tepui"))
            .args(arguments)
            .arg(format!("--master=127.0.0.1:{}", self.port))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (output.status.success(), text)
    }

    fn says(&self, arguments: &[&str], expected: &str) {
        let (_, text) = self.run(arguments);
        assert!(text.contains(expected), "{arguments:?} does not say {expected}:\n{text}");
    }

    fn does(&self, arguments: &[&str]) {
        let (done, text) = self.run(arguments);
        assert!(done, "{arguments:?}: {text}");
    }

    /// A framework that stays as long as the stream is open; its first event was read.
    fn subscribe(&self, name: &str, role: &str) -> TcpStream {
        let info =
            format!(r#"{{"user":"root","name":"{name}","roles":["{role}"],"capabilities":[{{"type":"MULTI_ROLE"}}]}}"#);
        let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{info}}}}}"#);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
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

impl Drop for Cluster {
    fn drop(&mut self) {
        // Asked to end it takes its master and agent along.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[test]
fn what_keeps_offers_away_is_told() {
    let cluster = Cluster::start();
    cluster.does(&["partition", "set", "web", "--role=web", "--min=cpus:4,mem:1024MB", "--lends=false"]);
    cluster.says(&["partition", "list"], "web");
    let _batch = cluster.subscribe("batch", "batch");
    cluster.says(&["explain", "framework", "batch"], "kept free for what was guaranteed to web");
    cluster.says(&["explain", "role", "batch"], "kept free for what was guaranteed to web");
    cluster.says(&["explain", "framework", "nobody"], "nobody");

    cluster.does(&["partition", "remove", "web"]);
    cluster.does(&["quota", "set", "batch", "--limit=cpus:1,mem:128"]);
    cluster
        .says(&["explain", "role", "batch", "--needs=cpus:8"], "smaller than the demand: even empty not enough cpus");
    cluster.says(&["explain", "role", "batch", "--needs=many"], "many");
    let refused = get(cluster.port, "/explain?demand=x").unwrap();
    assert_eq!(refused.status, 400, "{refused:?}");
    until("the limit is reached", || {
        let (_, text) = cluster.run(&["explain", "framework", "batch"]);
        text.contains("limit").then_some(())
    });
}

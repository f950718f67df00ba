//! Tests the behaviour of `tepui local` when one of its processes ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use processes::{TEPUI, agents};
use testkit::process::{LocalCluster, signal};
use testkit::wait::until;

/// Marks an agent gone.
fn mark_gone(local: &LocalCluster, agent: &str) {
    let body = format!(r#"{{"type":"MARK_AGENT_GONE","mark_agent_gone":{{"agent_id":{{"value":"{agent}"}}}}}}"#);
    let mut stream = TcpStream::connect(("127.0.0.1", local.port)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /api/v1 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn pid_of_master(local: &LocalCluster) -> u32 {
    let parent = format!("PPid:\t{}", local.program.child.id());
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let is_master = |pid: &u32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("status").lines().any(|line| line == parent) && read("cmdline").split('\0').nth(1) == Some("master")
    };
    pids.into_iter().find(is_master).unwrap()
}

#[test]
fn local_survives_its_agents_and_ends_with_its_master() {
    let mut local = LocalCluster::start(TEPUI, 2, &["--resources=cpus:1;mem:64", "--launcher=posix"]);
    let both = agents(local.port);
    mark_gone(&local, &both[0]);
    until("it says so", || local.output().contains("The cluster goes on, its other agents: 1").then_some(()));
    assert_eq!(agents(local.port), [both[1].clone()]);
    assert_eq!(local.program.child.try_wait().unwrap(), None);

    signal(pid_of_master(&local), "-KILL");
    let status = until("it ends", || local.program.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    assert!(local.output().contains("the master ended"), "{}", local.output());
}

#[test]
fn local_ends_with_its_terminal() {
    let mut local = LocalCluster::start(TEPUI, 1, &["--resources=cpus:1;mem:64", "--launcher=posix"]);
    let master = pid_of_master(&local);
    signal(local.program.child.id(), "-HUP");
    let status = until("it ends", || local.program.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(!std::path::Path::new(&format!("/proc/{master}")).exists());
}

/// A second cluster would take the answers of the first one for its own.
#[test]
fn a_second_local_cluster_does_not_disturb_the_first() {
    let first = LocalCluster::start(TEPUI, 1, &["--resources=cpus:1;mem:64", "--launcher=posix"]);
    let log = || std::fs::read(first.work.path().join("master.log")).unwrap();
    let before = log();
    let second = Command::new(TEPUI)
        .args(["local", &format!("--port={}", first.port), &format!("--work_dir={}", first.work.path().display())])
        .output()
        .unwrap();
    let said = [second.stdout, second.stderr].concat();
    let expect = format!("tepui: 127.0.0.1:{} is in use: '{}", first.port, TEPUI);
    assert!(String::from_utf8_lossy(&said).starts_with(&expect), "{}", String::from_utf8_lossy(&said));
    let said = String::from_utf8_lossy(&said);
    let holder =
        format!("(process {}) listens there; stop it, or take the next free port: --port=", pid_of_master(&first));
    assert!(said.contains(&holder) && said.ends_with("if a cluster runs there already, use it\n"), "{said}");
    assert!(!second.status.success());
    assert!(log().starts_with(&before), "the log of the first");
    assert_eq!(agents(first.port).len(), 1);
}

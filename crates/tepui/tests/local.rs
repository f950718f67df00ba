//! `tepui local`: what becomes of it when one of its processes ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use processes::{agents, free_port, signal, until};

struct Local {
    child: Child,
    port: u16,
    work: tempfile::TempDir,
}

impl Local {
    fn start(agents_wanted: usize) -> Self {
        let (work, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_tepui"))
            .args(["local", "--resources=cpus:1;mem:64", "--launcher=posix", &format!("--port={port}")])
            .arg(format!("--num_slaves={agents_wanted}"))
            .arg(format!("--work_dir={}", work.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(work.path().join("said")).unwrap())
            .spawn()
            .unwrap();
        until("all agents are there", || (agents(port).len() == agents_wanted).then_some(()));
        Local { child, port, work }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.work.path().join("said")).unwrap()
    }

    /// An operator gives an agent up.
    fn mark_gone(&self, agent: &str) {
        let body = format!(r#"{{"type":"MARK_AGENT_GONE","mark_agent_gone":{{"agent_id":{{"value":"{agent}"}}}}}}"#);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
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

    fn pid_of_master(&self) -> u32 {
        let parent = format!("PPid:\t{}", self.child.id());
        let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        let is_master = |pid: &u32| {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("status").lines().any(|line| line == parent) && read("cmdline").split('\0').nth(1) == Some("master")
        };
        pids.into_iter().find(is_master).unwrap()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- tepui local:\n{}", self.said());
        }
        // It stops everything that it has started.
        if self.child.try_wait().unwrap().is_none() {
            signal(self.child.id(), "-TERM");
        }
        let _ = self.child.wait();
    }
}

#[test]
fn it_goes_on_without_an_agent_and_ends_with_its_master() {
    let mut local = Local::start(2);
    let both = agents(local.port);
    local.mark_gone(&both[0]);
    until("it says so", || local.said().contains("The cluster goes on, its other agents: 1").then_some(()));
    assert_eq!(agents(local.port), [both[1].clone()]);
    assert_eq!(local.child.try_wait().unwrap(), None);

    signal(local.pid_of_master(), "-KILL");
    let status = until("it ends", || local.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1));
    assert!(local.said().contains("the master ended"), "{}", local.said());
}

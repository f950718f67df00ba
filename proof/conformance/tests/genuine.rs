//! The suite against the real thing. `CPP_MESOS` names a directory with `master`, `agent` and `libexec` of a genuine
//! Apache Mesos 1.11; without it this test says that it was skipped. A case that fails here is a wrong case.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn await_port(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn start(mut command: Command, port: u16) -> Running {
    let command = command
        .env("LIBPROCESS_IP", "127.0.0.1")
        .env("LIBPROCESS_PORT", port.to_string())
        .env("MESOS_HOSTNAME", "127.0.0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    await_port(port);
    running
}

fn start_master(mesos: &Path, work: &Path) -> (Running, SocketAddrV4) {
    let port = free_port();
    let mut command = Command::new(mesos.join("master"));
    command.arg(work.join("master")).env("MESOS_REGISTRY", "in_memory");
    std::fs::create_dir(work.join("master")).unwrap();
    (start(command, port), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn start_agent(mesos: &Path, work: &Path, master: SocketAddrV4) -> (Running, SocketAddrV4) {
    let port = free_port();
    let mut command = Command::new(mesos.join("agent"));
    command
        .arg(format!("--master={master}"))
        .arg(format!("--work_dir={}", work.join("agent").display()))
        .arg(format!("--runtime_dir={}", work.join("run").display()))
        .env("MESOS_LAUNCHER", "posix")
        .env("MESOS_ISOLATION", "posix/cpu,posix/mem")
        .env("MESOS_SYSTEMD_ENABLE_SUPPORT", "false")
        .env("MESOS_LAUNCHER_DIR", mesos.join("libexec"))
        .env("MESOS_RESOURCES", "cpus:4;mem:2048;disk:4096;ports:[31000-31100]");
    (start(command, port), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// What the cases started is given its grace period; an agent that is killed leaves it running.
fn await_end_of_containers(agent: SocketAddrV4) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut stream = TcpStream::connect(agent).unwrap();
        write!(stream, "GET /containers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if answer.ends_with("[]") {
            return;
        }
        assert!(Instant::now() < deadline, "containers are left: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn conformance(arguments: &[String]) {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_case_holds_on_mesos_itself() {
    let Some(mesos) = std::env::var_os("CPP_MESOS").map(PathBuf::from) else {
        testkit::skip::skipped(&testkit::skip::current_test(), "CPP_MESOS does not name a genuine Mesos");
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let (_master, master) = start_master(&mesos, work.path());
    let (_agent, agent) = start_agent(&mesos, work.path(), master);
    let with = "--with=reserve,weights,quota,maintenance,drain";
    conformance(&[format!("--master={master}"), format!("--agent={agent}"), with.to_owned()]);
    await_end_of_containers(agent);
}

#[test]
fn mesos_answers_like_itself() {
    let Some(mesos) = std::env::var_os("CPP_MESOS").map(PathBuf::from) else {
        testkit::skip::skipped(&testkit::skip::current_test(), "CPP_MESOS does not name a genuine Mesos");
        return;
    };
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_one, one) = start_master(&mesos, first.path());
    let (_two, two) = start_master(&mesos, second.path());
    conformance(&["replay".to_owned(), format!("--master={one}"), format!("--versus={two}")]);
}

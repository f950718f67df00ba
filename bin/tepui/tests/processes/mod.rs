//! Real processes of masters and agents for tests, ended with them.

#![allow(dead_code, reason = "each test needs some of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For what takes seconds at most on a machine that has nothing else to do.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// `tepui master`, killed at the end.
pub struct Master {
    pub child: Child,
    pub port: u16,
    log: PathBuf,
    directory: tempfile::TempDir,
}

#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

impl Master {
    pub fn start(zk: &str, session: &str) -> Self {
        let zk = format!("--zk={zk}");
        let session = format!("--zk_session_timeout={session}");
        Self::with(tempfile::tempdir().unwrap(), free_port(), &["--quorum=2", &zk, &session])
    }

    pub fn with(directory: tempfile::TempDir, port: u16, flags: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_tepui")), directory, port, flags)
    }

    /// Started by a shell that ignores a signal.
    pub fn ignoring(signal: &str, directory: tempfile::TempDir, port: u16, flags: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' {signal}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_tepui")]);
        Self::run(shell, directory, port, flags)
    }

    /// With a log that cannot be written, because its disk is full.
    pub fn with_full_log_disk(directory: tempfile::TempDir, port: u16) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full", env!("CARGO_BIN_EXE_tepui")]);
        Self::run(shell, directory, port, &[])
    }

    fn run(mut program: Command, directory: tempfile::TempDir, port: u16, flags: &[&str]) -> Self {
        let log = directory.path().join("log");
        program
            .args(["master", "--ip=127.0.0.1", "--hostname=localhost", &format!("--port={port}")])
            .arg(format!("--work_dir={}", directory.path().display()))
            .args(flags);
        let child = spawn(&mut program, std::fs::File::create(&log).unwrap());
        let mut master = Master { child, port, log, directory };
        // One that may not stay can have served and ended between two questions.
        until("it serves or has ended", || {
            let serves = master.get("/health").is_some_and(|answer| answer.status == 200);
            (serves || master.child.try_wait().unwrap().is_some()).then_some(())
        });
        master
    }

    pub fn get(&self, path: &str) -> Option<Answer> {
        get(self.port, path)
    }

    /// Of the embedded one, in bytes.
    pub fn registry_size(&self) -> u64 {
        std::fs::metadata(self.directory.path().join("registry/registry.redb")).unwrap().len()
    }

    /// Whether it serves as the leader.
    pub fn leads(&self) -> bool {
        self.get("/state").is_some_and(|answer| answer.status == 200)
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// As a machine that loses its power: nobody is left to say so.
    pub fn kill_with_its_node_cleanup(&mut self) {
        for executor in self.node_cleanup_pids() {
            signal(executor, "-KILL");
        }
        self.kill();
    }

    /// The processes that outlive it.
    pub fn node_cleanup_pids(&self) -> Vec<u32> {
        let parent = format!("PPid:\t{}", self.child.id());
        let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        let is_child = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| s.lines().any(|line| line == parent))
        };
        pids.filter(is_child).collect()
    }

    /// kill -9, and once more with what it has left on disk.
    pub fn restart(mut self, flags: &[&str]) -> Self {
        self.kill();
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        Self::with(directory, self.port, flags)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- master on {}:\n{}", self.port, self.log());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn get(port: u16, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).map(str::to_owned);
    Some(Answer { status, location, body: body.to_owned() })
}

/// Starts a program that asks nothing and says everything to one file.
pub fn spawn(program: &mut Command, output: std::fs::File) -> Child {
    program.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
}

pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(begun.elapsed() < TIMEOUT, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

/// Free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The first of some that were all free a moment ago. They are below those that the kernel gives to connections, of which
/// one beside a free one is often taken.
pub fn free_ports(count: usize) -> u16 {
    until("there are free ports", || {
        let first = 10_000 + free_port() % 20_000;
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        (first..).take(count).all(is_free).then_some(first)
    })
}

/// SplitMix64: what a test draws from a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// An agent, ours or a genuine one, killed at the end.
pub struct Agent {
    pub child: Child,
    directory: tempfile::TempDir,
}

impl Agent {
    pub fn start(master: &str) -> Self {
        Self::with(master, &[])
    }

    pub fn with(master: &str, flags: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_tepui"));
        let usual = ["agent", "--ip=127.0.0.1", "--hostname=localhost", "--port=0", "--launcher=posix"];
        Self::run(program, &[&usual, flags].concat(), master)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Of a genuine Mesos.
    pub fn genuine(mesos: &Path, master: &str) -> Self {
        let mut program = Command::new(mesos.join("agent"));
        program
            .env("LIBPROCESS_IP", "127.0.0.1")
            .env("LIBPROCESS_PORT", free_port().to_string())
            .env("MESOS_HOSTNAME", "localhost")
            .env("MESOS_LAUNCHER", "posix")
            .env("MESOS_ISOLATION", "posix/cpu,posix/mem")
            .env("MESOS_SYSTEMD_ENABLE_SUPPORT", "false")
            .env("MESOS_LAUNCHER_DIR", mesos.join("libexec"));
        Self::run(program, &[], master)
    }

    fn run(mut program: Command, arguments: &[&str], master: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        program
            .args(arguments)
            .args([format!("--master={master}"), format!("--work_dir={}", at("work"))])
            .args([format!("--runtime_dir={}", at("run")), "--resources=cpus:2;mem:512;disk:512".to_owned()]);
        let child = spawn(&mut program, std::fs::File::create(at("log")).unwrap());
        Agent { child, directory }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            eprintln!("--- agent {}:\n{log}", self.child.id());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Master {
    /// The ids of the agents that are registered, connected and active.
    pub fn agents(&self) -> Vec<String> {
        agents(self.port)
    }
}

pub fn agents(port: u16) -> Vec<String> {
    let Some(answer) = get(port, "/master/slaves").filter(|answer| answer.status == 200) else { return Vec::new() };
    // Its body may be chunked; a lone object is all there is in it.
    let (Some(from), Some(to)) = (answer.body.find('{'), answer.body.rfind('}')) else { return Vec::new() };
    let value: serde_json::Value = serde_json::from_str(&answer.body[from..=to]).unwrap();
    let active = value["slaves"].as_array().into_iter().flatten().filter(|agent| agent["active"] == true);
    active.map(|agent| agent["id"].as_str().unwrap().to_owned()).collect()
}

/// `tepui local`, which takes everything along that it has started.
pub struct Local {
    pub child: Child,
    pub port: u16,
    pub work: tempfile::TempDir,
}

impl Local {
    /// With this many agents, which are there.
    pub fn start(count: usize, flags: &[&str]) -> Self {
        Self::with(tempfile::tempdir().unwrap(), free_ports(count + 1), count, flags)
    }

    fn with(work: tempfile::TempDir, port: u16, count: usize, flags: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tepui"));
        program
            .args(["local", &format!("--port={port}"), &format!("--num_slaves={count}")])
            .arg(format!("--work_dir={}", work.path().display()))
            .args(flags);
        let child = spawn(&mut program, std::fs::File::create(work.path().join("said")).unwrap());
        let local = Local { child, port, work };
        until("all agents are there", || local.output().contains("A cluster is running").then_some(()));
        local
    }

    /// kill -9, and once more with what it has left on disk.
    pub fn restart(mut self, count: usize, flags: &[&str]) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let work = std::mem::replace(&mut self.work, tempfile::tempdir().unwrap());
        Self::with(work, self.port, count, flags)
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.work.path().join("said")).unwrap_or_default()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- local cluster on {}:\n{}", self.port, self.output());
        }
        // Only if it has not ended by itself: its number may be another's.
        if let Ok(None) = self.child.try_wait() {
            signal(self.child.id(), "-TERM");
        }
        let _ = self.child.wait();
    }
}

/// The master of a genuine Mesos, killed at the end. It is not elected by itself: its build has no ZooKeeper.
pub struct GenuineMaster {
    child: Child,
    pub port: u16,
    _directory: tempfile::TempDir,
}

impl GenuineMaster {
    pub fn start(mesos: &Path) -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = Command::new(mesos.join("master"))
            .arg(directory.path())
            .env("MESOS_REGISTRY", "in_memory")
            .env("MESOS_HOSTNAME", "localhost")
            .env("LIBPROCESS_IP", "127.0.0.1")
            .env("LIBPROCESS_PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let master = GenuineMaster { child, port, _directory: directory };
        until("it serves", || get(port, "/health").filter(|answer| answer.status == 200));
        master
    }
}

impl Drop for GenuineMaster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A genuine Apache Mesos 1.11: a directory with `master`, `agent` and `libexec`. None, and loudly, without.
pub fn genuine_mesos() -> Option<PathBuf> {
    let found = std::env::var_os("CPP_MESOS").map(PathBuf::from);
    if found.is_none() {
        testkit::skip::skipped(&testkit::skip::current_test(), "CPP_MESOS does not name a genuine Mesos");
    }
    found
}

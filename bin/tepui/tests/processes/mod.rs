//! Real processes of masters and agents for tests. They end with the test.

#![allow(dead_code, reason = "each test needs some of it")]

use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Stdio};

use testkit::http::{BlockingResponse, get_blocking};
use testkit::process::{GenuineMesos, Program, signal};
use testkit::scratch::free_port;
use testkit::wait::until;

pub const TEPUI: &str = env!("CARGO_BIN_EXE_tepui");

/// A `tepui master`, which is killed at the end.
pub struct Master {
    program: Program,
    pub port: u16,
    directory: tempfile::TempDir,
}

impl Deref for Master {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Master {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

impl Master {
    pub fn start(zk: &str, session: &str) -> Self {
        let zk = format!("--zk={zk}");
        let session = format!("--zk_session_timeout={session}");
        Self::with(tempfile::tempdir().unwrap(), free_port(), &["--quorum=2", &zk, &session])
    }

    pub fn with(directory: tempfile::TempDir, port: u16, flags: &[&str]) -> Self {
        Self::run(Command::new(TEPUI), directory, port, flags)
    }

    /// Starts a master from a shell that ignores a signal.
    pub fn ignoring(signal: &str, directory: tempfile::TempDir, port: u16, flags: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' {signal}; exec \"$0\" \"$@\""), TEPUI]);
        Self::run(shell, directory, port, flags)
    }

    /// Starts a master with a log that cannot be written because its disk is full.
    pub fn with_full_log_disk(directory: tempfile::TempDir, port: u16) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 2>/dev/full", TEPUI]);
        Self::run(shell, directory, port, &[])
    }

    fn run(mut program: Command, directory: tempfile::TempDir, port: u16, flags: &[&str]) -> Self {
        program
            .args(["master", "--ip=127.0.0.1", "--hostname=localhost", &format!("--port={port}")])
            .arg(format!("--work_dir={}", directory.path().display()))
            .args(flags);
        let program = Program::start(&mut program, format!("master on {port}"), directory.path().join("log"));
        let mut master = Master { program, port, directory };
        // A master that refuses to run may have served and ended between two checks.
        until("it serves or has ended", || {
            let serves = master.get("/health").is_some_and(|answer| answer.status == 200);
            (serves || !master.is_running()).then_some(())
        });
        master
    }

    pub fn get(&self, path: &str) -> Option<BlockingResponse> {
        get_blocking(self.port, path)
    }

    /// Returns the size of the embedded registry in bytes.
    pub fn registry_size(&self) -> u64 {
        std::fs::metadata(self.directory.path().join("registry/registry.redb")).unwrap().len()
    }

    /// Returns whether the master serves as the leader.
    pub fn leads(&self) -> bool {
        self.get("/state").is_some_and(|answer| answer.status == 200)
    }

    /// Kills the master and its helper process, as a power loss of its machine does.
    pub fn kill_with_its_node_cleanup(&mut self) {
        for executor in self.node_cleanup_pids() {
            signal(executor, "-KILL");
        }
        self.kill();
    }

    /// Returns the pids of the helper processes that outlive the master.
    pub fn node_cleanup_pids(&self) -> Vec<u32> {
        let parent = format!("PPid:\t{}", self.child.id());
        let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
        let is_child = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| s.lines().any(|line| line == parent))
        };
        pids.filter(is_child).collect()
    }

    /// Kills the master and starts it again with the files that it has left on disk.
    pub fn restart(mut self, flags: &[&str]) -> Self {
        self.kill();
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        Self::with(directory, self.port, flags)
    }
}

/// Starts a program without input and with all output in one file.
pub fn spawn(program: &mut Command, output: std::fs::File) -> Child {
    program.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
}

/// SplitMix64, from which a test draws with a seed.
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

/// An agent of Tepui or Mesos, which is killed at the end.
pub struct Agent {
    program: Program,
    _directory: tempfile::TempDir,
}

impl Deref for Agent {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Agent {
    pub fn start(master: &str) -> Self {
        Self::with(master, &[])
    }

    pub fn with(master: &str, flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let mut program = Command::new(TEPUI);
        program
            .args(["agent", "--ip=127.0.0.1", "--hostname=localhost", "--port=0", "--launcher=posix"])
            .args(flags)
            .args([format!("--master={master}"), format!("--work_dir={}", at("work"))])
            .args([format!("--runtime_dir={}", at("run")), RESOURCES.to_owned()]);
        let program = Program::start(&mut program, "agent", at("log"));
        Agent { program, _directory: directory }
    }

    /// Starts an agent of a genuine Mesos.
    pub fn genuine(mesos: &GenuineMesos, master: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let program = mesos.agent(master, (&at("work"), &at("run")), free_port(), |command| {
            command.env("MESOS_HOSTNAME", "localhost").arg(RESOURCES);
        });
        Agent { program, _directory: directory }
    }
}

const RESOURCES: &str = "--resources=cpus:2;mem:512;disk:512";

impl Master {
    /// Returns the ids of the agents that are registered, connected and active.
    pub fn agents(&self) -> Vec<String> {
        agents(self.port)
    }
}

pub fn agents(port: u16) -> Vec<String> {
    let Some(answer) = get_blocking(port, "/master/slaves").filter(|answer| answer.status == 200) else {
        return Vec::new();
    };
    // The body may be chunked; it contains a single object.
    let (Some(from), Some(to)) = (answer.body.find('{'), answer.body.rfind('}')) else { return Vec::new() };
    let value: serde_json::Value = serde_json::from_str(&answer.body[from..=to]).unwrap();
    let active = value["slaves"].as_array().into_iter().flatten().filter(|agent| agent["active"] == true);
    active.map(|agent| agent["id"].as_str().unwrap().to_owned()).collect()
}

/// The master of a genuine Mesos, killed at the end.
pub struct GenuineMaster {
    _program: Program,
    pub port: u16,
    _directory: tempfile::TempDir,
}

impl GenuineMaster {
    pub fn start(mesos: &GenuineMesos) -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let program = mesos.master(directory.path(), port);
        until("it serves", || get_blocking(port, "/health").filter(|answer| answer.status == 200));
        GenuineMaster { _program: program, port, _directory: directory }
    }
}

/// Returns an installation of Apache Mesos 1.11, or reports the test as skipped if there is none.
pub fn genuine_mesos() -> Option<GenuineMesos> {
    let found = GenuineMesos::find();
    if found.is_none() {
        testkit::skip::skipped(&testkit::skip::current_test(), "CPP_MESOS does not name a genuine Mesos");
    }
    found
}

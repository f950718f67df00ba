//! A real ZooKeeper ensemble for tests, whose servers are killed at the end. The tests of several crates include this file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Ensemble {
    directory: tempfile::TempDir,
    /// `host:port,host:port`.
    pub servers: String,
    tick_ms: u32,
}

impl Ensemble {
    /// Returns `None` and reports a skipped test if ZooKeeper cannot be installed.
    pub fn start(count: usize) -> Option<Self> {
        Self::with_tick(count, 500)
    }

    pub fn with_tick(count: usize, tick_ms: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let output = script(tick_ms, &["start".as_ref(), directory.path(), count.to_string().as_ref()]);
        if output.status.code() == Some(77) {
            testkit::skip::skipped(&testkit::skip::current_test(), &String::from_utf8_lossy(&output.stderr));
            return None;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let servers = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Some(Ensemble { directory, servers, tick_ms })
    }

    /// kill -9 of a server, counted from 1.
    #[allow(dead_code)]
    pub fn kill(&self, server: usize) {
        self.run("kill", server);
    }

    #[allow(dead_code)]
    pub fn up(&self, server: usize) {
        self.run("up", server);
    }

    fn run(&self, command: &str, server: usize) {
        let output = script(self.tick_ms, &[command.as_ref(), self.directory.path(), server.to_string().as_ref()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn url(&self, path: &str) -> String {
        format!("zk://{}{path}", self.servers)
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        script(self.tick_ms, &["stop".as_ref(), self.directory.path()]);
    }
}

fn script(tick_ms: u32, arguments: &[&Path]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/zookeeper/zookeeper.sh");
    Command::new("bash").arg(script).args(arguments).env("ZK_TICK", tick_ms.to_string()).output().unwrap()
}

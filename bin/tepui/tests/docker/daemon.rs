//! A Docker daemon of the test's own, by `tests/docker/docker.sh`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use docker::{Client, Inspection, ListedContainer, Request, parse_list};
use testkit::skip::{current_test, skipped};

/// The image of the tests: busybox.
pub const IMAGE: &str = "busybox:test";

const TIMEOUT: Duration = Duration::from_secs(20);

/// A running daemon. Everything that it has started ends with it.
pub struct Daemon {
    directory: tempfile::TempDir,
    kind: &'static str,
}

fn script(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/docker/docker.sh");
    Command::new(script).args(arguments).output().unwrap()
}

impl Daemon {
    /// Starts a daemon without networks of its own, with the image. Returns `None` where that is not possible.
    pub fn start() -> Option<Self> {
        Self::start_kind("")
    }

    /// Starts a daemon with a bridge, in a network namespace of its own.
    pub fn with_bridge() -> Option<Self> {
        Self::start_kind("bridge")
    }

    fn start_kind(kind: &'static str) -> Option<Self> {
        // The path of a socket is short.
        let directory = tempfile::Builder::new().prefix("dk").tempdir_in("/tmp").unwrap();
        let daemon = Daemon { directory, kind };
        let installed = script(&["install"]);
        let started = if installed.status.success() { daemon.script("start") } else { installed };
        if started.status.code() == Some(77) {
            skipped(&current_test(), &String::from_utf8_lossy(&started.stderr));
            return None;
        }
        assert!(started.status.success(), "{started:?}");
        let image = script(&["image", daemon.path().to_str().unwrap(), IMAGE]);
        assert!(image.status.success(), "{image:?}");
        Some(daemon)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn script(&self, what: &str) -> Output {
        script(&[what, self.path().to_str().unwrap(), self.kind])
    }

    fn must(&self, what: &str) {
        let output = self.script(what);
        assert!(output.status.success(), "{what}: {output:?}");
    }

    pub fn socket(&self) -> PathBuf {
        self.path().join("docker.sock")
    }

    pub fn client(&self) -> Client {
        Client::new(self.socket().to_str().unwrap().parse().unwrap())
    }

    /// Stops the process of the daemon, which then takes connections and answers nothing.
    pub fn pause(&self) {
        self.must("pause");
    }

    /// Lets the daemon go on.
    pub fn go_on(&self) {
        self.must("continue");
    }

    /// Kills the daemon and starts it again. Its containers end, because it does not restore them.
    pub fn restart(&self) {
        self.must("kill");
        self.must("start");
    }

    /// Runs a program in the network of the daemon, and returns its output.
    pub fn in_network(&self, command: &str) -> String {
        let pid = std::fs::read_to_string(self.path().join("namespace")).unwrap();
        let output =
            Command::new("nsenter").args(["--net", "--target", pid.trim(), "sh", "-c", command]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the containers of Mesos.
    pub fn containers(&self) -> Vec<ListedContainer> {
        parse_list(&self.client().call(&Request::list("mesos-"), TIMEOUT).unwrap().body).unwrap()
    }

    /// Returns what Docker knows about a container, and the text of it.
    pub fn inspect(&self, container: &str) -> (Inspection, serde_json::Value) {
        let answer = self.client().call(&Request::inspect(container), TIMEOUT).unwrap();
        (Inspection::parse(&answer.body).unwrap(), serde_json::from_slice(&answer.body).unwrap())
    }

    pub fn call(&self, request: &Request) {
        self.client().call(request, TIMEOUT).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- dockerd:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
        }
        self.script("stop");
    }
}

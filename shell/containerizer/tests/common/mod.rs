#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is the failure of a test")]
#![allow(dead_code, reason = "each test program uses its part")]
//! A containerizer with roots of its own that leaves nothing behind, and helpers for scenarios.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use containerizer::{Config, Containerizer, Error, Event, Launch, Launcher, Limits, Output, Program};
use ids::ContainerId;
use tempfile::TempDir;
use testkit::scratch::{cgroup_roots, cgroups_below, cgroups_root};
use testkit::wait::until_within;

/// The upper bound of every wait, far above what is needed, also in an emulated machine.
const TIMEOUT: Duration = testkit::wait::TIMEOUT;

pub struct Host {
    pub containerizer: Option<Containerizer>,
    events: Receiver<Event>,
    pub directory: TempDir,
    /// The configuration of the next agent.
    pub config: Config,
}

/// Returns the id with this text.
pub fn id(text: &str) -> ContainerId {
    ContainerId::new(text)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Reports on stderr that a test did not run.
pub fn skip(test: &str, why: &str) {
    testkit::skip::skipped(test, why);
}

impl Host {
    pub fn new(launcher: Launcher, isolation: &[&str]) -> Result<Self, Error> {
        Self::configured(launcher, isolation, |_, _| {})
    }

    /// Does the same as [`new`](Self::new), and changes the configuration before the start.
    pub fn configured(
        launcher: Launcher,
        isolation: &[&str],
        configure: impl FnOnce(&mut Config, &std::path::Path),
    ) -> Result<Self, Error> {
        let directory = tempfile::tempdir().unwrap();
        // A user who is not root must be able to pass the directories above a sandbox.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let mut config = Config {
            launcher,
            isolation: isolation.iter().map(|name| (*name).to_owned()).collect(),
            cgroups_root: cgroups_root(directory.path()),
            runtime_dir: directory.path().join("run"),
            ..Config::default()
        };
        configure(&mut config, directory.path());
        let (containerizer, events) = start(&config)?;
        Ok(Host { containerizer: Some(containerizer), events, directory, config })
    }

    /// Ends the agent and starts another one.
    pub fn restart(&mut self) {
        self.try_restart().unwrap();
    }

    /// Does the same as [`restart`](Self::restart) where the start may fail.
    pub fn try_restart(&mut self) -> Result<(), Error> {
        self.containerizer = None;
        let (containerizer, events) = start(&self.config)?;
        self.containerizer = Some(containerizer);
        self.events = events;
        Ok(())
    }

    pub fn containerizer(&self) -> &Containerizer {
        self.containerizer.as_ref().unwrap()
    }

    pub fn sandbox(&self, id: &str) -> PathBuf {
        let sandbox = self.directory.path().join(id);
        std::fs::create_dir_all(&sandbox).unwrap();
        sandbox
    }

    pub fn shell(&self, id: &str, command: &str) -> Launch {
        let sandbox = self.sandbox(id);
        Launch {
            id: ContainerId::new(id),
            program: Program::Path("/bin/sh".into()),
            argv: ["sh", "-c", command].map(OsString::from).to_vec(),
            init: None,
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            working_directory: sandbox.clone(),
            user: None,
            limits: Limits { cpus: 0.1, memory: 64 << 20, ..Limits::default() },
            rlimits: Vec::new(),
            binds: Vec::new(),
            requests: containerizer::Requests::default(),
            stdin: containerizer::Input::Nothing,
            terminal: None,
            nesting: None,
            stdout: Output::File { path: sandbox.join("stdout"), rotation: None },
            stderr: Output::File { path: sandbox.join("stderr"), rotation: None },
        }
    }

    pub fn launch(&self, launch: Launch) -> u32 {
        let id = launch.id.clone();
        self.containerizer().launch(launch).unwrap();
        match self.event() {
            Event::Launched { id: launched, pid, .. } if launched == id => pid,
            event => panic!("instead of a launch: {event:?}"),
        }
    }

    pub fn event(&self) -> Event {
        self.events.recv_timeout(TIMEOUT).expect("an event in time")
    }

    /// Waits for the exit of a container and returns its wait status.
    pub fn exited(&self, expected: &str) -> Option<i32> {
        match self.event() {
            Event::Exited { id, status, limitation: None } if id.as_str() == expected => status,
            event => panic!("instead of an exit: {event:?}"),
        }
    }

    /// Waits until a file of the sandbox has content that ends a line.
    pub fn read(&self, id: &str, file: &str) -> String {
        let path = self.directory.path().join(id).join(file);
        until(|| std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')))
    }

    /// Removes the empty cgroups below a root that is not in use any more.
    pub fn remove_cgroups(&self, root: &str) {
        for root in cgroup_roots(root) {
            for inner in std::fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if inner.is_dir() {
                    until(|| {
                        let _ = std::fs::remove_dir(inner.join("leaf"));
                        (!inner.is_dir() || std::fs::remove_dir(&inner).is_ok()).then_some(())
                    });
                }
            }
            let _ = std::fs::remove_dir(root);
        }
    }

    /// Returns the mounts of this process that have something to do with this host. Other tests mount at the same time.
    pub fn mounts(&self) -> Vec<String> {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = self.directory.path().to_str().unwrap();
        table.lines().filter(|line| line.contains(own)).map(str::to_owned).collect()
    }

    /// Returns all cgroups below the root in all hierarchies.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        cgroups_below(&self.config.cgroups_root)
    }
}

impl Host {
    /// Ends the agent and all containers.
    pub fn end(&mut self) {
        // A test that failed between two agents has left its containers to the next agent.
        let running = self.containerizer.take().or_else(|| {
            let (containerizer, events) = start(&self.config).ok()?;
            self.events = events;
            Some(containerizer)
        });
        if let Some(containerizer) = running {
            for id in containerizer.containers() {
                let _ = containerizer.destroy(&id);
            }
            let deadline = Instant::now() + TIMEOUT;
            while !containerizer.containers().is_empty() && Instant::now() < deadline {
                let _ = self.events.recv_timeout(Duration::from_millis(10));
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
        for root in cgroup_roots(&self.config.cgroups_root) {
            let _ = std::fs::remove_dir(root);
        }
    }
}

fn start(config: &Config) -> Result<(Containerizer, Receiver<Event>), Error> {
    let (sender, events) = sync_channel(10_000);
    let containerizer = Containerizer::new(config.clone(), move |event| drop(sender.send(event)))?;
    Ok((containerizer, events))
}

pub fn until<T>(look: impl FnMut() -> Option<T>) -> T {
    until_within(TIMEOUT, "it came", look)
}

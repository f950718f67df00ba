//! A whole cluster under kill -9: masters, agents and ZooKeeper servers are killed and frozen at random while a batch
//! runs.
//!
//! `make chaos SECONDS=600 SEED=7` runs for longer. The faults are drawn from the seed, but their timing depends on the
//! machine, so a seed does not reproduce a run exactly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/zookeeper/ensemble.rs"]
mod ensemble;
#[path = "chaos/images.rs"]
mod images;
mod processes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ensemble::Ensemble;
use processes::{Random, spawn};
use testkit::http::get_blocking;
use testkit::process::signal;
use testkit::scratch::free_ports;
use testkit::wait::until;

/// A process that is started again with the same arguments and the same files.
struct Server {
    name: String,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    fn start(name: &str, directory: &Path, arguments: Vec<String>) -> Self {
        let mut server =
            Server { name: name.to_owned(), arguments, log: directory.join(format!("{name}.log")), child: None };
        server.up();
        server
    }

    fn up(&mut self) {
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        self.child = Some(spawn(Command::new(env!("CARGO_BIN_EXE_tepui")).args(&self.arguments), output));
    }

    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts the process again if it has ended by itself, such as a master that has lost its store.
    fn supervise(&mut self) {
        let ended = self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
        if ended {
            self.up();
        }
    }

    fn signal(&self, name: &str) {
        if let Some(child) = &self.child {
            signal(child.id(), name);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("-CONT");
        self.down();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the end of {}:\n{}", self.name, lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

struct Cluster {
    ensemble: Ensemble,
    servers: Vec<Server>,
    masters: Vec<u16>,
    directory: tempfile::TempDir,
}

const MASTERS: u16 = 3;
const AGENTS: u16 = 3;

impl Cluster {
    fn start() -> Option<Self> {
        let ensemble = Ensemble::start(3)?;
        let (zk, directory) = (ensemble.url("/mesos"), tempfile::tempdir().unwrap());
        let first = free_ports(usize::from(MASTERS + AGENTS));
        let at = |name: String| directory.path().join(name).display().to_string();
        let common = |port: u16, work: String| {
            let flags = ["--ip=127.0.0.1".to_owned(), "--hostname=localhost".to_owned(), format!("--port={port}")];
            [flags.as_slice(), &[format!("--work_dir={work}")]].concat()
        };
        let master = |n: u16| {
            let own = [
                "master".to_owned(),
                format!("--zk={zk}"),
                "--quorum=2".to_owned(),
                "--zk_session_timeout=2secs".to_owned(),
            ];
            [own.as_slice(), &common(first + n, at(format!("master-{n}")))].concat()
        };
        let agent = |n: u16| {
            let own = [
                "agent".to_owned(),
                format!("--master={zk}"),
                "--launcher=posix".to_owned(),
                "--resources=cpus:1;mem:512;disk:512".to_owned(),
                // Containers that a failed test leaves behind end soon.
                "--recovery_timeout=1mins".to_owned(),
                format!("--runtime_dir={}", at(format!("run-{n}"))),
            ];
            [own.as_slice(), &common(first + MASTERS + n, at(format!("agent-{n}")))].concat()
        };
        let masters = (0..MASTERS).map(|n| Server::start(&format!("master-{n}"), directory.path(), master(n)));
        let agents = (0..AGENTS).map(|n| Server::start(&format!("agent-{n}"), directory.path(), agent(n)));
        let servers = masters.chain(agents).collect();
        Some(Cluster { ensemble, servers, masters: (first..first + MASTERS).collect(), directory })
    }

    fn leader(&self) -> Option<u16> {
        let leads = |port: &u16| get_blocking(*port, "/state").is_some_and(|answer| answer.status == 200);
        self.masters.iter().copied().find(leads)
    }

    /// Kills or freezes a process for a while.
    fn inject_fault(&mut self, random: &mut Random) {
        let pause = Duration::from_millis(random.below(3000));
        if random.below(5) == 0 {
            let server = 1 + random.below(3) as usize;
            println!("ZooKeeper {server} dies for {pause:?}");
            self.ensemble.kill(server);
            std::thread::sleep(pause);
            return self.ensemble.up(server);
        }
        let victim = random.below(self.servers.len() as u64) as usize;
        let (server, freezes) = (&mut self.servers[victim], random.below(4) == 0);
        println!("{} {} for {pause:?}", server.name, if freezes { "freezes" } else { "dies" });
        if freezes {
            server.signal("-STOP");
        } else {
            server.down();
        }
        std::thread::sleep(pause);
        if freezes {
            server.signal("-CONT");
        } else {
            server.up();
        }
    }

    fn supervise(&mut self) {
        self.servers.iter_mut().for_each(Server::supervise);
    }
}

/// Starts a batch in which each task records its number when it begins.
fn batch(cluster: &Cluster, number: usize, tasks: usize) -> (Child, PathBuf, PathBuf) {
    let at = |name: &str| cluster.directory.path().join(format!("{name}-{number}"));
    let (runs, said) = (at("runs"), at("said"));
    let command = format!("echo $TEPUI_INSTANCE >> {}; sleep 1.$(($TEPUI_INSTANCE % 10))", runs.display());
    let mut program = Command::new(env!("CARGO_BIN_EXE_tepui"));
    program
        .args(["run", "--quiet", "--name=chaos", "--cpus=0.1", "--mem=16", "--master", &cluster.ensemble.url("/mesos")])
        .args(["-n", &tasks.to_string(), "--", &command]);
    let child = spawn(&mut program, std::fs::File::create(&said).unwrap());
    (child, runs, said)
}

/// Checks that each task ran at most once, and exactly once if it was reported as finished. Returns the number of
/// finished tasks.
fn check_runs(runs: &Path, said: &Path, tasks: usize) -> usize {
    let said = std::fs::read_to_string(said).unwrap();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for line in std::fs::read_to_string(runs).unwrap_or_default().lines() {
        *counts.entry(line.parse().unwrap()).or_default() += 1;
    }
    let mut finished = 0;
    for instance in 0..tasks {
        let name = format!("chaos.{instance}");
        let row = said.lines().find(|line| line.split_whitespace().any(|word| word == name));
        let row = row.unwrap_or_else(|| panic!("nothing is said of {name}:\n{said}"));
        let ran = counts.get(&instance).copied().unwrap_or(0);
        if row.contains("TASK_FINISHED") {
            finished += 1;
            assert_eq!(ran, 1, "{row}");
        } else {
            assert!(row.contains("TASK_") && ran <= 1, "it ran {ran} times: {row}");
            println!("{row}, ran {ran} times");
        }
    }
    finished
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

#[test]
fn no_task_is_lost_when_processes_are_killed() {
    let Some(mut cluster) = Cluster::start() else { return };
    let (seconds, seed) = (number("CHAOS_SECONDS", 15), number("CHAOS_SEED", 1));
    let mut random = Random::new(seed);
    until("one leads", || cluster.leader());
    let (begun, mut finished, mut launched) = (Instant::now(), 0, 0);
    let mut round = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        round += 1;
        let tasks = 150;
        let (mut child, runs, said) = batch(&cluster, round, tasks);
        while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(seconds) {
            cluster.inject_fault(&mut random);
            cluster.supervise();
            std::thread::sleep(Duration::from_millis(random.below(1500)));
        }
        // All processes are up again, and the batch comes to its end.
        let quiet = Instant::now();
        while child.try_wait().unwrap().is_none() {
            cluster.supervise();
            if quiet.elapsed() > Duration::from_secs(180) {
                let _ = child.kill();
                panic!("a batch does not end: {}", std::fs::read_to_string(&said).unwrap());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        finished += check_runs(&runs, &said, tasks);
        launched += tasks;
    }
    println!("{finished} of {launched} tasks finished in {:?}", begun.elapsed());
    assert!(finished * 10 > launched * 8, "too many did not: {finished} of {launched}");
}

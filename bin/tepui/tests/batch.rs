//! `tepui run` and `mesos-execute` continue with their tasks, and `tepui failures` with the cluster, while all other
//! processes are killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/zookeeper/ensemble.rs"]
mod ensemble;
mod processes;

use std::path::Path;
use std::process::Command;

use ensemble::Ensemble;
use processes::{Agent, Master, TEPUI};
use testkit::process::{LocalCluster, Program};
use testkit::wait::until;

/// A scheduler process, which is killed at the end.
struct Batch(Program);

impl Batch {
    fn start(directory: &Path, name: &str, arguments: &[&str]) -> Self {
        Batch(Program::start(Command::new(TEPUI).args(arguments), name, directory.join(name)))
    }

    fn output(&self) -> String {
        self.0.log()
    }

    fn wait_for_output(&self, what: &str) {
        until(what, || self.output().contains(what).then_some(()));
    }

    /// Waits for the end of the process and returns whether it succeeded.
    fn wait_for_success(&mut self) -> bool {
        until("the batch ends", || self.0.child.try_wait().unwrap()).success()
    }
}

/// Tasks that record their start and run until they are released or their directory is gone.
struct TaskGate {
    directory: tempfile::TempDir,
}

impl TaskGate {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("gate"), "").unwrap();
        TaskGate { directory }
    }

    fn command(&self) -> String {
        let at = self.directory.path().display();
        format!("echo started >> {at}/starts; while [ -e {at}/gate ]; do sleep 0.05; done")
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.directory.path().join("starts")).unwrap_or_default().lines().count()
    }

    fn started(&self, count: usize) {
        until("the tasks have started", || (self.starts() >= count).then_some(()));
    }

    fn release(&self) {
        std::fs::remove_file(self.directory.path().join("gate")).unwrap();
    }
}

const FLAGS: [&str; 2] = ["--resources=cpus:1;mem:128", "--launcher=posix"];

#[test]
fn tasks_continue_when_a_whole_cluster_is_killed_and_restarted() {
    let cluster = LocalCluster::start(TEPUI, 2, &FLAGS);
    let master = format!("--master=127.0.0.1:{}", cluster.port);
    let (gate, files) = (TaskGate::new(), tempfile::tempdir().unwrap());
    let mut batch = Batch::start(files.path(), "run", &["run", &master, "-n", "2", "--", &gate.command()]);
    // As in Mesos, the executor of a framework that does not checkpoint ends with its agent.
    let execute = ["mesos-execute", &master, "--name=lost", "--command=sleep 1000", "--resources=cpus:0.1;mem:32"];
    let mut lost = Batch::start(files.path(), "execute", &execute);
    gate.started(2);
    lost.wait_for_output("TASK_RUNNING");

    let cluster = cluster.restart(2, &FLAGS);
    assert!(!lost.wait_for_success());
    assert!(lost.output().contains("TASK_GONE"), "{}", lost.output());
    gate.release();
    assert!(batch.wait_for_success());
    assert_eq!(batch.output().matches("TASK_FINISHED").count(), 2, "{}", batch.output());
    assert_eq!(gate.starts(), 2, "each ran once");
    drop(cluster);
}

/// Starts two masters and returns which of them leads.
fn two_masters(zk: &str) -> (Vec<Master>, usize) {
    let masters: Vec<Master> = (0..2).map(|_| Master::start(zk, "4secs")).collect();
    let first = until("one leads", || masters.iter().position(Master::leads));
    (masters, first)
}

#[test]
fn a_batch_follows_a_change_of_leader() {
    let Some(ensemble) = Ensemble::start(1) else { return };
    let zk = ensemble.url("/mesos");
    let (mut masters, first) = two_masters(&zk);
    let _agent = Agent::start(&zk);
    let (gate, files) = (TaskGate::new(), tempfile::tempdir().unwrap());
    let mut batch = Batch::start(files.path(), "run", &["run", "--master", &zk, "--", &gate.command()]);
    gate.started(1);

    masters[first].kill();
    until("the other one leads", || masters[1 - first].leads().then_some(()));
    gate.release();
    assert!(batch.wait_for_success(), "{}", batch.output());
    assert_eq!(gate.starts(), 1);
}

#[test]
fn a_stream_of_failures_continues_under_the_next_master() {
    let Some(ensemble) = Ensemble::start(1) else { return };
    let zk = ensemble.url("/mesos");
    let (mut masters, first) = two_masters(&zk);
    let files = tempfile::tempdir().unwrap();
    let stream = Batch::start(files.path(), "failures", &["failures", "--follow", "--master", &zk]);
    let agent = Agent::start(&zk);
    until("the agent is there", || (masters[first].agents().len() == 1).then_some(()));
    drop(agent);
    stream.wait_for_output("agent_disconnected");

    masters[first].kill();
    stream.wait_for_output("looking for the master that leads now");
    stream.wait_for_output("master_failover");
}

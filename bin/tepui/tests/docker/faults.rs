//! Daemons that are down, hang, answer nonsense, or restart, and executors that are killed.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use serde_json::json;
use testkit::process::signal;
use testkit::wait::until;

use super::cluster::{Cluster, Fields};
use super::daemon::Daemon;

#[test]
fn a_daemon_that_is_down_or_mad_fails_the_task() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("d.sock");
    if !rustix::process::geteuid().is_root() {
        return testkit::skip::skipped(&testkit::skip::current_test(), "only root has the linux launcher");
    }
    let cluster = Cluster::at_socket(&socket, &[]);
    let said = cluster.run("down", "true", Fields::default());
    assert!(said.contains("TASK_FAILED") && said.contains("is dockerd running, and is this its socket?"), "{said}");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
        }
    });
    let said = cluster.run("mad", "true", Fields::default());
    assert!(said.contains("TASK_FAILED"), "{said}");
    // The agent goes on with what it can do without Docker.
    let said = cluster.execute(&["--name=other", "--command=exit 4", "--resources=cpus:0.1;mem:32"]);
    assert!(said.contains("Command exited with status 4"), "{said}");
}

#[test]
fn a_daemon_that_hangs_delays_an_end_and_loses_none() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let command = "while [ ! -e $MESOS_SANDBOX/go ]; do sleep 0.05; done; exit 7";
    let mut task = cluster.begin_task("t", command, Fields::default());
    cluster.until_state("t", "TASK_RUNNING");
    daemon.pause();
    let sandbox = testkit::scratch::find_file(&cluster.work.path().join("slaves"), "stdout").unwrap();
    std::fs::write(sandbox.with_file_name("go"), "").unwrap();
    // The measurement does not wait for the daemon.
    assert!(cluster.agent_json("/containers").is_array());
    daemon.go_on();
    cluster.until_state("t", "TASK_FAILED");
    Cluster::until_said(&task, "Container exited with status 7");
    task.kill();
}

#[test]
fn the_end_of_the_daemon_is_the_end_of_its_containers() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let mut task = cluster.begin_task("t", "exec sleep 1000", Fields::default());
    cluster.until_state("t", "TASK_RUNNING");
    daemon.restart();
    cluster.until_state("t", "TASK_FAILED");
    Cluster::until_said(&task, "Container exited with status");
    // The next task runs at the new daemon.
    let said = cluster.run("next", "exit 3", Fields::default());
    assert!(said.contains("Container exited with status 3"), "{said}");
    task.kill();
}

#[test]
fn a_container_ends_with_its_executor() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let mut task = cluster.begin_task("t", "trap '' TERM; while true; do sleep 0.1; done", Fields::default());
    cluster.until_state("t", "TASK_RUNNING");
    signal(cluster.executor_pid("t"), "-KILL");
    cluster.until_state("t", "TASK_FAILED");
    Cluster::until_said(&task, "Executor terminated");
    // The agent reports the end when the container does not run any more.
    assert!(daemon.containers().iter().all(|container| !container.runs));
    until("the agent has no container", || (cluster.agent_json("/containers") == json!([])).then_some(()));
    task.kill();
}

/// The agent reports an end only if the container does not run, whatever its daemon does.
#[test]
fn a_container_ends_without_its_daemon() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let mut task = cluster.begin_task("t", "exec sleep 1000", Fields::default());
    cluster.until_state("t", "TASK_RUNNING");
    let name = daemon.containers()[0].id.clone();
    let pid = daemon.inspect(&name).0.pid.unwrap();
    daemon.pause();
    signal(cluster.executor_pid("t"), "-KILL");
    cluster.until_state("t", "TASK_FAILED");
    assert!(!testkit::process::is_alive(pid));
    daemon.go_on();
    task.kill();
}

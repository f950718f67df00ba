//! `tepui logs` shows an output as one stream, however often it is rotated and whatever happens to the cluster
//! meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod processes;

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use processes::TEPUI;
use testkit::process::{LocalCluster, Program};
use testkit::wait::until;

const FLAGS: [&str; 3] = [
    "--resources=cpus:1;mem:128",
    "--launcher=posix",
    "--container_logger=logrotate:max_stdout_size=64KB,logrotate_stdout_options=rotate 500",
];
const LINES: usize = 30_000;

fn line(number: usize) -> String {
    format!("line {number} 012345678901234567890123456789012345678901234567890123456789\n")
}

/// Returns a script that writes in bursts for some seconds, far more than a file may hold.
fn script() -> String {
    let text = line(0).replace("line 0", "line $i").trim_end().to_owned();
    format!("i=0; while [ $i -lt {LINES} ]; do echo \"{text}\"; i=$((i+1)); [ $((i % 1000)) -ne 0 ] || sleep 0.2; done")
}

fn tepui(arguments: &[&str]) -> Command {
    let mut program = Command::new(TEPUI);
    program.args(arguments);
    program
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Compares two texts, and shows only where they begin to differ.
fn check_same(what: &str, found: &str, expect: &str) {
    let differ = found.bytes().zip(expect.bytes()).position(|(a, b)| a != b);
    let at = differ.unwrap_or(found.len().min(expect.len()));
    let part = |text: &str| text.get(at.saturating_sub(80)..(at + 80).min(text.len())).unwrap_or_default().to_owned();
    assert!(found == expect, "{what}: differs at byte {at}:\n{}\n--- and not\n{}", part(found), part(expect));
}

#[test]
fn an_output_is_followed_over_rotations_and_a_killed_cluster() {
    let work = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(TEPUI, 1, &FLAGS);
    let master = format!("--master=127.0.0.1:{}", cluster.port);
    let mut arguments = vec!["run", &master, "--name=rotated"];
    if rustix::process::geteuid().is_root() {
        // The user of the task must be able to enter the sandbox.
        std::fs::set_permissions(cluster.work.path(), Permissions::from_mode(0o755)).unwrap();
        arguments.push("--user=nobody");
    }
    let script = script();
    arguments.extend(["--", &script]);
    let said = work.path().join("run");
    let mut run = Program::start(&mut tepui(&arguments), "the run", said);
    until("the task is known", || {
        let tasks = tepui(&["tasks", &master]).output().unwrap();
        String::from_utf8_lossy(&tasks.stdout).contains("rotated").then_some(())
    });
    let (followed, errors) = (work.path().join("followed"), work.path().join("errors"));
    let mut follow = until("the output can be followed", || {
        let mut logs = tepui(&["logs", &master, "--follow", "rotated"]);
        let outputs = (File::create(&followed).unwrap(), File::create(&errors).unwrap());
        let mut child = Ended(logs.stdin(Stdio::null()).stdout(outputs.0).stderr(outputs.1).spawn().unwrap());
        // The sandbox may not exist yet.
        let follows = until("it follows or has ended", || match child.0.try_wait().unwrap() {
            Some(_) => Some(false),
            None => (!text(&followed).is_empty()).then_some(true),
        });
        follows.then_some(child)
    });
    until("a third has been followed", || text(&followed).contains(&line(LINES / 3)).then_some(()));
    let cluster = cluster.restart(1, &FLAGS);

    assert!(until("the task ends", || run.child.try_wait().unwrap()).success(), "{}", run.log());
    let ended = until("nothing is left to follow", || follow.0.try_wait().unwrap());
    assert!(ended.success(), "{}", text(&errors));
    let expect: String = (0..LINES).map(line).collect();
    check_same("followed", &text(&followed), &expect);
    assert!(!text(&errors).contains("removed by rotation"), "{}", text(&errors));

    let all = tepui(&["logs", &master, "rotated"]).output().unwrap();
    check_same("all", &String::from_utf8(all.stdout).unwrap(), &expect);
    let tail = tepui(&["logs", &master, "rotated", "--tail=200000"]).output().unwrap();
    check_same("the tail", &String::from_utf8(tail.stdout).unwrap(), &expect[expect.len() - 200_000..]);
    let old = tepui(&["logs", &master, "rotated", "--file=stdout.1"]).output().unwrap();
    assert!(old.status.success() && !old.stdout.is_empty(), "it was rotated");
    drop(cluster);
}

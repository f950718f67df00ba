//! Tests of the helpers around real processes: a process ends with its test, waits have an end, ports are free.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use testkit::process::{Program, is_alive};
use testkit::scratch::{cgroups_below, cgroups_root, find_file, free_ports};
use testkit::wait::{until, until_within};

#[test]
fn a_program_prints_to_its_log_and_ends_with_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo here; exec sleep 1000"]);
    let mut program = Program::start(&mut command, "sleeper", directory.path().join("log"));
    until("it has printed", || (program.log() == "here\n").then_some(()));
    let pid = program.pid();
    assert!(program.is_running() && is_alive(pid));
    drop(program);
    assert!(!is_alive(pid));
}

#[test]
#[should_panic(expected = "never: the impossible")]
fn a_wait_that_times_out_names_its_condition() {
    until_within(Duration::from_millis(1), "the impossible", || None::<()>);
}

#[test]
fn free_ports_are_consecutive() {
    let first = free_ports(3);
    let listeners: Vec<_> = (first..first + 3).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
    assert!(listeners.iter().all(Result::is_ok), "{listeners:?}");
}

#[test]
fn files_are_found_at_the_lowest_depth_first() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(inner.join("file"), "").unwrap();
    assert_eq!(find_file(directory.path(), "file"), Some(inner.join("file")));
    std::fs::write(directory.path().join("file"), "").unwrap();
    assert_eq!(find_file(directory.path(), "file"), Some(directory.path().join("file")));
    assert_eq!(find_file(directory.path(), "a"), None, "a directory is no file");
}

#[test]
fn a_cgroup_root_belongs_to_one_test() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = cgroups_root(one.path());
    assert_ne!(root, cgroups_root(two.path()));
    assert!(root.starts_with("tepui-test-") && cgroups_below(&root).is_empty());
}

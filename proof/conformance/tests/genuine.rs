//! Runs the suite against C++ Mesos. `CPP_MESOS` names a directory with `master`, `agent` and `libexec` of Apache Mesos
//! 1.11; without it this test reports that it was skipped. A case that fails here is wrong.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;

use testkit::http::get_blocking;
use testkit::process::{GenuineMesos, Program};
use testkit::scratch::free_port;
use testkit::wait::until;

fn start_master(mesos: &GenuineMesos, work: &Path) -> (Program, SocketAddrV4) {
    let port = free_port();
    (mesos.master(&work.join("master"), port), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn start_agent(mesos: &GenuineMesos, work: &Path, master: SocketAddrV4) -> (Program, SocketAddrV4) {
    let port = free_port();
    let agent = mesos.agent(&master.to_string(), (&work.join("agent"), &work.join("run")), port, |command| {
        command.env("MESOS_RESOURCES", "cpus:4;mem:2048;disk:4096;ports:[31000-31100]");
    });
    (agent, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Waits until the containers that the cases started have ended; an agent that is killed leaves them running.
fn await_end_of_containers(agent: SocketAddrV4) {
    until("no containers are left", || {
        get_blocking(agent.port(), "/containers").filter(|shown| shown.body.ends_with("[]"))
    });
}

fn conformance(arguments: &[String]) {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_case_holds_on_mesos_itself() {
    let Some(mesos) = GenuineMesos::find() else {
        testkit::skip::skipped(&testkit::skip::current_test(), "CPP_MESOS does not name a genuine Mesos");
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let (_master, master) = start_master(&mesos, work.path());
    let (_agent, agent) = start_agent(&mesos, work.path(), master);
    let with = "--with=reserve,weights,quota,maintenance,drain";
    conformance(&[format!("--master={master}"), format!("--agent={agent}"), with.to_owned()]);
    await_end_of_containers(agent);
}

#[test]
fn mesos_answers_like_itself() {
    let Some(mesos) = GenuineMesos::find() else {
        testkit::skip::skipped(&testkit::skip::current_test(), "CPP_MESOS does not name a genuine Mesos");
        return;
    };
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_one, one) = start_master(&mesos, first.path());
    let (_two, two) = start_master(&mesos, second.path());
    conformance(&["replay".to_owned(), format!("--master={one}"), format!("--versus={two}")]);
}

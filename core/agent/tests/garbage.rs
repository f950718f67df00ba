//! The removal of the sandboxes of ended executors.

mod scenario;

use std::time::Duration;

use agent::{ContainerEvent, ContainerExit, ContainerRequest, Input, Timer};
use messages::v1::TaskState::*;
use scenario::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const SANDBOX: &str = "/var/lib/mesos/slaves/M-S0/frameworks/F";

fn finished() -> Scenario {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskFinished).exits("C1", 0).framework_acknowledges("t1", "U1").clear_log();
    scenario
}

#[test]
fn sandboxes_live_a_week_less_the_headroom() {
    let mut scenario = finished();
    scenario.passes(DAY * 6);
    assert!(!scenario.take_log().contains("remove"));
    scenario.fires(Timer::Gc);
    check(
        &mut scenario,
        &format!(
            "remove {SANDBOX}/executors/t1/runs/C1
             remove {SANDBOX}/executors/t1
             remove {SANDBOX}
             disarm Gc"
        ),
    );
}

#[test]
fn a_full_disk_removes_them_at_once() {
    let mut scenario = finished();
    assert_eq!(scenario.metrics.gc_path_removals_pending.get(), 3);
    scenario.input(Input::DiskUsage(0.5));
    // Half of the disk is used: the age is 40 % of a week.
    check(&mut scenario, "arm Gc 241920s");
    scenario.input(Input::DiskUsage(0.95));
    assert_eq!(scenario.take_log().matches("remove ").count(), 3);
    assert_eq!(scenario.metrics.gc_path_removals_pending.get(), 0);
}

#[test]
fn directories_in_use_again_stay() {
    let mut scenario = finished();
    scenario.runs(custom("t2", "e")).clear_log();
    scenario.input(Input::DiskUsage(1.0));
    check(
        &mut scenario,
        &format!(
            "remove {SANDBOX}/executors/t1/runs/C1
             remove {SANDBOX}/executors/t1
             disarm Gc"
        ),
    );
}

#[test]
fn invalid_disk_usage_is_ignored() {
    let mut scenario = finished();
    for usage in [f64::NAN, f64::INFINITY, -1.0] {
        scenario.input(Input::DiskUsage(usage));
        check(&mut scenario, "arm Gc 544320s");
    }
}

#[test]
fn sandboxes_of_nested_containers_are_removed_if_the_operator_wants_it() {
    for wanted in [false, true] {
        let mut scenario = Scenario::with(|config| config.gc_non_executor_container_sandboxes = wanted);
        scenario.master_is(MASTER).fires(Timer::Register).master_registers_it();
        scenario.runs(command("t1")).subscribes("t1");
        scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 1, networks: Vec::new() });
        let launched = |container| ContainerEvent::Launched { container, pid: 7, networks: Vec::new() };
        let exited = |container| ContainerEvent::Exited { container, exit: ContainerExit::default() };
        for id in ["C1.a", "C1.removed"] {
            scenario.launches_in(id, |_| {}).nested_event(id, launched).nested_event(id, exited);
        }
        let removed = ContainerRequest::Remove(scenario.nested("C1.removed"));
        scenario.container_call(removed);
        scenario.clear_log();
        scenario.passes(DAY * 7);
        let log = scenario.take_log();
        let path = format!("remove {SANDBOX}/executors/t1/runs/C1/containers/a");
        assert_eq!(log.lines().any(|line| line == path), wanted, "{log}");
        assert!(!log.contains("containers/removed"), "{log}");
    }
}

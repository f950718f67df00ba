//! The removal of the sandboxes of ended executors.

mod scenario;

use std::time::Duration;

use agent::{Input, Timer};
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

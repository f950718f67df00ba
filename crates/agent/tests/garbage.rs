//! Removing the sandboxes of what is over.

mod story;

use std::time::Duration;

use agent::{Input, Timer};
use messages::v1::TaskState::*;
use story::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const SANDBOX: &str = "/var/lib/mesos/slaves/M-S0/frameworks/F";

fn finished() -> Story {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskFinished).exits("C1", 0).framework_acknowledges("t1", "U1").untold();
    story
}

#[test]
fn sandboxes_live_a_week_less_the_headroom() {
    let mut story = finished();
    story.passes(DAY * 6);
    assert!(!story.tell().contains("remove"));
    story.fires(Timer::Gc);
    check(
        &mut story,
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
    let mut story = finished();
    assert_eq!(story.metrics.gc_path_removals_pending.get(), 3);
    story.input(Input::DiskUsage(0.5));
    // Half full: 40 % of a week.
    check(&mut story, "arm Gc 241920s");
    story.input(Input::DiskUsage(0.95));
    assert_eq!(story.tell().matches("remove ").count(), 3);
    assert_eq!(story.metrics.gc_path_removals_pending.get(), 0);
}

#[test]
fn directories_in_use_again_stay() {
    let mut story = finished();
    story.runs(custom("t2", "e")).untold();
    story.input(Input::DiskUsage(1.0));
    check(
        &mut story,
        &format!(
            "remove {SANDBOX}/executors/t1/runs/C1
             remove {SANDBOX}/executors/t1
             disarm Gc"
        ),
    );
}

#[test]
fn nonsense_from_the_disk_changes_nothing() {
    let mut story = finished();
    for usage in [f64::NAN, f64::INFINITY, -1.0] {
        story.input(Input::DiskUsage(usage));
        check(&mut story, "arm Gc 544320s");
    }
}

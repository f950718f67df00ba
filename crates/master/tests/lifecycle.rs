//! The story of a task, from subscription to the acknowledged end, and its variants.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a story that cannot go on fails")]

mod common;

use common::calls::*;
use common::*;
use vocabulary::Answer;

#[test]
fn a_task_lives_and_dies() {
    let mut c = Cluster::new();
    let f = c.framework();
    assert_eq!(c.heard(&f), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
    let a = c.agent("cpus:4;mem:1024");
    assert_eq!(c.received(&a.pid), ["SlaveRegistered m-S0", "slave-observer(1) Ping connected=true"]);
    c.settle();
    let offer = c.offers(&f).remove(0);
    assert_eq!(c.heard(&f), ["OFFERS m-S0[cpus:4; mem:1024]"]);

    let answer = c.call(&f, accept(&[&offer], vec![launch(vec![task("t", &offer, "cpus:1;mem:128")])]));
    assert_eq!(answer, Answer::accepted());
    assert_eq!(c.received(&a.pid), ["RunTask t launch_executor=true"]);

    c.update(&a, &f.id, "t", TaskRunning, 1);
    assert_eq!(c.heard(&f), ["UPDATE t TASK_RUNNING SOURCE_EXECUTOR on m-S0 uuid 1"]);
    c.call(&f, acknowledge(&a.id, "t", 1));
    assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 1"]);

    c.update(&a, &f.id, "t", TaskFinished, 2);
    assert_eq!(c.heard(&f), ["UPDATE t TASK_FINISHED SOURCE_EXECUTOR on m-S0 uuid 2"]);
    c.settle();
    assert_eq!(c.heard(&f), ["OFFERS m-S0[cpus:4; mem:1024]"], "a terminal task has given its resources back");
    c.call(&f, acknowledge(&a.id, "t", 2));
    assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 2"]);
    c.call(&f, reconcile(&[]));
    assert_eq!(c.heard(&f), [""; 0], "an acknowledged terminal task is forgotten");
    assert_eq!(c.metrics.tasks_finished.get(), 1);
}

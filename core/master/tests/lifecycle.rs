//! The life of a task, from subscription to the acknowledged end, and its variants.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use common::*;
use machine::CallResponse;
use testkit::builders::*;

#[test]
fn a_task_runs_and_finishes() {
    let mut c = Cluster::new();
    let f = c.framework();
    assert_eq!(c.heard(&f), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
    let a = c.agent("cpus:4;mem:1024");
    assert_eq!(c.received(&a.pid), ["SlaveRegistered m-S0", "slave-observer(1) Ping connected=true"]);
    c.settle();
    let offer = c.offers(&f).remove(0);
    assert_eq!(c.heard(&f), ["OFFERS m-S0[cpus:4; mem:1024]"]);

    let answer = c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    assert_eq!(answer, CallResponse::accepted());
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

/// The agent's connection broke, and an update on it is read after those on the next connection.
#[test]
fn a_late_update_does_not_restore_a_removed_task() {
    for acknowledged in [false, true] {
        let mut c = Cluster::new();
        let f = c.framework();
        let a = c.agent("cpus:4;mem:1024");
        c.settle();
        let offer = c.offers(&f).remove(0);
        c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
        for (state, uuid) in [(TaskRunning, 1), (TaskFinished, 2)] {
            c.update(&a, &f.id, "t", state, uuid);
            if acknowledged || uuid == 1 {
                c.call(&f, acknowledge(&a.id, "t", uuid));
            }
        }
        c.settle();
        c.heard(&f);
        c.received(&a.pid);
        c.update(&a, &f.id, "t", TaskRunning, 1);
        assert_eq!(c.heard(&f), [""; 0], "acknowledged: {acknowledged}");
        assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 1"], "an agent that waits for it goes on");
        c.update(&a, &f.id, "t", TaskFinished, 2);
        let repeated = ["UPDATE t TASK_FINISHED SOURCE_EXECUTOR on m-S0 uuid 2"];
        assert_eq!(c.heard(&f), if acknowledged { &[""; 0][..] } else { &repeated[..] });
        if acknowledged {
            // This is the answer to a kill that its agent read late.
            c.update(&a, &f.id, "t", TaskDropped, 3);
            assert_eq!(c.heard(&f), [""; 0]);
            assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 2", "Acknowledgement t uuid 3"]);
        }
    }
}

/// The order of effects is guaranteed: a record before the message that relies on it, changes as they are made, the
/// response to a call when its work is done.
#[test]
fn effects_are_emitted_in_the_guaranteed_order() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    insta::assert_snapshot!(c.transcript(), @r"
    store AdmitAgent
    link 127.0.0.1:5051
    publish agent m-S0 added: cpus:4; mem:1024
    send to slave(1)@127.0.0.1:5051: SlaveRegistered m-S0
    send to slave(1)@127.0.0.1:5051: slave-observer(1) Ping connected=true
    arm Ping(41)
    arm Allocate
    ");
    let f = c.framework();
    let offer = {
        c.settle();
        c.offers(&f).remove(0)
    };
    insta::assert_snapshot!(c.transcript(), @r"
    publish framework m-0000 added
    session of m-0000 opened
    event SUBSCRIBED m-0000
    event HEARTBEAT
    arm Heartbeat(41)
    publish offer m-O0 added: cpus(allocated: r):4; mem(allocated: r):1024
    event OFFERS m-S0[cpus:4; mem:1024]
    ");
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    insta::assert_snapshot!(c.transcript(), @r"
    publish offer m-O0 removed
    publish task t added: TASK_STAGING
    send to slave(1)@127.0.0.1:5051: RunTask t launch_executor=true
    reply Accepted
    publish 1 offer filters in r
    arm Allocate
    ");
    c.update(&a, &f.id, "t", TaskFinished, 1);
    insta::assert_snapshot!(c.transcript(), @r"
    event UPDATE t TASK_FINISHED SOURCE_EXECUTOR on m-S0 uuid 1
    publish task t updated: TASK_FINISHED by TASK_FINISHED
    ");
    c.call(&f, acknowledge(&a.id, "t", 1));
    insta::assert_snapshot!(c.transcript(), @r"
    publish task t removed: Completed
    send to slave(1)@127.0.0.1:5051: Acknowledgement t uuid 1
    reply Accepted
    ");
    c.hang_up(&f);
    insta::assert_snapshot!(c.transcript(), @r"
    disarm Heartbeat(41)
    publish framework m-0000 updated: connected=false active=false
    publish framework m-0000 removed
    publish 0 offer filters in r
    ");
}

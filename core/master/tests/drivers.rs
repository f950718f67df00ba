//! The v0 driver protocol on the same core.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use common::*;
use machine::CallResponse;
use messages::{Message, internal, v1};
use model::Upid;
use testkit::builders::*;

fn driver(port: u16) -> Upid {
    format!("scheduler-1@127.0.0.1:{port}").parse().unwrap()
}

fn with_failover_timeout() -> v1::FrameworkInfo {
    v1::FrameworkInfo { failover_timeout: Some(600.0), ..old_framework_info() }
}

#[test]
fn a_driver_subscribes_runs_a_task_and_stops() {
    let mut c = Cluster::new();
    let (a, d) = (c.agent("cpus:4;mem:1024"), driver(9000));
    c.driver_call(&d, &subscribe(old_framework_info()), false);
    assert_eq!(c.received(&d), ["FrameworkRegistered m-0000"]);
    // The response was lost, or crossed the retry.
    c.driver_call(&d, &subscribe(old_framework_info()), false);
    assert_eq!(c.received(&d), ["FrameworkRegistered m-0000"]);

    c.settle();
    let Some(Message::ResourceOffers(offers)) = c.sent_to(&d).pop() else { panic!("no offers") };
    assert_eq!(c.received(&d), [format!("ResourceOffers m-S0[cpus:4; mem:1024] from {}", a.pid)]);
    let offer = &offers.offers[0];
    assert_eq!(offer.allocation_info, None, "a framework without MULTI_ROLE knows no allocation");
    assert!(offer.resources.iter().all(|r| r.allocation_info.is_none()));

    let call = |mut call: v1::scheduler::Call| {
        call.framework_id = Some(v1::FrameworkId { value: "m-0000".to_owned() });
        call
    };
    c.forget();
    let launched = accept(&[offer], vec![launch(vec![task_on("t", offer, "cpus:1;mem:128")])]);
    c.driver_call(&d, &call(launched), false);
    let Some(Message::RunTask(run)) = c.sent_to(&a.pid).pop() else { panic!("no task") };
    assert_eq!(run.pid, Some(d.to_string()), "its executors talk to the driver directly");
    c.update(&a, "m-0000", "t", TaskRunning, 1);
    assert_eq!(
        c.received(&d),
        [format!("StatusUpdate t TASK_RUNNING SOURCE_EXECUTOR uuid 1, to acknowledge to {}", a.pid)]
    );
    c.forget();
    c.driver_call(&d, &call(acknowledge(&a.id, "t", 1)), false);
    assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 1"]);
    c.driver_call(&d, &call(kill("t", None)), false);
    assert_eq!(c.received(&a.pid), ["KillTask t"]);
    c.driver_call(&d, &call(reconcile(&[("ghost", None)])), false);
    assert_eq!(
        c.received(&d),
        ["StatusUpdate ghost TASK_LOST REASON_RECONCILIATION SOURCE_MASTER: Reconciliation: Task is unknown, \
          to acknowledge to nobody"]
    );
    c.driver_call(&d, &call(teardown()), false);
    assert_eq!(c.received(&a.pid), ["ShutdownFramework m-0000"]);
}

#[test]
fn the_driver_of_a_torn_down_framework_gets_an_error() {
    let mut c = Cluster::new();
    let d = driver(9000);
    c.driver_call(&d, &subscribe(with_failover_timeout()), false);
    c.operator(teardown_framework("m-0000"));
    c.forget();
    let mut call = revive();
    call.framework_id = Some(v1::FrameworkId { value: "m-0000".to_owned() });
    c.driver_call(&d, &call, false);
    assert_eq!(c.received(&d), ["FrameworkError: Framework has been removed"]);
    // An unknown agent may be about to register with this master.
    c.forget();
    call.framework_id = Some(v1::FrameworkId { value: "m-0001".to_owned() });
    c.driver_call(&d, &call, false);
    assert_eq!(c.received(&d), [""; 0]);
}

#[test]
fn a_launch_that_arrives_after_the_reconciliation_of_its_task_is_dropped() {
    let mut c = Cluster::new();
    let (a, d) = (c.agent("cpus:4;mem:1024"), driver(9000));
    c.driver_call(&d, &subscribe(with_failover_timeout()), false);
    c.settle();
    let Some(Message::ResourceOffers(offers)) = c.sent_to(&d).pop() else { panic!("no offers") };
    let call = |mut call: v1::scheduler::Call| {
        call.framework_id = Some(v1::FrameworkId { value: "m-0000".to_owned() });
        call
    };
    c.forget();
    c.driver_call(&d, &call(reconcile(&[("t", Some(&a.id))])), false);
    let heard = c.received(&d);
    assert_eq!(heard[0], "Rescind m-O0");
    assert!(heard[1].starts_with("StatusUpdate t TASK_LOST REASON_RECONCILIATION"), "{heard:?}");
    c.forget();
    let launched = accept(&[&offers.offers[0]], vec![launch(vec![task_on("t", &offers.offers[0], "cpus:1;mem:128")])]);
    c.driver_call(&d, &call(launched), false);
    assert_eq!(c.received(&a.pid), [""; 0]);
    let heard = c.received(&d);
    assert!(heard[0].starts_with("StatusUpdate t TASK_LOST REASON_INVALID_OFFERS"), "{heard:?}");
}

#[test]
fn a_takeover_requires_force() {
    let mut c = Cluster::new();
    let (old, new) = (driver(9000), driver(9001));
    c.driver_call(&old, &subscribe(with_failover_timeout()), false);
    c.forget();
    let again = subscribe(with_failover_timeout().with_id("m-0000"));
    c.driver_call(&new, &again, false);
    assert_eq!(c.received(&new), ["FrameworkError: Framework failed over"]);
    assert_eq!(c.received(&old), [""; 0]);
    c.driver_call(&new, &again, true);
    assert_eq!(c.received(&new), ["FrameworkRegistered m-0000"]);
    assert_eq!(c.received(&old), ["FrameworkError: Framework failed over"]);
    // The old driver cannot act for the framework any more.
    let mut call = revive();
    call.framework_id = Some(v1::FrameworkId { value: "m-0000".to_owned() });
    c.driver_call(&old, &call, false);
    assert_eq!(c.metrics.messages_revive_offers.get(), 0);
}

#[test]
fn the_same_driver_registers_again() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let d = driver(9000);
    c.driver_call(&d, &subscribe(with_failover_timeout()), false);
    c.settle();
    c.forget();
    c.driver_call(&d, &subscribe(with_failover_timeout().with_id("m-0000")), false);
    assert_eq!(c.received(&d), ["Rescind m-O0", "FrameworkReregistered m-0000"]);
}

#[test]
fn a_broken_link_disconnects_and_the_driver_may_return() {
    let mut c = Cluster::new();
    let d = driver(9000);
    c.driver_call(&d, &subscribe(with_failover_timeout()), false);
    c.forget();
    c.exited(d.address);
    assert_eq!(c.received(&d), ["FrameworkError: Framework disconnected"]);
    let mut call = revive();
    call.framework_id = Some(v1::FrameworkId { value: "m-0000".to_owned() });
    c.driver_call(&d, &call, false);
    assert_eq!(c.received(&d), ["FrameworkError: Framework disconnected"]);
    c.driver_call(&d, &subscribe(with_failover_timeout().with_id("m-0000")), false);
    assert_eq!(c.received(&d), ["FrameworkReregistered m-0000"]);
    assert_eq!(c.metrics.frameworks_connected.get(), 1);
}

/// Updates that the old driver did not acknowledge are sent to the new one; calls of the old one have no effect any
/// more.
#[test]
fn a_new_driver_gets_unacknowledged_updates() {
    let mut c = Cluster::new();
    let (a, old, new) = (c.agent("cpus:4;mem:1024"), driver(9000), driver(9001));
    c.driver_call(&old, &subscribe(with_failover_timeout()), false);
    c.settle();
    let Some(Message::ResourceOffers(offers)) = c.sent_to(&old).pop() else { panic!("no offers") };
    let offer = &offers.offers[0];
    let call = |mut call: v1::scheduler::Call| {
        call.framework_id = Some(v1::FrameworkId { value: "m-0000".to_owned() });
        call
    };
    let tasks = ["t1", "t2"].map(|id| task_on(id, offer, "cpus:1;mem:128"));
    c.driver_call(&old, &call(accept(&[offer], vec![launch(tasks.to_vec())])), false);
    c.update(&a, "m-0000", "t1", TaskRunning, 1);
    c.update(&a, "m-0000", "t2", TaskRunning, 2);
    c.driver_call(&old, &call(acknowledge(&a.id, "t1", 1)), false);
    c.forget();

    c.driver_call(&new, &subscribe(with_failover_timeout().with_id("m-0000")), true);
    let moved = c.sent_to(&a.pid);
    let Some(Message::UpdateFramework(moved)) = moved.first() else { panic!("its agent is not told: {moved:?}") };
    assert_eq!(moved.pid, Some(new.to_string()));
    c.forget();
    // The agent therefore repeats its pending updates.
    c.update(&a, "m-0000", "t2", TaskRunning, 2);
    let again = format!("StatusUpdate t2 TASK_RUNNING SOURCE_EXECUTOR uuid 2, to acknowledge to {}", a.pid);
    assert_eq!(c.received(&new), [again]);
    assert_eq!(c.received(&old), [""; 0]);
    c.forget();
    c.driver_call(&old, &call(acknowledge(&a.id, "t2", 2)), false);
    assert_eq!(c.received(&a.pid), [""; 0]);
    c.driver_call(&new, &call(acknowledge(&a.id, "t2", 2)), false);
    assert_eq!(c.received(&a.pid), ["Acknowledgement t2 uuid 2"]);

    // No driver is connected when the task ends, and the update is not lost.
    c.exited(new.address);
    c.forget();
    c.update(&a, "m-0000", "t1", v1::TaskState::TaskFailed, 3);
    assert_eq!(c.received(&new), [""; 0]);
    assert_eq!(c.received(&a.pid), [""; 0], "acknowledged for nobody");
    c.driver_call(&new, &subscribe(with_failover_timeout().with_id("m-0000")), true);
    c.forget();
    c.update(&a, "m-0000", "t1", v1::TaskState::TaskFailed, 3);
    let end = format!("StatusUpdate t1 TASK_FAILED SOURCE_EXECUTOR uuid 3, to acknowledge to {}", a.pid);
    assert_eq!(c.received(&new), [end]);
}

#[test]
fn a_framework_changes_between_http_and_v0() {
    let mut c = Cluster::new();
    let d = driver(9000);
    let http = c.subscribe(with_failover_timeout());
    c.forget();
    c.driver_call(&d, &subscribe(with_failover_timeout().with_id(&http.id)), true);
    assert_eq!(c.heard(&http), ["ERROR Framework failed over", "end of stream"]);
    assert_eq!(c.received(&d), ["FrameworkRegistered m-0000"]);
    assert_eq!(c.call(&http, revive()), CallResponse::forbidden("Framework is not connected via HTTP"));
    let back = c.subscribe(with_failover_timeout().with_id(&http.id));
    assert_eq!(c.received(&d), ["FrameworkError: Framework failed over"]);
    assert_eq!(c.heard(&back), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
}

#[test]
fn messages_of_older_drivers_are_accepted() {
    let mut c = Cluster::new();
    let (a, d) = (c.agent("cpus:4;mem:1024"), driver(9000));
    let framework_id = v1::FrameworkId { value: "m-0000".to_owned() };
    c.send(&d, internal::RegisterFrameworkMessage { framework: with_failover_timeout().with_id("x") });
    assert_eq!(c.received(&d), ["FrameworkError: Registering with 'id' already set"]);
    c.send(&d, internal::RegisterFrameworkMessage { framework: with_failover_timeout() });
    assert_eq!(c.received(&d), ["FrameworkRegistered m-0000"]);
    c.send(&d, internal::ReregisterFrameworkMessage { framework: with_failover_timeout(), failover: false });
    assert_eq!(c.received(&d), ["FrameworkError: Re-registering without an 'id'"]);

    c.settle();
    let Some(Message::ResourceOffers(offers)) = c.sent_to(&d).pop() else { panic!("no offers") };
    let offer = &offers.offers[0];
    c.forget();
    c.send(
        &d,
        internal::LaunchTasksMessage {
            framework_id: framework_id.clone(),
            tasks: vec![task_on("t", offer, "cpus:1;mem:128")],
            filters: v1::Filters::default(),
            offer_ids: vec![offer.id.clone()],
        },
    );
    assert_eq!(c.received(&a.pid), ["RunTask t launch_executor=true"]);
    c.update(&a, "m-0000", "t", TaskRunning, 1);
    c.send(
        &d,
        internal::StatusUpdateAcknowledgementMessage {
            slave_id: v1::AgentId { value: a.id.clone() },
            framework_id: framework_id.clone(),
            task_id: task_id("t"),
            uuid: uuid(1),
        },
    );
    assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 1"]);
    c.send(
        &d,
        internal::FrameworkToExecutorMessage {
            slave_id: v1::AgentId { value: a.id.clone() },
            framework_id: framework_id.clone(),
            executor_id: v1::ExecutorId { value: "t".to_owned() },
            data: b"hello".to_vec(),
        },
    );
    assert_eq!(c.received(&a.pid), ["FrameworkToExecutor t: hello"]);
    c.send(
        &d,
        internal::KillTaskMessage { framework_id: framework_id.clone(), task_id: task_id("t"), kill_policy: None },
    );
    assert_eq!(c.received(&a.pid), ["KillTask t"]);
    // Another process may not act for the framework.
    c.send(&driver(9009), internal::UnregisterFrameworkMessage { framework_id: framework_id.clone() });
    assert_eq!(c.received(&a.pid), [""; 0]);
    c.send(&d, internal::UnregisterFrameworkMessage { framework_id });
    assert_eq!(c.received(&a.pid), ["ShutdownFramework m-0000"]);
}

#[test]
fn an_aborted_driver_keeps_its_tasks_but_gets_no_offers() {
    let mut c = Cluster::new();
    let d = driver(9000);
    c.agent("cpus:4;mem:1024");
    c.driver_call(&d, &subscribe(with_failover_timeout()), false);
    c.settle();
    c.forget();
    let framework_id = v1::FrameworkId { value: "m-0000".to_owned() };
    c.send(&d, internal::DeactivateFrameworkMessage { framework_id });
    assert_eq!(c.received(&d), ["Rescind m-O0"]);
    c.settle();
    assert_eq!(c.received(&d), [""; 0]);
    assert_eq!(c.metrics.frameworks_connected.get(), 1);
    assert_eq!(c.metrics.frameworks_active.get(), 0);
}

#[test]
fn invalid_messages_are_ignored() {
    let mut c = Cluster::new();
    let d = driver(9000);
    c.send(&d, Message::SchedulerCall(vec![0xff, 0xff, 0xff]));
    c.send(&d, Message::SchedulerCall(Vec::new()));
    c.send(&d, internal::ShutdownMessage { message: None });
    assert_eq!(c.received(&d), [""; 0]);
}

#[test]
fn another_driver_at_the_address_of_a_lost_one_is_another_framework() {
    let mut c = Cluster::new();
    let d = driver(9000);
    c.driver_call(&d, &subscribe(with_failover_timeout()), false);
    c.exited(d.address);
    c.forget();
    c.driver_call(&d, &subscribe(old_framework_info()), false);
    assert_eq!(c.received(&d), ["FrameworkRegistered m-0001"]);
    // The first driver may still return, at another address.
    let elsewhere = driver(9001);
    c.driver_call(&elsewhere, &subscribe(with_failover_timeout().with_id("m-0000")), true);
    assert_eq!(c.received(&elsewhere), ["FrameworkRegistered m-0000"]);
    assert_eq!(c.received(&d), [""; 0]);
    // A driver acts for one framework at a time.
    c.driver_call(&d, &subscribe(with_failover_timeout().with_id("m-0000")), true);
    assert_eq!(c.received(&d), [""; 0]);
}

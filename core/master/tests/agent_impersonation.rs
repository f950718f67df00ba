//! Messages from a peer that claims to be an agent and is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use common::*;
use messages::{internal, v1};
use testkit::builders::*;
use v1::TaskState::{TaskFinished, TaskRunning};

/// Task `t` of `F` runs under executor `e` on `A`, and a peer at another address knows all their ids.
#[test]
fn messages_in_the_name_of_another_agent_are_dropped() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    let tasks = vec![task_on("t", &offer, "cpus:1;mem:128").under(executor_with("e", "cpus:0.5;mem:64"))];
    c.call(&f, accept(&[&offer], vec![launch(tasks)]));
    c.update(&a, &f.id, "t", TaskRunning, 1);
    c.heard(&f);

    let impostor = "slave(1)@127.0.0.1:9".parse().unwrap();
    let (slave_id, framework_id) = (v1::AgentId { value: a.id.clone() }, v1::FrameworkId { value: f.id.clone() });
    let executor_id = v1::ExecutorId { value: "e".to_owned() };
    let exited = internal::ExitedExecutorMessage {
        slave_id: slave_id.clone(),
        framework_id: framework_id.clone(),
        executor_id: executor_id.clone(),
        status: 9,
    };
    let message = internal::ExecutorToFrameworkMessage {
        slave_id: slave_id.clone(),
        framework_id,
        executor_id,
        data: b"data".to_vec(),
    };
    let oversubscribe = internal::UpdateSlaveMessage {
        slave_id,
        oversubscribed_resources: resources("cpus:100"),
        update_oversubscribed_resources: Some(true),
        ..Default::default()
    };
    c.send(&impostor, update(&a, &f.id, "t", TaskFinished, 2));
    c.send(&impostor, exited.clone());
    c.send(&impostor, message.clone());
    c.send(&impostor, oversubscribe);
    assert_eq!(c.heard(&f), [""; 0]);
    assert_eq!(c.metrics.tasks_running.get(), 1);
    assert_eq!(c.metrics.invalid_status_updates.get(), 1);
    assert_eq!(c.metrics.invalid_executor_to_framework_messages.get(), 1);

    c.send(&a.pid, update(&a, &f.id, "t", TaskFinished, 2));
    c.send(&a.pid, message);
    c.send(&a.pid, exited);
    assert_eq!(c.heard(&f).len(), 3);
    assert_eq!(c.metrics.tasks_running.get(), 0);
}

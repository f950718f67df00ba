//! Shows how a framework is tested against a cluster of its own: `testkit` starts one, and the framework's scheduler
//! runs a task on it. The documentation of `testkit` names this file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use messages::v1;
use messages::v1::TaskState::{TaskFinished, TaskRunning, TaskStarting};
use messages::v1::framework_info::capability::Type::PartitionAware;
use messages::v1::scheduler::Event;
use tepui_client::{Address, Events, Scheduler};
use testkit::builders::*;
use testkit::process::LocalCluster;
use testkit::scratch::find_file;

async fn next_offer(events: &mut Events<Event>) -> v1::Offer {
    loop {
        let event = events.next().await.unwrap().expect("the stream goes on");
        if let Some(offers) = event.offers {
            return offers.offers[0].clone();
        }
    }
}

/// Returns the states of a task up to its last, after acknowledging them.
async fn states_of_task(scheduler: &Scheduler, events: &mut Events<Event>) -> Vec<v1::TaskState> {
    let mut states = Vec::new();
    while !states.contains(&TaskFinished) {
        let event = events.next().await.unwrap().expect("the stream goes on");
        let Some(update) = event.update else { continue };
        assert!([TaskStarting, TaskRunning, TaskFinished].contains(&update.status.state()), "{:?}", update.status);
        states.push(update.status.state());
        scheduler.acknowledge(&update.status).await.unwrap();
    }
    states
}

#[tokio::test]
async fn a_framework_runs_a_task() {
    let cluster = LocalCluster::start(env!("CARGO_BIN_EXE_tepui"), 1, &["--resources=cpus:1;mem:128"]);
    let master = Address::new("127.0.0.1", cluster.port);
    let info = framework("greetings").with_capabilities(&[PartitionAware]);
    let (scheduler, mut events) = Scheduler::subscribe(&master, info).await.unwrap();

    let offer = next_offer(&mut events).await;
    let needs = resources("cpus:0.1;mem:32").allocated_to("*");
    let greeting = task("greeting").on(&offer.agent_id.value).with_resources(needs).running("echo hello > greeting");
    scheduler.launch(vec![offer.id], vec![greeting]).await.unwrap();

    let states = states_of_task(&scheduler, &mut events).await;
    assert!(states.ends_with(&[TaskRunning, TaskFinished]), "{states:?}");
    let file = find_file(cluster.work.path(), "greeting").expect("the task has written its file");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hello\n");
    scheduler.teardown().await.unwrap();
}

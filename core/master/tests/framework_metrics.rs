//! The counters of the calls and events of each framework.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use common::*;
use model::master::{Change, FrameworkMetrics};
use testkit::builders::*;

/// Returns the counters of the only framework.
fn framework_metrics(c: &Cluster) -> FrameworkMetrics {
    let mut snapshots = c.recorded.changes.iter().rev().filter_map(|change| match change {
        Change::FrameworkAdded(framework) | Change::FrameworkUpdated(framework) => {
            Some(framework.framework_metrics.clone())
        }
        _ => None,
    });
    snapshots.next().unwrap()
}

fn show(counts: impl Iterator<Item = (String, i64)>) -> String {
    counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn calls_events_offers_and_operations_are_counted() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let framework_metrics = framework_metrics(&c);
    let offers = c.offered(&f);
    c.call(&f, decline(&offers[0], 60.0));
    c.call(&f, accept(&[&offers[1]], vec![launch(vec![task_on("t", &offers[1], "cpus:1;mem:32")])]));
    c.call(&f, revive());
    c.offered(&f);
    assert_eq!(show(framework_metrics.calls()), "subscribe 1, accept 1, decline 1, revive 1");
    assert_eq!(show(framework_metrics.operations()), "launch 1");
    assert_eq!(
        (
            framework_metrics.offers_accepted(),
            framework_metrics.offers_declined(),
            framework_metrics.offers_rescinded()
        ),
        (1, 1, 0)
    );
    let events = show(framework_metrics.events());
    assert!(events.starts_with("subscribed 1, offers "), "{events}");
    assert!(events.ends_with("heartbeat 1"), "{events}");
}

#[test]
fn refused_operations_are_not_counted() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    let tasks = ["cpus:1;mem:32", "cpus:1;mem:32", "cpus:1000;mem:32"].iter().enumerate();
    let tasks = tasks.map(|(n, resources)| task_on(&format!("t{n}"), &offer, resources)).collect();
    c.call(
        &f,
        accept(&[&offer], vec![reserve(reserved("r", "cpus:1")), reserve(reserved("r", "cpus:9")), launch(tasks)]),
    );
    assert_eq!(show(framework_metrics(&c).operations()), "launch 2, reserve 1");
}

#[test]
fn an_offer_is_declined_once() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    c.call(&f, decline(&offer, 60.0));
    c.call(&f, decline(&offer, 60.0));
    assert_eq!(framework_metrics(&c).offers_declined(), 1);
}

#[test]
fn counters_survive_a_disconnection() {
    let mut c = Cluster::new();
    let f = c.framework();
    c.subscribe(framework_info().with_id(&f.id));
    assert_eq!(show(framework_metrics(&c).calls()), "subscribe 2");
}

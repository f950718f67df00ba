//! A framework stays subscribed while its masters change.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod peer;

use std::time::Duration;

use messages::v1::scheduler::event::Type;
use peer::{Peer, framework, open_stream, peer, stream, subscribed};
use tepui_client::{Address, Backoff, Driver, DriverEvent, Error};
use testkit::builders::{self, error_event, event};

const IMPATIENT: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };

fn driver(masters: &[&Peer]) -> Driver {
    Driver::new(masters.iter().map(|peer| peer.address.clone()), framework()).with_backoff(IMPATIENT)
}

/// Returns the next event in a word.
async fn next(driver: &mut Driver) -> String {
    match driver.next().await {
        Ok(DriverEvent::Subscribed { framework, .. }) => format!("subscribed as {}", framework.value),
        Ok(DriverEvent::Event(event)) => format!("{:?}", event.r#type()),
        Ok(DriverEvent::Disconnected { error, retry_in }) => format!("lost for {retry_in:?}: {error}"),
        Err(error) => format!("end: {error}"),
    }
}

#[tokio::test]
async fn a_broken_stream_is_resubscribed_with_the_same_id() {
    let first = stream(&[subscribed(), event(Type::Heartbeat)]);
    let second = stream(&[subscribed()]);
    let peer = peer(vec![vec![first], vec![second]]).await;
    let mut driver = driver(&[&peer]);
    assert!(driver.scheduler().is_none());
    assert_eq!(next(&mut driver).await, "subscribed as f-0");
    assert!(driver.scheduler().is_some());
    assert_eq!(next(&mut driver).await, "Heartbeat");
    assert!(next(&mut driver).await.starts_with("lost for 1ms"));
    assert!(driver.scheduler().is_none());
    assert_eq!(next(&mut driver).await, "subscribed as f-0");

    let ids: Vec<_> =
        peer.requests().iter().map(|request| request.scheduler_call().framework_id.map(|id| id.value)).collect();
    assert_eq!(ids, [None, Some("f-0".to_owned())]);
    let subscribe = peer.requests()[1].scheduler_call().subscribe.expect("subscribe");
    assert_eq!(subscribe.framework_info.id.expect("id").value, "f-0");
}

#[tokio::test]
async fn an_unreachable_master_is_skipped() {
    let dead = peer(vec![]).await;
    let alive = peer(vec![vec![stream(&[subscribed()])]]).await;
    dead_for_good(&dead).await;
    let mut driver = driver(&[&dead, &alive]);
    match driver.next().await {
        Ok(DriverEvent::Subscribed { master, .. }) => assert_eq!(master, alive.address),
        other => panic!("{other:?}"),
    }
}

/// Waits until the peer does not listen any more.
async fn dead_for_good(peer: &Peer) {
    let address = (peer.address.host.as_str(), peer.address.port);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn consecutive_failures_wait_with_backoff() {
    let dead = peer(vec![]).await;
    dead_for_good(&dead).await;
    let mut driver = driver(&[&dead]);
    for wait in ["1ms", "2ms", "4ms", "4ms"] {
        let event = next(&mut driver).await;
        assert!(event.starts_with(&format!("lost for {wait}: cannot connect")), "{event}");
    }
}

#[tokio::test]
async fn a_refusal_is_final() {
    let peer = peer(vec![vec![stream(&[error_event("Framework has been removed")])]]).await;
    assert_eq!(next(&mut driver(&[&peer])).await, "end: the master refused the framework: Framework has been removed");
}

#[tokio::test]
async fn a_later_error_event_is_final() {
    let peer = peer(vec![vec![stream(&[subscribed(), error_event("Framework failed over")])]]).await;
    let mut driver = driver(&[&peer]);
    assert_eq!(next(&mut driver).await, "subscribed as f-0");
    assert_eq!(next(&mut driver).await, "end: the master refused the framework: Framework failed over");
}

#[tokio::test]
async fn missing_heartbeats_disconnect_the_driver() {
    let silent = open_stream(&[builders::subscribed("f-0", 0.002)]);
    // The second request never comes, so the connection stays open.
    let peer = peer(vec![vec![silent, Vec::new()]]).await;
    let mut driver = driver(&[&peer]);
    assert_eq!(next(&mut driver).await, "subscribed as f-0");
    match driver.next().await {
        Ok(DriverEvent::Disconnected { error: Error::Timeout(address), .. }) => assert_eq!(address, peer.address),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_without_a_master_has_advice() {
    let mut driver = Driver::new([] as [Address; 0], framework());
    assert_eq!(next(&mut driver).await, "end: no master is named: give at least one host:port");
}

//! Elections among contenders and detectors over a coordination service in memory, in virtual time.

use std::time::Duration;

use messages::v1;
use tokio::sync::watch;
use tokio::time::{Instant, advance, timeout};

use crate::fake::{FakeCoordinator, TIMEOUT};
use crate::{CandidacyState, Contender, Detector, Leader, Lease, Lost};

fn master(id: &str) -> v1::MasterInfo {
    v1::MasterInfo { id: id.to_owned(), ip: 16_777_343, port: 5050, ..Default::default() }
}

/// The upper bound of every wait in virtual seconds, which cost no time.
const EVER: Duration = Duration::from_secs(600);

async fn until<T: Clone>(watched: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) -> T {
    timeout(EVER, watched.wait_for(wanted)).await.expect("in time").expect("a state").clone()
}

async fn leading(contender: &Contender) -> Lease {
    match until(&mut contender.state(), |state| matches!(state, CandidacyState::Leading(_))).await {
        CandidacyState::Leading(lease) => lease,
        _ => unreachable!(),
    }
}

async fn lost(contender: &Contender) -> Lost {
    match until(&mut contender.state(), |state| matches!(state, CandidacyState::Lost(_))).await {
        CandidacyState::Lost(lost) => lost,
        _ => unreachable!(),
    }
}

async fn detected(leader: &mut watch::Receiver<Leader>, id: Option<&str>) {
    until(leader, |found| found.as_ref().map(|master| master.id.as_str()) == id).await;
}

/// Returns a candidate that follows the existing ones.
async fn follower(fake: &FakeCoordinator, id: &str) -> Contender {
    let before = fake.nodes().len();
    let contender = Contender::start(fake.clone(), &master(id));
    while fake.nodes().len() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(*contender.state().borrow(), CandidacyState::Contending));
    contender
}

#[tokio::test(start_paused = true)]
async fn the_next_candidate_leads_after_a_handover() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let lease = leading(&first).await;
    let second = follower(&fake.on_another_machine(), "2").await;
    let mut leader = Detector::start(fake.on_another_machine());
    detected(&mut leader.leader(), Some("1")).await;
    let (begun, state) = (Instant::now(), first.state());
    first.withdraw().await;
    assert!(!lease.is_valid());
    assert!(matches!(*state.borrow(), CandidacyState::Lost(Lost::Withdrawn)));
    leading(&second).await;
    detected(&mut leader.leader(), Some("2")).await;
    assert!(begun.elapsed() < Duration::from_millis(10));
    leader = Detector::standalone(master("3"));
    assert_eq!(leader.detect().await.id, "3");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_stops_before_its_session_ends() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let lease = leading(&first).await;
    tokio::time::sleep(EVER).await;
    assert!(lease.is_valid(), "a lease that is confirmed goes on");
    let cut = Instant::now();
    fake.connect(false);
    assert!(matches!(lost(&first).await, Lost::Unconfirmed));
    assert!(!lease.is_valid());
    assert!(cut.elapsed() < TIMEOUT, "{:?}", cut.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_suspended_leader_does_not_act_when_it_resumes() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let lease = leading(&first).await;
    advance(TIMEOUT).await;
    assert!(!lease.is_valid());
    assert!(matches!(lost(&first).await, Lost::Unconfirmed));
}

#[tokio::test(start_paused = true)]
async fn a_leader_survives_a_short_partition() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let lease = leading(&first).await;
    for _ in 0..10 {
        fake.connect(false);
        tokio::time::sleep(TIMEOUT / 2).await;
        fake.connect(true);
        tokio::time::sleep(TIMEOUT / 4).await;
        assert!(lease.is_valid());
    }
    assert!(matches!(*first.state().borrow(), CandidacyState::Leading(_)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_node_is_removed_loses_leadership() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let lease = leading(&first).await;
    fake.expire(&fake.nodes()[0]);
    assert!(matches!(lost(&first).await, Lost::Removed));
    assert!(!lease.is_valid());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_whose_session_ends_contends_again() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    leading(&first).await;
    let elsewhere = fake.on_another_machine();
    let second = follower(&elsewhere, "2").await;
    let old = fake.nodes()[1].clone();
    elsewhere.connect(false);
    tokio::time::sleep(TIMEOUT * 2).await;
    fake.expire(&old);
    elsewhere.connect(true);
    tokio::time::sleep(TIMEOUT).await;
    assert_eq!(fake.nodes().len(), 2, "{:?}", fake.nodes());
    assert!(!fake.nodes().contains(&old));
    first.withdraw().await;
    leading(&second).await;
}

#[tokio::test(start_paused = true)]
async fn at_most_one_candidate_leads() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let lease = leading(&first).await;
    let second = follower(&fake.on_another_machine(), "2").await;
    fake.connect(false);
    let node = fake.nodes()[0].clone();
    // The service ends the session at the earliest time.
    tokio::time::sleep(TIMEOUT).await;
    assert!(!lease.is_valid());
    fake.expire(&node);
    let other = leading(&second).await;
    assert!(other.is_valid() && !lease.is_valid());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_candidate_withdraws() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    leading(&first).await;
    drop(first);
    let second = Contender::start(fake.clone(), &master("2"));
    leading(&second).await;
    assert_eq!(fake.nodes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_can_withdraw_without_a_service() {
    let fake = FakeCoordinator::new();
    fake.connect(false);
    let first = Contender::start(fake.clone(), &master("1"));
    tokio::time::sleep(EVER).await;
    let state = first.state();
    first.withdraw().await;
    assert!(matches!(*state.borrow(), CandidacyState::Lost(Lost::Withdrawn)));
}

#[tokio::test(start_paused = true)]
async fn detectors_follow_the_lowest_readable_node() {
    let fake = FakeCoordinator::new();
    let detector = Detector::start(fake.on_another_machine());
    let mut leader = detector.leader();
    fake.put("log_replicas", b"");
    fake.put("json.info_0000000009", &crate::member::encode_info(&master("9")));
    detected(&mut leader, Some("9")).await;
    fake.put("info_0000000005", &wire::encode(&master("5")));
    detected(&mut leader, Some("5")).await;
    // An invalid node is first. As in an election, no other master leads.
    fake.put("json.info_0000000001", b"{");
    detected(&mut leader, None).await;
    fake.expire("json.info_0000000001");
    detected(&mut leader, Some("5")).await;
    fake.expire("info_0000000005");
    fake.expire("json.info_0000000009");
    detected(&mut leader, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_detector_drops_the_leader_after_a_session_without_contact() {
    let fake = FakeCoordinator::new();
    fake.put("json.info_0000000009", &crate::member::encode_info(&master("9")));
    let elsewhere = fake.on_another_machine();
    let detector = Detector::start(elsewhere.clone());
    let mut leader = detector.leader();
    detected(&mut leader, Some("9")).await;
    elsewhere.connect(false);
    tokio::time::sleep(TIMEOUT / 2).await;
    assert!(leader.borrow().is_some());
    detected(&mut leader, None).await;
    elsewhere.connect(true);
    detected(&mut leader, Some("9")).await;
}

#[tokio::test(start_paused = true)]
async fn a_standalone_master_leads() {
    let alone = Contender::standalone();
    assert!(leading(&alone).await.is_valid());
    alone.withdraw().await;
}

#[tokio::test(start_paused = true)]
async fn a_candidate_reports_the_name_of_its_node() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    let mut node = first.node();
    let name = node.wait_for(Option::is_some).await.unwrap().clone();
    assert_eq!(name, fake.nodes().first().cloned());
    first.withdraw().await;
    assert_eq!(*node.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_leads_at_once_after_node_cleanup() {
    let fake = FakeCoordinator::new();
    let first = Contender::start(fake.clone(), &master("1"));
    leading(&first).await;
    let second = follower(&fake.on_another_machine(), "2").await;
    let node = fake.nodes()[0].clone();
    let begun = Instant::now();
    crate::clean_up_node(fake.on_another_machine(), &node, TIMEOUT).await.unwrap();
    leading(&second).await;
    assert!(begun.elapsed() < Duration::from_millis(10));
    // Another process has removed the node already.
    crate::clean_up_node(fake.on_another_machine(), &node, TIMEOUT).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn node_cleanup_is_retried_until_the_session_has_ended() {
    let fake = FakeCoordinator::new();
    fake.put("json.info_0000000001", b"");
    let elsewhere = fake.on_another_machine();
    elsewhere.connect(false);
    let begun = Instant::now();
    assert!(crate::clean_up_node(elsewhere.clone(), "json.info_0000000001", TIMEOUT).await.is_err());
    assert!(begun.elapsed() <= TIMEOUT);
    let tries = tokio::spawn({
        let elsewhere = elsewhere.clone();
        async move { crate::clean_up_node(elsewhere, "json.info_0000000001", TIMEOUT).await }
    });
    tokio::time::sleep(TIMEOUT / 8).await;
    elsewhere.connect(true);
    tries.await.unwrap().unwrap();
    assert!(fake.nodes().is_empty());
}

/// As in Mesos, the first node would lead, whatever it contains. An operator has to remove it.
#[tokio::test(start_paused = true)]
async fn a_candidate_waits_behind_an_unreadable_node() {
    let fake = FakeCoordinator::new();
    // The numbers of later nodes are higher.
    fake.put("json.info_-000000001", b"{");
    let detector = Detector::start(fake.on_another_machine());
    let first = follower(&fake, "1").await;
    tokio::time::sleep(EVER).await;
    assert!(matches!(*first.state().borrow(), CandidacyState::Contending));
    assert!(detector.leader().borrow().is_none());
    fake.expire("json.info_-000000001");
    leading(&first).await;
    detected(&mut detector.leader(), Some("1")).await;
}

//! Elections with a real ZooKeeper (`tests/zookeeper/zookeeper.sh`). Where it cannot be installed, the tests report
//! that they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/zookeeper/ensemble.rs"]
mod ensemble;

use std::time::{Duration, Instant};

use election::{CandidacyState, Contender, Coordinator, Detector, Session, ZooKeeper};
use ensemble::Ensemble;
use messages::v1;
use tokio::time::timeout;
use zookeeper_client::Client;

const SESSION: Duration = Duration::from_secs(2);
/// The upper bound of every wait. An idle machine needs well under a second.
const TIMEOUT: Duration = Duration::from_secs(60);

fn at(ensemble: &Ensemble, path: &str) -> ZooKeeper {
    ZooKeeper::new(ensemble.url(path).parse().unwrap(), SESSION)
}

fn master(id: &str) -> v1::MasterInfo {
    v1::MasterInfo { id: id.to_owned(), ip: 16_777_343, port: 5050, ..Default::default() }
}

async fn stands(contender: &Contender, wanted: impl Fn(&CandidacyState) -> bool) -> CandidacyState {
    let mut state = contender.state();
    timeout(TIMEOUT, state.wait_for(|state| wanted(state))).await.expect("in time").unwrap().clone()
}

async fn leads(contender: &Contender) {
    stands(contender, |state| matches!(state, CandidacyState::Leading(_))).await;
}

async fn detected(detector: &Detector, id: Option<&str>) {
    let mut leader = detector.leader();
    let wanted = leader.wait_for(|found| found.as_ref().map(|master| master.id.as_str()) == id);
    timeout(TIMEOUT, wanted).await.expect("in time").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_and_permissions_are_those_of_mesos() {
    let Some(ensemble) = Ensemble::start(1) else { return };
    let url = format!("zk://jake:secret@{}/deep/path/mesos", ensemble.servers).parse().unwrap();
    let contender = Contender::start(ZooKeeper::new(url, SESSION), &master("1"));
    leads(&contender).await;

    let other_client = Client::connect(&ensemble.servers).await.unwrap();
    let children = other_client.list_children("/deep/path/mesos").await.unwrap();
    assert_eq!(children, ["json.info_0000000000"]);
    let (data, _) = other_client.get_data("/deep/path/mesos/json.info_0000000000").await.unwrap();
    assert_eq!(String::from_utf8(data).unwrap(), r#"{"id":"1","ip":16777343,"port":5050}"#);
    for path in ["/deep", "/deep/path", "/deep/path/mesos", "/deep/path/mesos/json.info_0000000000"] {
        let (acls, _) = other_client.get_acl(path).await.unwrap();
        let acls: Vec<String> =
            acls.iter().map(|acl| format!("{}:{} {}", acl.scheme(), acl.id(), acl.permission())).collect();
        // The digest is hidden from other clients.
        assert_eq!(acls, ["world:anyone READ", "digest:jake:x ALL"], "{path}");
    }
    assert!(other_client.delete("/deep/path/mesos/json.info_0000000000", None).await.is_err());
    let open = Contender::start(at(&ensemble, "/open"), &master("2"));
    leads(&open).await;
    let (acls, _) = other_client.get_acl("/open").await.unwrap();
    assert_eq!((acls.len(), acls[0].id(), acls[0].permission().to_string()), (1, "anyone", "ALL".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handover_is_immediate() {
    let Some(ensemble) = Ensemble::start(1) else { return };
    let first = Contender::start(at(&ensemble, "/mesos"), &master("1"));
    leads(&first).await;
    let second = Contender::start(at(&ensemble, "/mesos"), &master("2"));
    let detector = Detector::start(at(&ensemble, "/mesos"));
    detected(&detector, Some("1")).await;
    // Both masters contend, so the second one's node has to exist.
    let session = at(&ensemble, "/mesos").open().await.unwrap();
    while session.children().await.unwrap().0.len() < 2 {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    first.withdraw().await;
    leads(&second).await;
    detected(&detector, Some("2")).await;
    let took = begun.elapsed();
    println!("handed over in {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_quorum_ends_a_term_and_its_return_begins_one() {
    let Some(ensemble) = Ensemble::start(3) else { return };
    let first = Contender::start(at(&ensemble, "/mesos"), &master("1"));
    let detector = Detector::start(at(&ensemble, "/mesos"));
    leads(&first).await;
    detected(&detector, Some("1")).await;
    // An ensemble of three tolerates the loss of one server.
    ensemble.kill(1);
    tokio::time::sleep(SESSION * 2).await;
    leads(&first).await;
    detected(&detector, Some("1")).await;
    ensemble.kill(2);
    let lost = stands(&first, |state| matches!(state, CandidacyState::Lost(_))).await;
    println!("{lost:?}");
    detected(&detector, None).await;
    let second = Contender::start(at(&ensemble, "/mesos"), &master("2"));
    ensemble.up(1);
    leads(&second).await;
    detected(&detector, Some("2")).await;
}

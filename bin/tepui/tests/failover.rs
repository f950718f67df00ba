//! Masters that are killed, and agents that re-register, as real processes of Tepui and, if `CPP_MESOS` names one, of
//! Mesos. Tests that cannot run report that they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/zookeeper/ensemble.rs"]
mod ensemble;
mod processes;

use std::time::{Duration, Instant};

use election::{Contender, ZooKeeper, standalone};
use ensemble::Ensemble;
use processes::{Agent, GenuineMaster, Master, agents, genuine_mesos};
use testkit::process::GenuineMesos;
use testkit::scratch::free_port;
use testkit::wait::until;

/// The limit is well below the 75 s for which a Mesos agent of a standalone master waits for pings.
const BACK_WITHIN: Duration = Duration::from_secs(20);

fn registered(master: &Master) -> String {
    until("an agent is registered", || master.agents().pop())
}

/// Waits until the agent with the same id has re-registered.
fn back(master: &Master, id: &str, begun: Instant, who: &str) {
    until("the agent is back", || (master.agents() == [id]).then_some(()));
    println!("{who}: back after {:?}", begun.elapsed());
    assert!(begun.elapsed() < BACK_WITHIN, "{:?}", begun.elapsed());
}

fn follows_the_lead(who: &str, agent: impl FnOnce(&str) -> Agent) {
    let Some(ensemble) = Ensemble::start(1) else { return };
    let zk = ensemble.url("/mesos");
    let mut masters: Vec<Master> = (0..2).map(|_| Master::start(&zk, "4secs")).collect();
    let first = until("one leads", || masters.iter().position(Master::leads));
    let _agent = agent(&zk);
    let id = registered(&masters[first]);

    // The leader is killed with kill -9.
    let begun = Instant::now();
    masters[first].kill();
    let second = masters.remove(1 - first);
    back(&second, &id, begun, who);

    // The machine of the leader is lost.
    let mut second = second;
    let third = Master::start(&zk, "4secs");
    let begun = Instant::now();
    second.kill_with_its_node_cleanup();
    back(&third, &id, begun, who);

    // Leadership is handed over.
    let fourth = Master::start(&zk, "4secs");
    let begun = Instant::now();
    third.signal("-TERM");
    back(&fourth, &id, begun, who);
}

fn survives_a_restart(who: &str, agent: impl FnOnce(&str) -> Agent) {
    let master = Master::with(tempfile::tempdir().unwrap(), free_port(), &[]);
    let _agent = agent(&format!("127.0.0.1:{}", master.port));
    let id = registered(&master);
    let begun = Instant::now();
    let master = master.restart(&[]);
    back(&master, &id, begun, who);
}

#[test]
fn an_agent_follows_a_change_of_leader() {
    follows_the_lead("our agent", Agent::start);
}

#[test]
fn an_agent_survives_a_restart_of_its_only_master() {
    survives_a_restart("our agent", Agent::start);
}

fn genuine(mesos: &GenuineMesos) -> impl FnOnce(&str) -> Agent + '_ {
    |master| Agent::genuine(mesos, master)
}

#[test]
fn a_genuine_agent_follows_a_change_of_leader() {
    let Some(mesos) = genuine_mesos() else { return };
    follows_the_lead("a genuine agent", genuine(&mesos));
}

#[test]
fn a_genuine_agent_survives_a_restart_of_its_only_master() {
    let Some(mesos) = genuine_mesos() else { return };
    survives_a_restart("a genuine agent", genuine(&mesos));
}

/// A Mesos master leads, a Tepui master is the next candidate, and then the Mesos master is killed.
#[test]
fn our_master_succeeds_a_genuine_one() {
    let Some(mesos) = genuine_mesos() else { return };
    let Some(ensemble) = Ensemble::start(1) else { return };
    let zk = ensemble.url("/mesos");
    let genuine = GenuineMaster::start(&mesos);
    // The test writes the node that a Mesos build with ZooKeeper would write.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let inside = runtime.enter();
    let info = standalone(&format!("127.0.0.1:{}", genuine.port)).unwrap();
    let contender = Contender::start(ZooKeeper::new(zk.parse().unwrap(), Duration::from_secs(4)), &info);
    drop(inside);
    until("its node is there", || contender.node().borrow().clone());

    let ours = Master::start(&zk, "4secs");
    let at = Some(format!("//localhost:{}/state", genuine.port));
    until("ours points at it", || ours.get("/state").filter(|answer| answer.status == 307 && answer.location == at));
    let (first, second) = (Agent::start(&zk), Agent::genuine(&mesos, &zk));
    let mut ids = until("both are registered", || Some(agents(genuine.port)).filter(|ids| ids.len() == 2));
    ids.sort();

    let begun = Instant::now();
    drop(genuine);
    runtime.block_on(contender.withdraw());
    until("both are back", || {
        let mut back = ours.agents();
        back.sort();
        (back == ids).then_some(())
    });
    println!("from a genuine master to ours: both agents are back after {:?}", begun.elapsed());
    assert!(ours.log().contains("the registry has no record of"), "{}", ours.log());
    drop((first, second));
}

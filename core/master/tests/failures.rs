//! The failures that a master observes, and the actions of its recovery policies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use allocator::ExplainQuery;
use common::*;
use failures::Policy;
use machine::CallResponse;
use master::{Caller, Effect, Explain, Input, RegistryOperation};
use messages::tepui::AgentUsage;
use messages::{Message, v1};
use model::incident::Kind;
use model::master::Change;
use model::{AgentId, ReplyId, Upid};
use testkit::builders::*;

const PING: Duration = Duration::from_secs(15);

/// Returns a cluster in which half of the agents may be held.
fn cluster(policy: &str) -> Cluster {
    let policy = Policy::parse(policy, PING).unwrap();
    let mut c = Cluster::with(|config| config.recovery_policy = Some(policy));
    for _ in 0..4 {
        c.agent("cpus:4;mem:1024");
    }
    c.pass(20 * PING);
    c.forget();
    c
}

const HALF: &str = r#"{"max_share": 0.5}"#;

fn peer(number: u16) -> AgentPeer {
    let pid = format!("slave(1)@127.0.0.1:{}", 5051 + number);
    AgentPeer { pid: pid.parse().unwrap(), id: format!("m-S{number}") }
}

/// Returns the last update of each incident, and the last of its actions.
fn incidents(c: &Cluster) -> Vec<String> {
    let mut last = std::collections::BTreeMap::new();
    for change in &c.recorded.changes {
        if let Change::Incident(incident, _) = change {
            last.insert(incident.number, incident.clone());
        }
    }
    let show = |incident: &model::incident::Incident| {
        let actions: Vec<&str> = incident.actions.iter().map(|action| &*action.action).collect();
        let state = if incident.is_open() { "open" } else { "over" };
        format!("{} {} {state} [{}]", incident.kind, incident.object, actions.join(" "))
    };
    last.values().map(|incident| show(incident)).collect()
}

fn offered_agents(c: &mut Cluster, f: &Scheduler) -> Vec<String> {
    let mut agents: Vec<String> = c.offered(f).into_iter().map(|offer| offer.agent_id.value).collect();
    agents.sort();
    agents
}

fn explain(c: &mut Cluster, agent: &str) -> serde_json::Value {
    explained(c, agent)["failures"].clone()
}

fn explained(c: &mut Cluster, agent: &str) -> serde_json::Value {
    let question = ExplainQuery { agent: Some(AgentId::new(agent)), ..ExplainQuery::default() };
    c.deliver(Input::Explain(Explain { reply: ReplyId(777), caller: Caller::default(), question }));
    let mut answers = c.recorded.effects.iter().rev().filter_map(|effect| match effect {
        Effect::Reply { reply: ReplyId(777), response: answer } => Some(answer.body.clone()),
        _ => None,
    });
    serde_json::from_str(&answers.next().unwrap()).unwrap()
}

#[test]
fn a_suspicious_agent_is_not_offered() {
    let mut c = cluster(HALF);
    c.environment.silent.insert(peer(1).pid);
    c.pass(3 * PING);
    assert_eq!(incidents(&c), ["agent_suspicious agent m-S1 open [stop_offering]"]);
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    let f = c.framework();
    assert_eq!(offered_agents(&mut c, &f), ["m-S0", "m-S2", "m-S3"]);
    let failures = explain(&mut c, "m-S1");
    assert!(failures["phi"].as_f64().unwrap() > 8.0, "{failures}");
    assert_eq!((&failures["held"], &failures["policy"]["allowed"]), (&true.into(), &2.into()));

    // The agent answers again, so it is offered again.
    c.environment.silent.clear();
    c.pass(PING);
    assert_eq!(incidents(&c), ["agent_suspicious agent m-S1 over [stop_offering probation offer_again]"]);
    assert_eq!(offered_agents(&mut c, &f), ["m-S1"]);
    assert_eq!(c.metrics.slaves_inactive.get(), 0);
    assert_eq!((c.metrics.failures_detected.get(), c.metrics.failures_open.get()), (1, 0));
}

#[test]
fn offers_of_a_suspicious_agent_are_rescinded() {
    let mut c = cluster(HALF);
    let f = c.framework();
    c.offered(&f);
    c.environment.silent.insert(peer(1).pid);
    c.pass(3 * PING);
    assert_eq!(c.heard(&f).iter().filter(|line| line.starts_with("RESCIND")).count(), 1);
}

#[test]
fn the_default_share_holds_no_agent_of_a_small_cluster() {
    let mut c = cluster("{}");
    c.environment.silent.insert(peer(1).pid);
    c.pass(3 * PING);
    assert_eq!(incidents(&c), ["agent_suspicious agent m-S1 open [not_held]"]);
    assert_eq!(c.metrics.slaves_inactive.get(), 0);
}

#[test]
fn unanswered_pings_make_an_agent_unreachable_as_in_mesos() {
    let mut c = cluster(HALF);
    c.environment.silent.insert(peer(1).pid);
    c.pass(6 * PING);
    let expect = ["agent_suspicious agent m-S1 over [stop_offering]", "agent_unreachable agent m-S1 open []"];
    assert_eq!(incidents(&c), expect);
    assert_eq!((c.metrics.slaves_unreachable.get(), c.metrics.failures_held.get()), (1, 0));
    // The agent is back, on probation.
    c.environment.silent.clear();
    let back = reregister(&peer(1), "cpus:4;mem:1024");
    c.send(&peer(1).pid, back);
    assert_eq!(incidents(&c)[1], "agent_unreachable agent m-S1 over [probation]");
    assert_eq!(c.metrics.slaves_active.get(), 4);
}

#[test]
fn an_agent_in_quarantine_is_not_offered() {
    let mut c = cluster(HALF);
    for _ in 0..3 {
        c.exited(peer(1).pid.address);
        let back = reregister(&peer(1), "cpus:4;mem:1024");
        c.send(&peer(1).pid, back);
    }
    assert_eq!(c.metrics.slaves_connected.get(), 4);
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    c.pass(5 * PING);
    assert_eq!(c.metrics.slaves_inactive.get(), 0);
    let told = incidents(&c);
    let expect = "agent_flapping agent m-S1 over [quarantine stop_offering probation offer_again]";
    assert!(told.iter().any(|line| line == expect), "{told:?}");
}

/// Returns the number of commits that persisted failures.
fn failure_commits(c: &Cluster) -> usize {
    let is_note =
        |effect: &&Effect| matches!(effect, Effect::Store { record: RegistryOperation::PersistFailures(_), .. });
    c.recorded.effects.iter().filter(is_note).count()
}

#[test]
fn a_quarantine_survives_a_failover() {
    let mut c = cluster(HALF);
    for _ in 0..3 {
        c.exited(peer(1).pid.address);
        c.send(&peer(1).pid, reregister(&peer(1), "cpus:4;mem:1024"));
    }
    c.pass(Duration::from_secs(1));
    assert_eq!(failure_commits(&c), 1, "what happened within a second is one commit");
    c.fail_over();
    let inherited = c.recorded.changes.iter().find_map(|change| match change {
        Change::IncidentsRestored(incidents) => Some(incidents.clone()),
        _ => None,
    });
    let inherited = inherited.unwrap();
    let open: Vec<&str> = inherited.iter().filter(|i| i.is_open()).map(|i| i.kind.as_str()).collect();
    assert_eq!((inherited.len(), open), (4, vec!["agent_flapping"]));

    // The agent is the first one to return, and its resources are not offered.
    c.send(&peer(1).pid, reregister(&peer(1), "cpus:4;mem:1024"));
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    for number in [0, 2, 3] {
        c.send(&peer(number).pid, reregister(&peer(number), "cpus:4;mem:1024"));
    }
    let f = c.framework();
    assert_eq!(offered_agents(&mut c, &f), ["m-S0", "m-S2", "m-S3"]);
    c.pass(5 * PING);
    assert_eq!(c.metrics.slaves_inactive.get(), 0);
    let told = incidents(&c);
    let expect = "agent_flapping agent m-S1 over [quarantine stop_offering probation offer_again]";
    assert!(told.iter().any(|line| line == expect), "{told:?}");
}

#[test]
fn the_incident_of_an_absent_agent_survives_a_failover() {
    let mut c = cluster(HALF);
    c.environment.silent.insert(peer(1).pid);
    c.pass(6 * PING);
    c.fail_over();
    let back = reregister(&peer(1), "cpus:4;mem:1024");
    c.send(&peer(1).pid, back);
    let over = "agent_unreachable agent m-S1 over [probation]";
    assert!(incidents(&c).iter().any(|line| line == over), "{:?}", incidents(&c));
    assert_eq!(c.metrics.failures_detected.get(), 1, "the failover itself");
}

#[test]
fn the_incident_of_an_unknown_framework_ends() {
    let mut c = cluster(HALF);
    let mut info = framework_info();
    info.failover_timeout = Some(1000.0);
    let f = c.subscribe(info);
    c.hang_up(&f);
    c.pass(PING);
    c.fail_over();
    for number in 0..4 {
        c.send(&peer(number).pid, reregister(&peer(number), "cpus:4;mem:1024"));
    }
    let over = format!("framework_disconnected framework {} over []", f.id);
    assert!(incidents(&c).contains(&over), "{:?}", incidents(&c));
    c.pass(PING);
    assert_eq!(c.environment.registry.incidents.values().filter(|incident| incident.is_open()).count(), 0);
}

/// The periodic reports of agents cost nothing; the failures that follow from them are persisted together, once a
/// second.
#[test]
fn signals_alone_cause_no_registry_writes() {
    let mut c = cluster(HALF);
    let report = |c: &mut Cluster, number: u16, disk_used: f64| {
        c.send(&peer(number).pid, usage_report(&peer(number), disk_used));
    };
    for round in 0..100 {
        (0..4).for_each(|number| report(&mut c, number, 0.5 + f64::from(round) / 1000.0));
        c.pass(Duration::from_secs(1));
    }
    assert_eq!(failure_commits(&c), 0);
    (0..4).for_each(|number| report(&mut c, number, 0.99));
    c.disk_is_slow = true;
    c.pass(PING);
    (0..4).for_each(|number| report(&mut c, number, 0.5));
    c.pass(PING);
    assert_eq!(failure_commits(&c), 1, "the next one waits for the one before");
    c.disk_is_slow = false;
    c.confirm();
    c.pass(PING);
    assert_eq!(failure_commits(&c), 2);
    // An agent that unregisters costs nothing either.
    c.send(&peer(3).pid, messages::internal::UnregisterSlaveMessage { slave_id: v1::AgentId { value: peer(3).id } });
    c.pass(PING);
    assert_eq!(failure_commits(&c), 2);
    assert!(c.environment.registry.incidents.values().all(|incident| !incident.is_open()));
}

#[test]
fn a_policy_does_not_reverse_an_operator() {
    let mut c = cluster(HALF);
    c.operator(deactivate_agent("m-S1"));
    c.environment.silent.insert(peer(1).pid);
    c.pass(3 * PING);
    assert_eq!(incidents(&c), ["agent_suspicious agent m-S1 open [left_alone]"]);
    // The operator reactivates the agent although it is silent.
    c.operator(reactivate_agent("m-S1"));
    c.pass(PING);
    assert_eq!(c.metrics.slaves_inactive.get(), 0);
    assert_eq!(incidents(&c), ["agent_suspicious agent m-S1 open [left_alone]"]);
}

#[test]
fn an_operator_can_take_over_a_hold_of_a_policy() {
    let mut c = cluster(HALF);
    c.environment.silent.insert(peer(1).pid);
    c.pass(3 * PING);
    c.operator(deactivate_agent("m-S1"));
    assert_eq!(incidents(&c), ["agent_suspicious agent m-S1 open [stop_offering offer_again]"]);
    assert_eq!((c.metrics.failures_held.get(), c.metrics.slaves_inactive.get()), (0, 1));
    c.environment.silent.clear();
    c.pass(2 * PING);
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    c.operator(reactivate_agent("m-S1"));
    assert_eq!(c.metrics.slaves_inactive.get(), 0);
}

/// Mesos has no policies, and refuses the call.
#[test]
fn an_operator_can_reactivate_an_agent_held_by_a_policy() {
    let mut c = cluster(HALF);
    let f = c.framework();
    let refused = c.operator(reactivate_agent("m-S1"));
    assert_eq!(refused, CallResponse::bad_request("Agent is not deactivated"));
    for _ in 0..3 {
        c.exited(peer(1).pid.address);
        let back = reregister(&peer(1), "cpus:4;mem:1024");
        c.send(&peer(1).pid, back);
    }
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    c.offered(&f);
    assert_eq!(c.operator(reactivate_agent("m-S1")), CallResponse::ok());
    assert_eq!((c.metrics.slaves_inactive.get(), c.metrics.failures_held.get()), (0, 0));
    assert_eq!(offered_agents(&mut c, &f), ["m-S1"]);
    let told = incidents(&c);
    let expect = "agent_flapping agent m-S1 open [quarantine stop_offering offer_again]";
    assert!(told.iter().any(|line| line == expect), "{told:?}");
    // The next master has the decision, since the response was sent only after it was durable.
    let history = &c.environment.registry.failure_histories[&AgentId::new("m-S1")];
    assert!(history.overruled.contains(&Kind::AgentFlapping), "{history:?}");
}

/// Changes are persisted in parts of 500, in the order of the agents' ids.
#[test]
fn an_operator_is_answered_after_all_parts_of_the_changes_are_durable() {
    let policy = Policy::parse(HALF, PING).unwrap();
    let mut c = Cluster::with(|config| config.recovery_policy = Some(policy));
    let agents: Vec<AgentPeer> = (0..700).map(|_| c.agent("cpus:4;mem:1024")).collect();
    let last = agents.iter().max_by(|a, b| a.id.cmp(&b.id)).unwrap();
    c.pass(20 * PING);
    for _ in 0..3 {
        c.exited(last.pid.address);
        c.send(&last.pid, reregister(last, "cpus:4;mem:1024"));
    }
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    agents.iter().filter(|agent| agent.id != last.id).for_each(|agent| c.exited(agent.pid.address));
    assert_eq!(c.operator(reactivate_agent(&last.id)), CallResponse::ok());
    let history = &c.environment.registry.failure_histories[&AgentId::new(&last.id)];
    assert!(history.overruled.contains(&Kind::AgentFlapping), "{history:?}");
}

#[test]
fn a_disconnected_agent_is_explained() {
    let mut c = cluster(HALF);
    c.environment.silent.insert(peer(1).pid);
    c.pass(6 * PING);
    let answer = explained(&mut c, "m-S1");
    assert_eq!((&answer["condition"], &answer["eligibilities"]), (&"unreachable".into(), &serde_json::json!([])));
    assert_eq!(answer["failures"]["incidents"][0]["type"], "agent_unreachable");
    assert_eq!(explained(&mut c, "m-S2")["condition"], "registered");
}

fn usage_report(agent: &AgentPeer, disk_used: f64) -> AgentUsage {
    AgentUsage {
        agent_id: v1::AgentId { value: agent.id.clone() },
        disk_used: Some(disk_used),
        load: Some(2.0),
        processors: Some(4.0),
        ..Default::default()
    }
}

#[test]
fn an_agent_under_pressure_is_drained_if_configured() {
    let policy =
        r#"{"max_share": 0.25, "rules": [{"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut c = cluster(policy);
    c.send(&peer(1).pid, usage_report(&peer(1), 0.99));
    c.send(&peer(2).pid, usage_report(&peer(2), 0.99));
    let expect = ["disk_pressure agent m-S1 open [drain]", "disk_pressure agent m-S2 open [not_drained]"];
    assert_eq!(incidents(&c), expect);
    let drains = |peer: &AgentPeer| c.sent_to(&peer.pid).iter().any(|m| matches!(m, Message::DrainSlave(_)));
    assert!(drains(&peer(1)) && !drains(&peer(2)));
    assert!(c.environment.registry.agents.get(&AgentId::new("m-S1")).unwrap().deactivated);
    assert_eq!(explain(&mut c, "m-S1")["signals"]["load_per_processor"], 0.5);
}

/// The result is the same for a master that takes over right after the response and receives the same report of
/// pressure.
#[test]
fn a_reactivated_agent_is_not_drained_again_by_the_next_master() {
    let policy =
        r#"{"max_share": 0.5, "rules": [{"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut c = cluster(policy);
    c.send(&peer(1).pid, usage_report(&peer(1), 0.99));
    c.pass(PING);
    assert!(c.environment.registry.agents[&AgentId::new("m-S1")].deactivated);
    assert_eq!(c.operator(reactivate_agent("m-S1")), CallResponse::ok());
    c.fail_over();
    for number in 0..4 {
        let back = reregister(&peer(number), "cpus:4;mem:1024");
        c.send(&peer(number).pid, back);
    }
    c.send(&peer(1).pid, usage_report(&peer(1), 0.99));
    c.pass(PING);
    assert!(!c.environment.registry.agents[&AgentId::new("m-S1")].deactivated);
    assert_eq!(explain(&mut c, "m-S1")["overruled"], serde_json::json!(["disk_pressure"]));
    // An incident that begins anew is not overruled.
    c.send(&peer(1).pid, usage_report(&peer(1), 0.1));
    c.send(&peer(1).pid, usage_report(&peer(1), 0.99));
    assert!(c.environment.registry.agents[&AgentId::new("m-S1")].deactivated);
}

#[test]
fn an_agent_that_cannot_drain_uses_no_share_of_the_limit() {
    let policy =
        r#"{"max_share": 0.25, "rules": [{"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut c = cluster(policy);
    let mut unable = reregister(&peer(1), "cpus:4;mem:1024");
    unable.agent_capabilities.retain(|c| c.r#type() != v1::agent_info::capability::Type::AgentDraining);
    c.send(&peer(1).pid, unable);
    c.send(&peer(1).pid, usage_report(&peer(1), 0.99));
    c.send(&peer(2).pid, usage_report(&peer(2), 0.99));
    let expect = ["disk_pressure agent m-S1 open [drain not_drained]", "disk_pressure agent m-S2 open [drain]"];
    assert_eq!(incidents(&c), expect);
}

#[test]
fn usage_reports_of_other_senders_are_dropped() {
    let mut c = cluster(HALF);
    let stranger: Upid = "slave(1)@127.0.0.1:9999".parse().unwrap();
    c.send(&stranger, usage_report(&peer(1), 0.99));
    c.send(&peer(2).pid, usage_report(&peer(1), 0.99));
    assert_eq!(incidents(&c), Vec::<String>::new());
}

#[test]
fn task_failures_and_executor_crashes_are_incidents() {
    let mut c = cluster(HALF);
    let f = c.framework();
    let mut offers = c.offered(&f);
    let offer = offers.remove(0);
    let tasks = (0..10).map(|number| task_on(&format!("t{number}"), &offer, "cpus:0.1;mem:32")).collect();
    c.call(&f, accept(&[&offer], vec![launch(tasks)]));
    let agent = peer(offer.agent_id.value.trim_start_matches("m-S").parse().unwrap());
    for number in 0..10 {
        let mut update = update(&agent, &f.id, &format!("t{number}"), TaskFailed, number);
        update.update.status.reason = Some(v1::task_status::Reason::ExecutorTerminated as i32);
        c.send(&agent.pid, update);
    }
    let kinds: Vec<String> = incidents(&c);
    let about = |kind: Kind| kinds.iter().filter(|line| line.starts_with(kind.as_str())).count();
    assert_eq!((about(Kind::TaskFailureRate), about(Kind::ExecutorCrashLoop)), (1, 1), "{kinds:?}");
}

#[test]
fn a_disconnected_framework_is_an_incident_until_it_returns_or_is_removed() {
    let mut c = cluster(HALF);
    let mut info = framework_info();
    info.failover_timeout = Some(100.0);
    let f = c.subscribe(info.clone());
    c.hang_up(&f);
    let expect = |state: &str| vec![format!("framework_disconnected framework {} {state} []", f.id)];
    assert_eq!(incidents(&c), expect("open"));
    let f2 = c.subscribe(info.with_id(&f.id));
    assert_eq!(incidents(&c), expect("over"));
    c.recorded.changes.clear();
    c.hang_up(&f2);
    c.pass(Duration::from_secs(101));
    assert_eq!(incidents(&c), expect("over"));
}

#[test]
fn the_recovery_incident_ends_when_all_agents_reregistered() {
    let mut c = cluster(HALF);
    c.fail_over();
    assert_eq!(incidents(&c), ["master_failover master m2 open []"]);
    for number in 0..4 {
        let back = reregister(&peer(number), "cpus:4;mem:1024");
        c.send(&peer(number).pid, back);
    }
    assert_eq!(incidents(&c), ["master_failover master m2 over []"]);
    assert_eq!(c.metrics.slaves_active.get(), 4);
}

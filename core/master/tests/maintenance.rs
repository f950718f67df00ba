//! Weights and maintenance: the settings of operators, the time at which they take effect, and the messages that
//! follow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::*;
use machine::{CallResponse, Status};
use master::{Input, RegistryState};
use messages::v1;
use messages::v1::maintenance::{Schedule, Window};
use messages::v1::master::call::{StartMaintenance, StopMaintenance, Type, UpdateMaintenanceSchedule, UpdateWeights};
use messages::v1::scheduler::call;
use model::master::Change;
use testkit::builders::*;

fn operator_call(kind: Type) -> v1::master::Call {
    v1::master::Call { r#type: Some(kind as i32), ..Default::default() }
}

fn weights(weights: &[(&str, f64)]) -> v1::master::Call {
    let info = |(role, weight): &(&str, f64)| v1::WeightInfo { role: Some((*role).to_owned()), weight: *weight };
    let weight_infos = weights.iter().map(info).collect();
    v1::master::Call {
        update_weights: Some(Box::new(UpdateWeights { weight_infos })),
        ..operator_call(Type::UpdateWeights)
    }
}

/// Returns the machine of the agents in this file.
fn host() -> v1::MachineId {
    machine("HOST", "127.0.0.1")
}

fn machine(hostname: &str, ip: &str) -> v1::MachineId {
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    v1::MachineId { hostname: name(hostname), ip: name(ip) }
}

fn window(machines: &[v1::MachineId], start: i64) -> Window {
    Window {
        machine_ids: machines.to_vec(),
        unavailability: v1::Unavailability { start: v1::TimeInfo { nanoseconds: start }, duration: None },
    }
}

fn schedule(windows: Vec<Window>) -> v1::master::Call {
    v1::master::Call {
        update_maintenance_schedule: Some(Box::new(UpdateMaintenanceSchedule { schedule: Schedule { windows } })),
        ..operator_call(Type::UpdateMaintenanceSchedule)
    }
}

fn down(machines: &[v1::MachineId]) -> v1::master::Call {
    let machines = machines.to_vec();
    v1::master::Call {
        start_maintenance: Some(Box::new(StartMaintenance { machines })),
        ..operator_call(Type::StartMaintenance)
    }
}

fn up(machines: &[v1::MachineId]) -> v1::master::Call {
    let machines = machines.to_vec();
    v1::master::Call {
        stop_maintenance: Some(Box::new(StopMaintenance { machines })),
        ..operator_call(Type::StopMaintenance)
    }
}

fn accept_inverse(ids: &[&v1::OfferId], refuse_seconds: f64) -> v1::scheduler::Call {
    v1::scheduler::Call {
        r#type: Some(call::Type::AcceptInverseOffers as i32),
        accept_inverse_offers: Some(Box::new(call::AcceptInverseOffers {
            inverse_offer_ids: ids.iter().map(|id| (*id).clone()).collect(),
            filters: Some(v1::Filters { refuse_seconds: Some(refuse_seconds) }),
        })),
        ..Default::default()
    }
}

fn decline_inverse(ids: &[&v1::OfferId], refuse_seconds: f64) -> v1::scheduler::Call {
    v1::scheduler::Call {
        r#type: Some(call::Type::DeclineInverseOffers as i32),
        decline_inverse_offers: Some(Box::new(call::DeclineInverseOffers {
            inverse_offer_ids: ids.iter().map(|id| (*id).clone()).collect(),
            filters: Some(v1::Filters { refuse_seconds: Some(refuse_seconds) }),
        })),
        ..Default::default()
    }
}

fn shown_weights(c: &Cluster) -> Vec<(String, f64)> {
    let shown = c.recorded.changes.iter().rev().find_map(|change| match change {
        Change::WeightsUpdated(weights) => Some(weights.iter().map(|(r, w)| (r.to_string(), *w)).collect()),
        _ => None,
    });
    shown.unwrap_or_default()
}

fn inverse_offers(c: &Cluster, f: &Scheduler) -> Vec<v1::InverseOffer> {
    let events = c.events(f.stream);
    events.iter().filter_map(|event| event.inverse_offers.as_ref()).flat_map(|e| e.inverse_offers.clone()).collect()
}

fn answers(c: &Cluster) -> Vec<(String, String)> {
    let answer = |change: &Change| match change {
        Change::InverseOfferAnswered { agent, status, .. } => {
            Some((agent.to_string(), status.status().as_str_name().to_owned()))
        }
        _ => None,
    };
    c.recorded.changes.iter().filter_map(answer).collect()
}

#[test]
fn weights_are_checked() {
    let check = |roles: Option<&[&str]>, role: &str, weight: f64, expect: &str| {
        let mut c = Cluster::with(|config| {
            config.roles = roles.map(|roles| roles.iter().map(|role| (*role).to_owned()).collect());
        });
        let answer = c.operator(weights(&[("fine", 1.0), (role, weight)]));
        assert_eq!(
            answer,
            CallResponse::bad_request(format!("Failed to validate update weights request JSON{expect}"))
        );
        assert_eq!(c.stored(), RegistryState::default(), "nothing of a refused call is kept");
    };
    check(None, "", 1.0, ": Invalid role '': Role names cannot be the empty string");
    check(None, "/x", 1.0, ": Invalid role '/x': Role '/x' cannot start with a slash");
    check(None, "r", 0.0, " for role 'r': Invalid weight '0': Weights must be positive");
    check(None, "r", -1.5, " for role 'r': Invalid weight '-1.5': Weights must be positive");
    check(None, "r", f64::NAN, " for role 'r': Invalid weight 'NaN': Weights must be positive");
    check(Some(&["fine"]), "r", 1.0, ": Unknown role 'r'");
}

#[test]
fn weights_take_effect_once_durable() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    c.disk_is_slow = true;
    c.forget();
    c.deliver(Input::OperatorCall(master::OperatorCall {
        reply: model::ReplyId(77),
        caller: Default::default(),
        call: Box::new(weights(&[(" r ", 2.5)])),
    }));
    assert!(!c.recorded.replies.contains_key(&model::ReplyId(77)));
    assert_eq!(shown_weights(&c), []);
    c.confirm();
    assert_eq!(c.recorded.replies[&model::ReplyId(77)], [CallResponse::ok()]);
    assert_eq!(shown_weights(&c), [("r".to_owned(), 2.5)]);
    assert_eq!(c.heard(&f), [format!("RESCIND {}", offer.id.value)]);
}

#[test]
fn weights_of_unused_roles_rescind_no_offers() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    c.offered(&f);
    c.forget();
    assert_eq!(c.operator(weights(&[("other", 3.0)])), CallResponse::ok());
    assert_eq!(c.heard(&f), [""; 0]);
}

#[test]
fn weights_change_shares() {
    let mut c = Cluster::new();
    assert_eq!(c.operator(weights(&[("heavy", 3.0), ("light", 1.0)])), CallResponse::ok());
    let in_role = |role: &str| v1::FrameworkInfo { roles: vec![role.to_owned()], ..framework_info() };
    let heavy = c.subscribe(in_role("heavy"));
    let light = c.subscribe(in_role("light"));
    for _ in 0..8 {
        c.agent("cpus:1;mem:128");
    }
    c.settle();
    assert_eq!((c.offers(&heavy).len(), c.offers(&light).len()), (6, 2));
}

#[test]
fn weights_survive_a_failover() {
    let mut c = Cluster::new();
    c.operator(weights(&[("r", 2.0), ("s", 3.0)]));
    let mut next = Cluster::taking_over(c.stored(), |config| config.weights = [("flag".to_owned(), 9.0)].into());
    assert_eq!(shown_weights(&next), [("r".to_owned(), 2.0), ("s".to_owned(), 3.0)]);
    next.operator(weights(&[("s", 4.0)]));
    assert_eq!(shown_weights(&next), [("r".to_owned(), 2.0), ("s".to_owned(), 4.0)]);
}

#[test]
fn the_flag_weights_applies_only_without_stored_weights() {
    let c = Cluster::taking_over(RegistryState::default(), |config| config.weights = [("flag".to_owned(), 9.0)].into());
    assert_eq!(shown_weights(&c), [("flag".to_owned(), 9.0)]);
    assert_eq!(c.stored().weights.len(), 1, "and is durable from then on");
}

#[test]
fn schedules_are_checked() {
    let check = |windows: Vec<Window>, expect: &str| {
        let mut c = Cluster::new();
        assert_eq!(c.operator(schedule(windows)), CallResponse::bad_request(expect));
    };
    check(vec![window(&[], 1)], "List of machines in the maintenance window is empty");
    check(vec![window(&[machine("", "")], 1)], "Both 'hostname' and 'ip' for a machine are empty");
    check(vec![window(&[machine("", "x")], 1)], "Failed to parse IPv4: x");
    let twice = "Machine '{\"hostname\":\"A\",\"ip\":\"1.2.3.4\"}' appears more than once in the schedule";
    check(vec![window(&[machine("a", "1.2.3.4")], 1), window(&[machine("A", "1.2.3.4")], 2)], twice);
    let mut negative = window(&[host()], 1);
    negative.unavailability.duration = Some(v1::DurationInfo { nanoseconds: -1 });
    check(vec![negative], "Unavailability 'duration' is negative");
}

#[test]
fn machines_can_be_started_and_stopped_once_each() {
    let mut c = Cluster::new();
    let m = machine("m", "");
    let refused = |answer: CallResponse, text: &str| {
        assert_eq!(answer.status, Status::BadRequest);
        assert!(answer.body.contains(text), "{}", answer.body);
    };
    assert_eq!(c.operator(down(&[])), CallResponse::bad_request("List of machines is empty"));
    refused(c.operator(down(std::slice::from_ref(&m))), "is not part of a maintenance schedule");
    assert_eq!(c.operator(schedule(vec![window(&[m.clone(), host()], 1)])), CallResponse::ok());
    refused(c.operator(up(std::slice::from_ref(&m))), "is not in DOWN mode and cannot be brought up");
    refused(c.operator(down(&[m.clone(), m.clone()])), "appears more than once in the schedule");
    assert_eq!(c.operator(down(std::slice::from_ref(&m))), CallResponse::ok());
    refused(c.operator(down(std::slice::from_ref(&m))), "is not in DRAINING mode and cannot be brought down");
    refused(c.operator(schedule(vec![])), "Machine '{\"hostname\":\"m\"}' is deactivated and cannot be removed");
    assert_eq!(c.operator(schedule(vec![window(std::slice::from_ref(&m), 5)])), CallResponse::ok());
    assert_eq!(c.operator(up(std::slice::from_ref(&m))), CallResponse::ok());
    refused(c.operator(up(&[m])), "is not part of a maintenance schedule");
    assert_eq!(c.stored().machines.len(), 0);
    assert_eq!(c.stored().schedule.windows.len(), 0);
}

#[test]
fn concurrent_changes_are_checked_against_each_other() {
    let mut c = Cluster::new();
    c.operator(schedule(vec![window(&[host()], 1)]));
    c.disk_is_slow = true;
    let mut ask = |reply, call| {
        let call =
            master::OperatorCall { reply: model::ReplyId(reply), caller: Default::default(), call: Box::new(call) };
        c.deliver(Input::OperatorCall(call));
    };
    ask(70, down(&[host()]));
    ask(71, schedule(vec![]));
    assert!(!c.recorded.replies.contains_key(&model::ReplyId(70)));
    assert_eq!(c.recorded.replies[&model::ReplyId(71)][0].status, Status::BadRequest);
}

#[test]
fn offers_contain_the_window_of_unavailability() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    assert_eq!(offer.unavailability, None);
    c.forget();
    assert_eq!(c.operator(schedule(vec![window(&[host()], 55)])), CallResponse::ok());
    assert_eq!(c.heard(&f), [format!("RESCIND {}", offer.id.value)]);
    let again = c.offered(&f).remove(0);
    assert_eq!(again.unavailability.unwrap().start.nanoseconds, 55);
    // A repeated schedule has no effect.
    c.forget();
    c.operator(schedule(vec![window(&[host()], 55)]));
    assert_eq!(c.heard(&f), [""; 0]);
    // A framework is informed of a cancelled window as well.
    c.operator(schedule(vec![]));
    assert_eq!(c.offered(&f).remove(0).unavailability, None);
}

#[test]
fn a_machine_matches_by_host_name_and_ip_address() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    c.offered(&f);
    c.forget();
    c.operator(schedule(vec![window(&[machine("host", ""), machine("host", "127.0.0.2")], 55)]));
    assert_eq!(c.heard(&f), [""; 0]);
}

#[test]
fn a_new_agent_gets_the_window_of_its_machine() {
    let mut c = Cluster::new();
    c.operator(schedule(vec![window(&[host()], 55)]));
    let mut c = Cluster::taking_over(c.stored(), |_| {});
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    assert_eq!(c.offered(&f).remove(0).unavailability.unwrap().start.nanoseconds, 55);
}

/// Returns a framework with a task on an agent that is then scheduled for maintenance.
fn draining() -> (Cluster, AgentPeer, Scheduler, v1::InverseOffer) {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    let task = task_on("t", &offer, "cpus:4;mem:1024");
    c.call(&f, accept(&[&offer], vec![launch(vec![task])]));
    c.operator(schedule(vec![window(&[host()], 55)]));
    c.settle();
    let inverse = inverse_offers(&c, &f);
    assert_eq!(inverse.len(), 1, "one is outstanding at a time");
    let inverse = inverse[0].clone();
    assert_eq!(inverse.agent_id.as_ref().unwrap().value, a.id);
    assert_eq!(inverse.framework_id.value, f.id);
    assert_eq!(inverse.unavailability.start.nanoseconds, 55);
    assert_eq!(inverse.url.as_ref().unwrap().path.as_deref(), Some("/slave(1)"));
    c.forget();
    (c, a, f, inverse)
}

#[test]
fn a_framework_can_accept_an_inverse_offer() {
    let (mut c, a, f, inverse) = draining();
    assert_eq!(c.call(&f, accept_inverse(&[&inverse.id], 1000.0)), CallResponse::accepted());
    assert_eq!(answers(&c), [(a.id.clone(), "ACCEPT".to_owned())]);
    c.pass(Duration::from_secs(900));
    assert_eq!(inverse_offers(&c, &f), []);
    c.pass(Duration::from_secs(200));
    assert_eq!(inverse_offers(&c, &f).len(), 1, "it is asked again when its filter ends");
}

#[test]
fn a_framework_can_decline_an_inverse_offer() {
    let (mut c, a, f, inverse) = draining();
    c.call(&f, decline_inverse(&[&inverse.id, &v1::OfferId { value: "nonsense".to_owned() }], 0.0));
    assert_eq!(answers(&c), [(a.id.clone(), "DECLINE".to_owned())]);
    c.pass(Duration::from_secs(2));
    assert_eq!(inverse_offers(&c, &f).len(), 1);
}

#[test]
fn inverse_offers_of_other_frameworks_are_invalid() {
    let (mut c, _, f, inverse) = draining();
    let other = c.framework();
    c.call(&other, accept_inverse(&[&inverse.id], 1000.0));
    assert_eq!(answers(&c), []);
    c.call(&f, accept_inverse(&[&inverse.id], 1000.0));
    assert_eq!(answers(&c).len(), 1);
}

#[test]
fn a_changed_window_causes_new_inverse_offers() {
    let (mut c, _, f, inverse) = draining();
    c.operator(schedule(vec![window(&[host()], 66)]));
    c.settle();
    assert_eq!(c.heard(&f), [format!("RESCIND_INVERSE_OFFER {}", inverse.id.value), "INVERSE_OFFERS m-S0".to_owned()]);
    c.call(&f, accept_inverse(&[&inverse.id], 1000.0));
    assert_eq!(answers(&c), [], "the old question is void");
}

#[test]
fn inverse_offers_are_rescinded_with_their_agent() {
    let (mut c, a, f, inverse) = draining();
    c.exited(a.pid.address);
    assert!(c.heard(&f).contains(&format!("RESCIND_INVERSE_OFFER {}", inverse.id.value)));
}

#[test]
fn inverse_offers_time_out_as_offers_do() {
    let mut c = Cluster::with(|config| config.offer_timeout = Some(Duration::from_secs(30)));
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    c.operator(schedule(vec![window(&[host()], 55)]));
    c.settle();
    let inverse = inverse_offers(&c, &f);
    let [inverse] = &inverse[..] else { panic!("{inverse:?}") };
    c.forget();
    c.pass(Duration::from_secs(31));
    assert!(c.heard(&f).contains(&format!("RESCIND_INVERSE_OFFER {}", inverse.id.value)));
}

#[test]
fn drivers_get_inverse_offers() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let driver: model::Upid = "scheduler(1)@127.0.0.1:9000".parse().unwrap();
    let subscribe = subscribe(framework_info());
    c.driver_call(&driver, &subscribe, false);
    c.operator(schedule(vec![window(&[host()], 55)]));
    c.settle();
    let received = c.received(&driver);
    assert!(received.iter().any(|line| line == "InverseOffersMessage"), "{received:?}");
    c.operator(schedule(vec![]));
    let received = c.received(&driver);
    assert!(received.iter().any(|line| line == "RescindInverseOfferMessage"), "{received:?}");
}

#[test]
fn agents_of_a_down_machine_are_removed_and_refused() {
    let (mut c, a, f, _) = draining();
    assert_eq!(c.operator(down(&[host()])), CallResponse::ok());
    let shutdown = "Shutdown: Operator initiated 'Machine DOWN'".to_owned();
    assert!(c.received(&a.pid).contains(&shutdown));
    let heard = c.heard(&f);
    let lost = "UPDATE t TASK_LOST REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: Agent host removed: Operator \
                initiated 'Machine DOWN'";
    assert!(heard.iter().any(|line| line == lost), "{heard:?}");
    assert!(heard.contains(&"FAILURE agent m-S0".to_owned()), "{heard:?}");

    c.send(&a.pid, reregister(&a, "cpus:4;mem:1024"));
    assert_eq!(c.received(&a.pid), ["Shutdown: Machine is `DOWN`"]);
    c.send(&a.pid, register("cpus:4;mem:1024"));
    assert_eq!(c.received(&a.pid), ["Shutdown: Machine is `DOWN`"]);

    assert_eq!(c.operator(up(&[host()])), CallResponse::ok());
    c.send(&a.pid, register("cpus:4;mem:1024"));
    assert!(c.received(&a.pid)[0].starts_with("SlaveRegistered"));
}

#[test]
fn down_machines_survive_a_failover() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    c.operator(schedule(vec![window(&[host()], 55)]));
    c.operator(down(&[host()]));
    c.fail_over();
    c.send(&a.pid, reregister(&a, "cpus:4;mem:1024"));
    assert_eq!(c.received(&a.pid), ["Shutdown: Machine is `DOWN`"]);
    assert_eq!(c.operator(up(&[host()])), CallResponse::ok());
    c.send(&a.pid, register("cpus:4;mem:1024"));
    assert!(c.received(&a.pid)[0].starts_with("SlaveRegistered"));
}

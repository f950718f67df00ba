//! Tests of records: those that a change writes, and the state that is read from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::tepui::registry::Partition;
use messages::v1;
use messages::v1::maintenance::{Schedule, Window};
use messages::v1::quota::QuotaConfig;
use model::AgentId;
use proptest::prelude::*;

use super::{CorruptRegistry, Entry, RegistryOperation as Op, RegistryState};

fn agent(n: u8) -> AgentId {
    AgentId::new(format!("m-S{n}"))
}

fn info(n: u8, port: i32) -> Arc<v1::AgentInfo> {
    let id = Some(agent(n).to_proto());
    Arc::new(v1::AgentInfo { id, hostname: format!("host{n}"), port: Some(port), ..Default::default() })
}

fn pid() -> model::Upid {
    "slave(1)@10.0.0.1:5051".parse().unwrap()
}

fn at(nanoseconds: i64) -> v1::TimeInfo {
    v1::TimeInfo { nanoseconds }
}

fn machine(n: u8) -> v1::MachineId {
    v1::MachineId { hostname: Some(format!("Host{n}")), ip: Some(format!("10.0.0.{n}")) }
}

fn schedule(machines: &[u8]) -> Schedule {
    let unavailability = v1::Unavailability { start: at(5), duration: None };
    let window = |n: &u8| Window { machine_ids: vec![machine(*n)], unavailability };
    Schedule { windows: machines.iter().map(window).collect() }
}

fn quota(role: &str, cpus: Option<f64>) -> QuotaConfig {
    let guarantees = cpus.map(|value| ("cpus".to_owned(), v1::value::Scalar { value })).into_iter().collect();
    QuotaConfig { role: role.to_owned(), guarantees, limits: BTreeMap::new() }
}

fn weight(role: &str, weight: f64) -> v1::WeightInfo {
    v1::WeightInfo { weight, role: Some(role.to_owned()) }
}

fn partition(id: &str) -> Partition {
    Partition { id: id.to_owned(), role: "eng".to_owned(), ..Default::default() }
}

/// Returns one incident of each kind of object, or that it is removed.
fn incident(number: u64, known: bool, recovered: bool) -> Op {
    use model::incident::{Action, Incident, InvolvedObject, Kind, Severity};
    let at = model::Timestamp::from_nanos;
    let framework = model::FrameworkId::new("f");
    let incident = Incident {
        id: format!("m-F{number}"),
        number,
        kind: Kind::ALL[number as usize % Kind::ALL.len()],
        severity: Severity::ALL[number as usize % Severity::ALL.len()],
        object: match number % 4 {
            0 => InvolvedObject::Agent(agent(1)),
            1 => InvolvedObject::Framework(framework),
            2 => InvolvedObject::Executors(agent(1), framework),
            _ => InvolvedObject::Master("m".to_owned()),
        },
        hostname: (number.is_multiple_of(2)).then(|| "host1".to_owned()),
        details: "it comes and goes".to_owned(),
        detected: at(number),
        actions: vec![Action { at: at(5), action: "quarantine".into(), reason: "60 s".to_owned() }],
        recovered: recovered.then(|| at(9)),
    };
    let incidents = BTreeMap::from([(number, known.then(|| Arc::new(incident)))]);
    Op::PersistFailures(Arc::new(failures::FailureChanges { incidents, ..Default::default() }))
}

fn history(n: u8, known: bool, drained: bool) -> Op {
    let at = model::Timestamp::from_nanos;
    let history = failures::FailureHistory {
        hostname: format!("host{n}"),
        departures: vec![at(1), at(2)],
        quarantine: drained.then(|| (at(7), std::time::Duration::from_secs(60))),
        probation: (!drained).then(|| at(8)),
        overruled: [model::incident::Kind::DiskPressure, model::incident::Kind::Overload].into(),
        drained,
    };
    let failure_histories = BTreeMap::from([(agent(n), known.then(|| Arc::new(history)))]);
    Op::PersistFailures(Arc::new(failures::FailureChanges { failure_histories, ..Default::default() }))
}

fn recover() -> Op {
    Op::Recover(Box::new(v1::MasterInfo { id: "m".to_owned(), ip: 1, port: 5050, ..Default::default() }))
}

/// Expects the keys that the operations write (`+`) and delete (`-`); the last operation is alone in its commit.
fn check(operations: &[Op], expect: &[&str]) {
    let (last, before) = operations.split_last().unwrap();
    let mut state = RegistryState::default();
    state.commit(before);
    let writes = state.commit([last]);
    let text = |w: &model::RecordWrite| format!("{}{}", if w.value.is_some() { "+" } else { "-" }, w.key);
    assert_eq!(writes.iter().map(text).collect::<Vec<_>>(), expect);
}

#[test]
fn a_commit_writes_what_changed() {
    let admit = || Op::AdmitAgent(info(1, 1), pid());
    let lost = || Op::MarkUnreachable { agent: agent(1), since: at(7) };
    check(&[recover()], &["+format", "+master"]);
    check(&[admit()], &["+agents/m-S1"]);
    check(&[admit(), Op::UpdateAgent(info(1, 2), pid())], &["+agents/m-S1"]);
    check(&[admit(), Op::RemoveAgent(agent(1))], &["-agents/m-S1"]);
    check(&[admit(), lost()], &["-agents/m-S1", "+unreachable/m-S1"]);
    check(&[admit(), lost(), Op::MarkReachable(info(1, 1), pid())], &["+agents/m-S1", "-unreachable/m-S1"]);
    check(&[admit(), lost(), Op::DeactivateAgent(agent(1))], &["+unreachable/m-S1"]);
    check(
        &[admit(), lost(), Op::MarkGone { agent: agent(1), since: at(9) }],
        &["-agents/m-S1", "-unreachable/m-S1", "+gone/m-S1"],
    );
    check(&[admit(), lost(), Op::Prune { unreachable: vec![agent(1)], gone: vec![] }], &["-unreachable/m-S1"]);
    check(
        &[Op::UpdateSchedule(schedule(&[1])), Op::UpdateSchedule(schedule(&[2]))],
        &["-machines/host1/10.0.0.1", "+machines/host2/10.0.0.2", "+schedule"],
    );
    check(
        &[Op::UpdateSchedule(schedule(&[1, 2])), Op::StartMaintenance(vec![machine(2)])],
        &["+machines/host2/10.0.0.2"],
    );
    check(
        &[Op::UpdateSchedule(schedule(&[1])), Op::StopMaintenance(vec![machine(1)])],
        &["-machines/host1/10.0.0.1", "-schedule"],
    );
    check(&[Op::UpdateQuota(vec![quota("a/b", Some(2.0))])], &["+quota/a/b"]);
    check(&[Op::UpdateQuota(vec![quota("a", Some(2.0))]), Op::UpdateQuota(vec![quota("a", None)])], &["-quota/a"]);
    check(&[Op::UpdateWeights(vec![weight("a", 2.5), weight("b", 1.0)])], &["+weights/a", "+weights/b"]);
    check(&[Op::UpdatePartition(partition("p"))], &["+partitions/p"]);
    check(&[Op::UpdatePartition(partition("p")), Op::RemovePartition("p".to_owned())], &["-partitions/p"]);
    check(&[incident(3, true, false)], &["+incidents/3"]);
    check(&[incident(3, true, false), incident(3, false, false)], &["-incidents/3"]);
    check(&[incident(3, false, false)], &[]);
    check(&[history(1, true, true), history(1, false, true)], &["-failure_histories/m-S1"]);
    check(&[history(1, false, true)], &[]);
}

#[test]
fn draining_survives_an_outage() {
    let config = v1::DrainConfig { max_grace_period: None, mark_gone: Some(true) };
    let mut state = RegistryState::default();
    state.commit(&[
        Op::AdmitAgent(info(1, 1), pid()),
        Op::DrainAgent { agent: agent(1), config },
        Op::MarkUnreachable { agent: agent(1), since: at(7) },
        Op::MarkDrained(agent(1)),
        Op::MarkReachable(info(1, 1), pid()),
    ]);
    let record = &state.agents[&agent(1)];
    assert!(record.deactivated);
    assert_eq!(record.drain, Some(v1::DrainInfo { state: v1::DrainState::Drained as i32, config }));
    state.commit(&[Op::ReactivateAgent(agent(1))]);
    let record = &state.agents[&agent(1)];
    assert_eq!((record.deactivated, record.drain), (false, None));
}

/// A record can be larger than the registration that it was made from, which was within the limits.
#[test]
fn records_beyond_the_limits_of_messages_can_be_read() {
    let large = v1::AgentInfo { hostname: "h".repeat(65 << 20), ..(*info(1, 1)).clone() };
    assert!(wire::decode::<v1::AgentInfo>(&wire::encode(&large), &wire::Limits::default()).is_err());
    let mut state = RegistryState::default();
    state.commit(&[recover(), Op::AdmitAgent(Arc::new(large), pid())]);
    assert_eq!(RegistryState::from_entries(state.entries()).unwrap().agents.len(), 1);
}

#[test]
fn a_damaged_registry_is_refused() {
    let mut state = RegistryState::default();
    state.commit(&[recover(), Op::AdmitAgent(info(1, 1), pid()), Op::UpdateWeights(vec![weight("a", 2.0)])]);
    let refused = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = state.entries();
        change(&mut entries);
        RegistryState::from_entries(entries).map_err(|error| error.to_string()).unwrap_err()
    };
    let entry = |entries: &mut Vec<Entry>, key: &str| entries.iter().position(|e| e.0 == key).unwrap();
    assert_eq!(
        refused(&|e| {
            let at = entry(e, "agents/m-S1");
            e[at].1.truncate(3);
        }),
        "record agents/m-S1 of the registry is damaged"
    );
    assert_eq!(
        refused(&|e| {
            let at = entry(e, "weights/a");
            e[at].0 = "weights/b".to_owned();
        }),
        "record weights/b of the registry describes something else"
    );
    let unknown = messages::tepui::registry::Incident {
        number: 1,
        r#type: "flood".to_owned(),
        severity: "warning".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refused(&|e| e.push(("incidents/1".to_owned(), wire::encode(&unknown)))),
        "record incidents/1 of the registry says what this version does not know"
    );
    assert_eq!(refused(&|e| e.push(("x/y".to_owned(), vec![]))), "record x/y of the registry is of no known kind");
    assert_eq!(
        refused(&|e| e.retain(|e| e.0 != "format")),
        "the registry has records, but does not say in which format"
    );
}

#[test]
fn a_registry_of_a_newer_format_is_refused() {
    let format = messages::tepui::registry::Format { required: 2, written: Some(3) };
    let entries = [("format".to_owned(), wire::encode(&format))];
    let refused = RegistryState::from_entries(entries).unwrap_err();
    assert!(matches!(refused, CorruptRegistry::TooNew { required: 2 }), "{refused}");
}

fn operation() -> impl Strategy<Value = Op> {
    let ids = 0u8..4;
    prop_oneof![
        Just(recover()),
        (ids.clone(), 1..3).prop_map(|(n, port)| Op::AdmitAgent(info(n, port), pid())),
        (ids.clone(), 1..3).prop_map(|(n, port)| Op::UpdateAgent(info(n, port), pid())),
        (ids.clone(), 0i64..9).prop_map(|(n, t)| Op::MarkUnreachable { agent: agent(n), since: at(t) }),
        (ids.clone(), 1..3).prop_map(|(n, port)| Op::MarkReachable(info(n, port), pid())),
        ids.clone().prop_map(|n| Op::RemoveAgent(agent(n))),
        (ids.clone(), 0i64..9).prop_map(|(n, t)| Op::MarkGone { agent: agent(n), since: at(t) }),
        ids.clone().prop_map(|n| Op::DrainAgent { agent: agent(n), config: v1::DrainConfig::default() }),
        ids.clone().prop_map(|n| Op::MarkDrained(agent(n))),
        ids.clone().prop_map(|n| Op::DeactivateAgent(agent(n))),
        ids.clone().prop_map(|n| Op::ReactivateAgent(agent(n))),
        proptest::collection::vec(ids.clone(), 0..4).prop_map(|ids| Op::UpdateSchedule(schedule(&ids))),
        ids.clone().prop_map(|n| Op::StartMaintenance(vec![machine(n)])),
        ids.clone().prop_map(|n| Op::StopMaintenance(vec![machine(n)])),
        (0u8..3, proptest::option::of(0.0..9.0)).prop_map(|(n, q)| Op::UpdateQuota(vec![quota(&format!("r{n}"), q)])),
        (0u8..3, 0.5..9.0).prop_map(|(n, w)| Op::UpdateWeights(vec![weight(&format!("r/{n}"), w)])),
        (0u8..3).prop_map(|n| Op::UpdatePartition(partition(&n.to_string()))),
        (0u8..3).prop_map(|n| Op::RemovePartition(n.to_string())),
        (0u64..12, any::<bool>(), any::<bool>()).prop_map(|(n, known, recovered)| incident(n, known, recovered)),
        (ids.clone(), any::<bool>(), any::<bool>()).prop_map(|(n, known, drained)| history(n, known, drained)),
        (ids.clone(), ids).prop_map(|(a, b)| Op::Prune { unreachable: vec![agent(a)], gone: vec![agent(b)] }),
    ]
}

proptest! {
    #[test]
    fn the_records_describe_the_state(groups in proptest::collection::vec(proptest::collection::vec(operation(), 1..6), 1..12)) {
        let mut state = RegistryState::default();
        let mut records = BTreeMap::new();
        let mut writes = state.commit(&[recover()]);
        for group in &groups {
            writes.extend(state.commit(group));
        }
        for write in writes {
            match write.value {
                Some(value) => drop(records.insert(write.key, value)),
                None => drop(records.remove(&write.key)),
            }
        }
        prop_assert_eq!(&RegistryState::from_entries(records.clone()).unwrap(), &state);
        let all: BTreeMap<_, _> = state.entries().into_iter().collect();
        prop_assert_eq!(records, all);
    }
}

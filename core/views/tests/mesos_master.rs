//! A view of the state of a C++ Mesos 1.11 master (its own `GET_STATE`) must show the same as that master.
//!
//! `tests/mesos/` has responses of a real master and agent at three moments, with simplified ids and paths: tasks
//! running; one framework completed and a task killed; everything torn down. One thing is amended: the capability
//! QUOTA_V2, which Mesos' v1 API prints as `{}`, since it lacks its name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
mod scenario;

use std::collections::{BTreeMap, BTreeSet};

use common::{Recording, assert_same};
use messages::v1::master::{Call, Response, call};
use serde_json::Value;
use views::Query;
use views::metrics::{self, Counters};

#[test]
fn documents_equal_those_of_mesos() {
    for moment in ["running", "killed", "torndown"] {
        check(&Recording::load(&format!("master-{moment}")));
    }
}

fn check(recording: &Recording) {
    let view = scenario::replay(recording);
    let mut compared = 0;
    for (name, expected) in recording.answers() {
        let shown = match name.strip_prefix("GET_") {
            None => view.get(name, &Query::default()).map(|json| serde_json::from_slice(&json).unwrap()),
            Some(_) => {
                let kind = call::Type::from_str_name(name).unwrap();
                let call = Call { r#type: Some(kind as i32), ..Call::default() };
                view.operator_json(&call).map(|json| serde_json::from_slice(&json).unwrap())
            }
        };
        let shown: Value = shown.unwrap_or_else(|| panic!("{name} is not served"));
        assert_same(&format!("{} {name}", recording.name), expected, &shown);
        compared += 1;
    }
    assert!(compared >= 18, "{compared}");
}

#[test]
fn documents_can_be_filtered_and_paged() {
    let recording = Recording::load("master-killed");
    let view = scenario::replay(&recording);
    let ids = |path: &str, list: &str, query: &[(&str, &str)]| -> Vec<String> {
        let json = view.get(path, &query.iter().copied().collect()).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        json[list].as_array().unwrap().iter().map(|entity| entity["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids("/master/tasks", "tasks", &[("order", "asc")]);
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ["noack-1", "quick-1", "sleeper-1", "withexec-1"]);
    // The task has no status and so comes first.
    assert_eq!(all[0], "withexec-1");
    let newest_first: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(ids("/tasks", "tasks", &[]), newest_first);
    assert_eq!(ids("/tasks", "tasks", &[("limit", "2"), ("offset", "1")]), newest_first[1..3]);
    assert_eq!(ids("/tasks", "tasks", &[("limit", "two")]), newest_first);
    assert_eq!(ids("/tasks", "tasks", &[("offset", "9")]), [""; 0]);
    assert_eq!(ids("/tasks", "tasks", &[("task_id", "quick-1")]), ["quick-1"]);
    assert_eq!(ids("/tasks", "tasks", &[("framework_id", "master-0001")]), [""; 0]);
    assert_eq!(ids("/slaves", "slaves", &[("slave_id", "master-S0")]), ["master-S0"]);
    assert_eq!(ids("/slaves", "slaves", &[("slave_id", "master-S1")]), [""; 0]);
    assert_eq!(ids("/frameworks", "frameworks", &[("framework_id", "master-0001")]), [""; 0]);
    assert_eq!(ids("/frameworks", "completed_frameworks", &[("framework_id", "master-0001")]), ["master-0001"]);
    assert!(view.get("/nothing", &Query::default()).is_none());
}

/// The generic mapping of the protobuf response and the hand-written JSON are equal except for empty lists.
#[test]
fn json_and_protobuf_responses_agree() {
    let recording = Recording::load("master-killed");
    let view = scenario::replay(&recording);
    for (name, _) in recording.answers().filter(|(name, _)| name.starts_with("GET_")) {
        let call = Call { r#type: Some(call::Type::from_str_name(name).unwrap() as i32), ..Call::default() };
        let from_json: Response =
            wire::json::decode(&view.operator_json(&call).unwrap(), &wire::Limits::default()).unwrap();
        let generic = wire::json::encode(&view.operator(&call).unwrap());
        let generic: Response = wire::json::decode(&generic, &wire::Limits::default()).unwrap();
        assert_eq!(from_json, generic, "{name}");
    }
}

/// Returns the consumption of scalars in a recorded `/roles`, by the name of the metric.
fn consumed_by_roles(recording: &Recording) -> BTreeMap<String, f64> {
    let roles = recording["/roles"]["roles"].as_array().unwrap();
    let of_role = |role: &Value| {
        let name = role["name"].as_str().unwrap().to_owned();
        let consumed = role["quota"]["consumed"].as_object().unwrap().clone();
        let scalars = consumed.into_iter().filter(|(resource, _)| ["cpus", "mem", "disk"].contains(&resource.as_str()));
        scalars.map(move |(resource, amount)| {
            let metric = format!("allocator/mesos/quota/roles/{name}/resources/{resource}/consumed");
            (metric, amount.as_f64().unwrap())
        })
    };
    roles.iter().flat_map(of_role).collect()
}

/// Every metric of Mesos is present under its name; those that a view knows have its value.
#[test]
fn metrics_have_the_names_of_mesos() {
    let recording = Recording::load("master-killed");
    let view = scenario::replay(&recording);
    let snapshot = view.snapshot();
    let mut kept_by_the_master = Counters::default();
    metrics::recount(&snapshot).into_iter().for_each(|(name, value)| kept_by_the_master.set(name, value));
    let ours: std::collections::BTreeMap<String, f64> =
        metrics::master(&snapshot, &kept_by_the_master).into_iter().collect();
    let theirs = Recording::load("master-killed-metrics");
    let theirs = theirs["/metrics/snapshot"].as_object().unwrap();
    let missing: Vec<&String> = theirs.keys().filter(|name| !ours.contains_key(*name)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // These are not recorded: the shares of all disk, and of all processors.
    let shares = [("*", 4096.0 / 4196.0), ("eng", 2.5 / 6.0)];
    let shares = shares.map(|(role, share)| (format!("allocator/mesos/roles/{role}/shares/dominant"), share));
    // Neither are these, of which only the first two are Mesos'.
    let own = ["allocation_runs", "event_queue_dispatches", "registrar/", "master/failures/", "master/partition_"];
    let is_extra = |name: &&String| !theirs.contains_key(*name) && !own.iter().any(|part| name.contains(part));
    let extra: Vec<&String> = ours.keys().filter(is_extra).collect();
    let offer_filters = shares
        .iter()
        .map(|(name, _)| name.replace("roles/", "offer_filters/roles/").replace("shares/dominant", "active"));
    // The metric of a later Mesos version, which computes it as `/roles` does.
    let consumed = consumed_by_roles(&recording);
    let expected: BTreeSet<String> =
        offer_filters.chain(shares.iter().map(|(name, _)| name.clone())).chain(consumed.keys().cloned()).collect();
    assert_eq!(extra, expected.iter().collect::<Vec<_>>());
    shares.iter().for_each(|(name, share)| assert!((ours[name] - share).abs() < 1e-9, "{name}: {}", ours[name]));
    consumed.iter().for_each(|(name, amount)| assert_eq!(ours[name], *amount, "{name}"));
    let known = |name: &&String| {
        let events = ["messages", "calls", "events", "operations", "operator", "offers/", "uptime", "valid", "queue"];
        // The replay adds tasks in their final state.
        let ended = ["finished", "killed", "failed", "registrations"];
        !events.iter().chain(&ended).any(|part| name.contains(part)) && *name != "master/elected"
    };
    let mut compared = 0;
    for name in theirs.keys().filter(known) {
        let expected = theirs[name].as_f64().unwrap();
        assert!((ours[name] - expected).abs() < 1e-9, "{name}: Mesos has {expected}, not {}", ours[name]);
        compared += 1;
    }
    assert!(compared > 80, "{compared}");
}

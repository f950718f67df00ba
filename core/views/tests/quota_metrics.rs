//! The figures of roles in a master's metrics and in `/roles`, compared with those that Mesos' allocator computes
//! (`HierarchicalAllocatorProcess::_quota_offered_or_allocated`, `Role::quotaConsumed`), and the flags that decide
//! about both.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "helpers of tests")]

mod common;
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use messages::v1;
use model::master::{Change, Offer};
use model::{AgentId, FrameworkId, OfferId, Role};
use resources::Resources;
use serde_json::Value;
use views::master::{Settings, StaticInfo, View};
use views::metrics::{self, Counters};

fn resources(text: &str, role: &str) -> Resources {
    Resources::parse(text, "*").unwrap().allocated(&Role::new(role))
}

fn revocable(text: &str, role: &str) -> Resources {
    let mut protos = resources(text, role).to_proto();
    protos.iter_mut().for_each(|resource| resource.revocable = Some(Default::default()));
    Resources::from_proto(&protos).unwrap()
}

fn framework(view: &mut View, id: &str, role: &str) {
    let info = v1::FrameworkInfo {
        name: "f".to_owned(),
        id: Some(v1::FrameworkId { value: id.to_owned() }),
        roles: vec![role.to_owned()],
        ..Default::default()
    };
    let framework = v1::master::response::get_frameworks::Framework {
        framework_info: info,
        active: true,
        connected: true,
        registered_time: Some(v1::TimeInfo::default()),
        reregistered_time: Some(v1::TimeInfo::default()),
        ..Default::default()
    };
    view.apply(&Change::FrameworkAdded(Arc::new(scenario::framework_snapshot(&framework))));
}

fn task(view: &mut View, framework: &str, resources: Resources) {
    let task = v1::Task {
        task_id: v1::TaskId { value: format!("t-{framework}") },
        framework_id: v1::FrameworkId { value: framework.to_owned() },
        agent_id: v1::AgentId { value: "S0".to_owned() },
        resources: resources.to_proto(),
        state: v1::TaskState::TaskRunning as i32,
        ..Default::default()
    };
    view.apply(&Change::TaskAdded(Arc::new((&task).into())));
}

/// Returns a view with an agent and with frameworks in `a`, in `a/b` below it and in `z`, which has no resources.
fn view(settings: Settings) -> View {
    let mut view = View::new(StaticInfo { settings, ..scenario::static_info() });
    let agent = Arc::new(model::master::AgentSnapshot::new(
        AgentId::new("S0"),
        Arc::default(),
        model::Upid::none(),
        Resources::parse("cpus:20;mem:100;ports:[1-9];cpus(a):4;cpus(a/b):2;ports(a):[20-29]", "*").unwrap(),
    ));
    view.apply(&Change::AgentAdded(Arc::clone(&agent)));
    for (id, role) in [("in-a", "a"), ("in-b", "a/b"), ("in-z", "z")] {
        framework(&mut view, id, role);
    }
    task(&mut view, "in-a", resources("cpus:1;mem:10;cpus(a):2;ports:[1-2]", "a"));
    task(&mut view, "in-b", resources("cpus:1", "a/b") + revocable("cpus:2", "a/b"));
    view.apply(&Change::OfferAdded(Arc::new(Offer {
        id: OfferId::new("O"),
        framework: FrameworkId::new("in-a"),
        agent,
        role: Role::new("a"),
        resources: resources("cpus:3", "a"),
        executors: Vec::new(),
        unavailability: None,
    })));
    let cpus = |role: &str| {
        let limits = [("cpus".to_owned(), v1::value::Scalar { value: 20.0 })].into();
        let config = v1::quota::QuotaConfig { role: role.to_owned(), limits, ..Default::default() };
        (Role::new(role), config)
    };
    view.apply(&Change::QuotasUpdated(Arc::new(BTreeMap::from(["a", "a/b", "empty"].map(cpus)))));
    view
}

fn shown(view: &View) -> BTreeMap<String, f64> {
    metrics::master(&view.snapshot(), &Counters::default()).into_iter().collect()
}

#[test]
fn quota_metrics_equal_those_of_mesos() {
    let shown = shown(&view(Settings::default()));
    let check = |role: &str, metric: &str, expect: Option<f64>| {
        let name = format!("allocator/mesos/quota/roles/{role}/resources/{metric}");
        assert_eq!(shown.get(&name).copied(), expect, "{name}");
    };
    // The metric covers the offered and allocated resources of exactly this role, reserved and revocable ones included.
    check("a", "cpus/offered_or_allocated", Some(6.0));
    check("a/b", "cpus/offered_or_allocated", Some(3.0));
    check("empty", "cpus/offered_or_allocated", Some(0.0));
    // The metric exists only for resources that the quota names.
    check("a", "mem/offered_or_allocated", None);
    check("z", "cpus/offered_or_allocated", None);
    // Consumption covers the role and the roles below it: all reservations, and the allocated resources that are not
    // reserved. Offers, revocable resources, ranges and sets do not count.
    check("a", "cpus/consumed", Some(8.0));
    check("a", "mem/consumed", Some(10.0));
    check("a/b", "cpus/consumed", Some(3.0));
    check("a", "ports/consumed", None);
    check("empty", "cpus/consumed", None);
    check("z", "cpus/consumed", None);
}

/// The view does not parse the texts of `/flags`; the settings are passed to it separately.
#[test]
fn documents_use_the_typed_settings() {
    let named = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect::<BTreeSet<String>>();
    let roles = |view: &View| -> BTreeSet<String> {
        let json: Value = serde_json::from_slice(&view.get("/roles", &views::Query::default()).unwrap()).unwrap();
        json["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap().to_owned()).collect()
    };
    let per_framework = |view: &View| shown(view).keys().any(|name| name.starts_with("master/frameworks/f/"));
    let share = |view: &View| shown(view)["allocator/mesos/roles/a/shares/dominant"];

    let open = view(Settings::default());
    assert_eq!(roles(&open), named(&["a", "a/b", "empty", "z"]));
    assert!(per_framework(&open));
    assert!((share(&open) - 6.0 / 26.0).abs() < 1e-9, "{}", share(&open));

    let closed = view(Settings {
        roles: Some(named(&["a", "unused"])),
        publish_per_framework_metrics: false,
        fair_sharing_excluded_resource_names: [resources::Name::CPUS].into(),
    });
    assert_eq!(roles(&closed), named(&["*", "a", "unused"]));
    assert!(!per_framework(&closed));
    assert!((share(&closed) - 0.1).abs() < 1e-9, "of memory: {}", share(&closed));
}

//! The data that a reader with few rights does not see, for each endpoint: hidden frameworks, hidden tasks and
//! executors of a framework that is shown, and a hidden role.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "helpers of tests")]

mod common;
mod scenario;

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::v1;
use model::agent as agent_model;
use model::incident::{Filter, Incident};
use model::master::{AgentSnapshot, Change, ExecutorSnapshot, Offer, OperationUuid};
use model::{AgentId, ContainerId, ExecutorId, FrameworkId, OfferId, Role, Timestamp, Upid};
use resources::Resources;
use serde_json::Value;
use views::master::View;
use views::{Approver, Query, Visibility};

/// Approves the entities whose names do not begin with `hidden`.
#[derive(Debug)]
struct ByName;

impl ByName {
    fn shows(name: &str) -> bool {
        !name.starts_with("hidden")
    }
}

impl Approver for ByName {
    fn class(&self) -> &str {
        "by name"
    }

    fn approves_framework(&self, framework: &v1::FrameworkInfo) -> bool {
        Self::shows(&framework.name)
    }

    fn approves_task(&self, task: &v1::Task, _: &v1::FrameworkInfo) -> bool {
        Self::shows(&task.task_id.value)
    }

    fn approves_executor(&self, executor: &v1::ExecutorInfo, _: &v1::FrameworkInfo) -> bool {
        Self::shows(&executor.executor_id.value)
    }

    fn approves_container(&self, executor: &v1::ExecutorInfo, _: &v1::FrameworkInfo) -> bool {
        Self::shows(&executor.executor_id.value)
    }

    fn approves_role(&self, role: &str) -> bool {
        Self::shows(role)
    }
}

fn restricted() -> Visibility {
    Visibility::approved_by(Arc::new(ByName))
}

const TOTAL: &str = "cpus:8;mem:800;cpus(hidden-role):4;cpus(eng):2";

fn resources(text: &str, role: &str) -> Resources {
    Resources::parse(text, "*").unwrap().allocated(&Role::new(role))
}

fn framework_info(name: &str, role: &str) -> v1::FrameworkInfo {
    v1::FrameworkInfo {
        name: name.to_owned(),
        id: Some(v1::FrameworkId { value: format!("id-of-{name}") }),
        roles: vec![role.to_owned()],
        ..Default::default()
    }
}

fn agent_info() -> v1::AgentInfo {
    v1::AgentInfo {
        id: Some(v1::AgentId { value: "S0".to_owned() }),
        hostname: "host".to_owned(),
        resources: Resources::parse(TOTAL, "*").unwrap().to_proto(),
        ..Default::default()
    }
}

fn task(framework: &str, id: &str) -> v1::Task {
    v1::Task {
        task_id: v1::TaskId { value: id.to_owned() },
        framework_id: v1::FrameworkId { value: framework.to_owned() },
        agent_id: v1::AgentId { value: "S0".to_owned() },
        resources: resources("cpus:1", "eng").to_proto(),
        state: v1::TaskState::TaskRunning as i32,
        ..Default::default()
    }
}

fn executor_info(id: &str) -> v1::ExecutorInfo {
    v1::ExecutorInfo { executor_id: v1::ExecutorId { value: id.to_owned() }, ..Default::default() }
}

/// Returns a view with two frameworks, of which the second is hidden. The first framework has a task and an executor
/// that are shown and others that are hidden. A role, its weight, quota and partition are hidden.
fn view() -> View {
    let mut view = View::new(scenario::static_info());
    let agent = Arc::new(AgentSnapshot::new(
        AgentId::new("S0"),
        Arc::new(agent_info()),
        Upid::none(),
        Resources::parse(TOTAL, "*").unwrap(),
    ));
    view.apply(&Change::AgentAdded(Arc::clone(&agent)));
    view.apply(&Change::AgentsRecovered(vec![Arc::new(v1::AgentInfo {
        id: Some(v1::AgentId { value: "S1".to_owned() }),
        ..agent_info()
    })]));
    for (name, role) in [("open", "eng"), ("hidden", "hidden-role")] {
        let info = framework_info(name, role);
        let id = format!("id-of-{name}");
        let framework = v1::master::response::get_frameworks::Framework {
            framework_info: info,
            active: true,
            registered_time: Some(v1::TimeInfo::default()),
            reregistered_time: Some(v1::TimeInfo::default()),
            ..Default::default()
        };
        view.apply(&Change::FrameworkAdded(Arc::new(scenario::framework_snapshot(&framework))));
        for task_id in [format!("task-of-{name}"), format!("hidden-task-of-{name}")] {
            view.apply(&Change::TaskAdded(Arc::new((&task(&id, &task_id)).into())));
        }
        for executor in [format!("executor-of-{name}"), format!("hidden-executor-of-{name}")] {
            view.apply(&Change::ExecutorAdded(Arc::new(ExecutorSnapshot {
                framework: FrameworkId::new(&id),
                agent: AgentId::new("S0"),
                info: Arc::new(executor_info(&executor)),
            })));
        }
        view.apply(&Change::OfferAdded(Arc::new(Offer {
            id: OfferId::new(format!("offer-to-{name}")),
            framework: FrameworkId::new(&id),
            agent: Arc::clone(&agent),
            role: Role::new(role),
            resources: resources("cpus:2", role),
            executors: Vec::new(),
            unavailability: None,
        })));
        let status = v1::allocator::InverseOfferStatus {
            framework_id: v1::FrameworkId { value: id.clone() },
            ..Default::default()
        };
        let (agent, framework) = (AgentId::new("S0"), FrameworkId::new(&id));
        view.apply(&Change::InverseOfferAnswered { agent, framework, status: Box::new(status) });
    }
    for (number, framework, role) in
        [(1, "id-of-open", "eng"), (2, "id-of-open", "hidden-role"), (3, "id-of-hidden", "eng")]
    {
        let reserve = v1::offer::operation::Reserve {
            source: Vec::new(),
            resources: Resources::parse(&format!("cpus({role}):1"), "*").unwrap().to_proto(),
        };
        view.apply(&Change::OperationAdded(Arc::new(v1::Operation {
            framework_id: Some(v1::FrameworkId { value: framework.to_owned() }),
            info: v1::offer::Operation {
                id: Some(v1::OperationId { value: format!("operation-{number}") }),
                r#type: Some(v1::offer::operation::Type::Reserve as i32),
                reserve: Some(Box::new(reserve)),
                ..Default::default()
            },
            uuid: v1::Uuid { value: vec![number; 16] },
            ..Default::default()
        })));
        assert!(OperationUuid::from_proto(&v1::Uuid { value: vec![number; 16] }).is_some());
    }
    let roles = ["eng", "hidden-role"];
    let quota = |role: &str| {
        let limits = [("cpus".to_owned(), v1::value::Scalar { value: 5.0 })].into();
        (Role::new(role), v1::quota::QuotaConfig { role: role.to_owned(), limits, ..Default::default() })
    };
    view.apply(&Change::WeightsUpdated(Arc::new(roles.map(|role| (Role::new(role), 2.0)).into())));
    view.apply(&Change::QuotasUpdated(Arc::new(BTreeMap::from(roles.map(quota)))));
    let partition = |role: &str| {
        let id = format!("partition-of-{role}");
        (id.clone(), messages::tepui::registry::Partition { id, role: role.to_owned(), ..Default::default() })
    };
    view.apply(&Change::PartitionsUpdated(Arc::new(BTreeMap::from(roles.map(partition)))));
    view
}

/// The text that no response to the reader may contain.
const HIDDEN: &str = "hidden";

fn check(what: &str, all: &[u8], shown: &[u8]) {
    let (all, shown) = (String::from_utf8_lossy(all), String::from_utf8_lossy(shown));
    assert!(all.contains(HIDDEN), "{what} shows nothing to be hidden: {all}");
    assert!(!shown.contains(HIDDEN), "{what}: {shown}");
}

#[test]
fn documents_omit_hidden_entities() {
    let all = view().snapshot();
    let shown = all.clone().seen_by(restricted());
    let query = Query::default();
    for path in
        ["/state", "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles", "/weights", "/quota", "/partitions"]
    {
        let (all, shown) = (all.get(path, &query).unwrap(), shown.get(path, &query).unwrap());
        check(path, &all, &shown);
    }
    // Entities that are not hidden are shown.
    let state: Value = serde_json::from_slice(&shown.get("/state", &query).unwrap()).unwrap();
    let framework = &state["frameworks"][0];
    assert_eq!(state["frameworks"].as_array().unwrap().len(), 1);
    assert_eq!(framework["tasks"][0]["id"], "task-of-open");
    assert_eq!(framework["executors"][0]["executor_id"], "executor-of-open");
    assert_eq!(state["slaves"][0]["reserved_resources"]["eng"]["cpus"], 2.0);
    let roles: Value = serde_json::from_slice(&shown.get("/roles", &query).unwrap()).unwrap();
    assert_eq!(roles["roles"][0]["frameworks"], serde_json::json!(["id-of-open"]));
    assert!(
        all.partition("partition-of-hidden-role").is_some() && shown.partition("partition-of-hidden-role").is_none()
    );
    // Readers with different rights do not share a response.
    check("/state", &all.get("/state", &query).unwrap(), &shown.get("/state", &query).unwrap());
}

#[test]
fn operator_api_responses_omit_hidden_entities() {
    use v1::master::call::Type;
    let all = view().snapshot();
    let shown = all.clone().seen_by(restricted());
    let kinds = [
        Type::GetState,
        Type::GetAgents,
        Type::GetFrameworks,
        Type::GetExecutors,
        Type::GetTasks,
        Type::GetRoles,
        Type::GetOperations,
        Type::GetWeights,
        Type::GetQuota,
    ];
    for kind in kinds {
        let call = v1::master::Call { r#type: Some(kind as i32), ..Default::default() };
        check(kind.as_str_name(), &all.operator_json(&call).unwrap(), &shown.operator_json(&call).unwrap());
        let protobuf = |answer: Option<v1::master::Response>| wire::json::encode(&answer.unwrap());
        check(kind.as_str_name(), &protobuf(all.operator(&call)), &protobuf(shown.operator(&call)));
    }
    let operations = v1::master::Call { r#type: Some(Type::GetOperations as i32), ..Default::default() };
    let operations = shown.operator(&operations).unwrap().get_operations.unwrap().operations;
    let ids: Vec<&str> = operations.iter().map(|one| one.info.id.as_ref().unwrap().value.as_str()).collect();
    assert_eq!(ids, ["operation-1"]);
    check("SUBSCRIBED", &all.subscribed_json(), &shown.subscribed_json());
    check("SUBSCRIBED", &wire::json::encode(&all.subscribed()), &wire::json::encode(&shown.subscribed()));
}

#[test]
fn events_omit_hidden_entities() {
    let view = view();
    let events = |framework: &str, id: &str| -> Vec<Arc<v1::master::Event>> {
        let task = task(framework, id);
        let status = v1::TaskStatus { task_id: task.task_id.clone(), state: 99, ..Default::default() };
        let updated = Change::TaskUpdated { task: Arc::new((&task).into()), status: Arc::new(status) };
        let changes = [Change::TaskAdded(Arc::new((&task).into())), updated];
        changes.iter().flat_map(|change| view.events(change)).map(Arc::new).collect()
    };
    let check = |framework: &str, id: &str, is_shown: bool| {
        let events = events(framework, id);
        assert!(!events.is_empty());
        for event in events {
            assert!(view.event_seen_by(&Visibility::everything(), &event).is_some());
            assert_eq!(view.event_seen_by(&restricted(), &event).is_some(), is_shown, "{id} {event:?}");
        }
    };
    check("id-of-open", "task-of-open", true);
    check("id-of-open", "hidden-task-of-open", false);
    check("id-of-hidden", "task-of-hidden", false);
    check("unknown", "task", false);

    let agents = view.snapshot();
    let added = agents.agents().next().map(|agent| Change::AgentAdded(Arc::new(agent.clone()))).unwrap();
    let event = Arc::new(view.events(&added).remove(0));
    let seen = view.event_seen_by(&restricted(), &event).unwrap();
    super_check("AGENT_ADDED", &event, &seen);
    for framework in agents.frameworks() {
        let added = Change::FrameworkAdded(Arc::new(framework.clone()));
        let event = Arc::new(view.events(&added).remove(0));
        assert_eq!(view.event_seen_by(&restricted(), &event).is_some(), framework.info.name == "open");
    }
}

fn super_check(what: &str, all: &v1::master::Event, shown: &v1::master::Event) {
    check(what, &wire::json::encode(all), &wire::json::encode(shown));
}

/// Only readers with the same rights share responses.
#[test]
fn readers_with_different_rights_share_no_response() {
    assert_eq!(restricted(), restricted());
    assert_ne!(restricted(), Visibility::everything());
    assert_ne!(restricted().class(), Visibility::everything().class());
}

fn incident(object: model::incident::InvolvedObject, number: u64) -> Arc<Incident> {
    Arc::new(Incident {
        id: format!("m-F{number}"),
        number,
        kind: model::incident::Kind::FrameworkDisconnected,
        severity: model::incident::Severity::Warning,
        object,
        hostname: None,
        details: String::new(),
        detected: Timestamp::default(),
        actions: Vec::new(),
        recovered: None,
    })
}

#[test]
fn incidents_of_hidden_frameworks_are_omitted() {
    use model::incident::{IncidentUpdate, InvolvedObject};
    let mut view = view();
    let objects = [
        InvolvedObject::Framework(FrameworkId::new("id-of-open")),
        InvolvedObject::Framework(FrameworkId::new("id-of-hidden")),
        InvolvedObject::Executors(AgentId::new("S0"), FrameworkId::new("id-of-hidden")),
        InvolvedObject::Agent(AgentId::new("S0")),
    ];
    for (number, object) in (1..).zip(objects) {
        view.apply(&Change::Incident(incident(object, number), IncidentUpdate::Detected));
    }
    let all = view.snapshot();
    let shown = all.clone().seen_by(restricted());
    let numbers = |snapshot: &views::master::Snapshot| -> Vec<u64> {
        snapshot.failures(&Filter::default()).iter().map(|incident| incident.number).collect()
    };
    assert_eq!((numbers(&all), numbers(&shown)), (vec![1, 2, 3, 4], vec![1, 4]));
}

// ---- agents

fn agent_view() -> views::agent::View {
    use agent_model::{Change, ExecutorSnapshot, ExecutorState, FrameworkSnapshot};
    let mut view = views::agent::View::new(views::agent::StaticInfo {
        build: Default::default(),
        pid: Upid::none(),
        started: Timestamp::default(),
        flags: Default::default(),
        capabilities: Vec::new(),
        limits: Default::default(),
    });
    view.apply(&Change::Agent {
        info: Arc::new(agent_info()),
        total: Resources::parse(TOTAL, "*").unwrap(),
        master: None,
        registered: true,
        draining: None,
    });
    for name in ["open", "hidden"] {
        let id = format!("id-of-{name}");
        let info = Arc::new(framework_info(name, "eng"));
        view.apply(&Change::FrameworkAdded(Arc::new(FrameworkSnapshot { id: FrameworkId::new(&id), info, pid: None })));
        for executor in [format!("executor-of-{name}"), format!("hidden-executor-of-{name}")] {
            let container = ContainerId::new(format!("container-{executor}"));
            view.apply(&Change::ExecutorAdded(Arc::new(ExecutorSnapshot {
                framework: FrameworkId::new(&id),
                id: ExecutorId::new(&executor),
                container: container.clone(),
                info: Arc::new(executor_info(&executor)),
                sandbox: format!("/sandboxes/{executor}").into(),
                state: ExecutorState::Running,
                resources: resources("cpus:1;cpus(hidden-role):1", "eng"),
                pid: None,
            })));
            // Whether a task is shown does not depend on its executor, as in Mesos.
            let number = executor.len();
            for task_id in [format!("task-{number}"), format!("hidden-task-{number}")] {
                let task = Arc::new(task(&id, &task_id));
                view.apply(&Change::TaskAdded { container: container.clone(), task });
            }
        }
    }
    view
}

#[test]
fn an_agent_omits_hidden_entities() {
    use v1::agent::call::Type;
    let all = agent_view().snapshot();
    let shown = all.clone().seen_by(restricted());
    let usage: BTreeMap<ContainerId, views::agent::Usage> =
        all.containers(&Query::default()).unwrap().into_iter().map(|id| (id, measured())).collect();
    for path in ["/state", "/containers", "/monitor/statistics"] {
        let get = |snapshot: &views::agent::Snapshot| snapshot.get(path, &Query::default(), &usage).unwrap();
        check(path, &get(&all), &get(&shown));
    }
    assert_eq!(shown.containers(&Query::default()).unwrap(), [ContainerId::new("container-executor-of-open")]);
    let state: Value = serde_json::from_slice(&shown.get("/state", &Query::default(), &usage).unwrap()).unwrap();
    assert_eq!(state["frameworks"][0]["executors"][0]["tasks"][0]["id"], "task-16");
    for kind in
        [Type::GetState, Type::GetFrameworks, Type::GetExecutors, Type::GetTasks, Type::GetContainers, Type::GetAgent]
    {
        let call = v1::agent::Call { r#type: Some(kind as i32), ..Default::default() };
        let json = |snapshot: &views::agent::Snapshot| snapshot.operator_json(&call, &usage).unwrap();
        check(kind.as_str_name(), &json(&all), &json(&shown));
        let protobuf =
            |snapshot: &views::agent::Snapshot| wire::json::encode(&snapshot.operator(&call, &usage).unwrap());
        check(kind.as_str_name(), &protobuf(&all), &protobuf(&shown));
    }
}

fn measured() -> views::agent::Usage {
    views::agent::Usage { statistics: Some(v1::ResourceStatistics::default()), status: None }
}

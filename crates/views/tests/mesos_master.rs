//! A view fed with what a C++ Mesos 1.11 master knew (its own `GET_STATE`) must show what that master showed.
//!
//! `tests/mesos/` holds answers of a real master and agent at three moments, with ids and paths made plain:
//! tasks running; one framework completed and a task killed; everything torn down. One thing is amended: the capability
//! QUOTA_V2, which its v1 API prints as `{}` for want of a name.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Recording, assert_same};
use master::{AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, OfferSnapshot, TaskDeparture};
use messages::v1;
use messages::v1::master::{Call, Response, call, response};
use resources::Resources;
use serde_json::Value;
use views::Query;
use views::master::{Build, Facts, Limits, View};
use vocabulary::{AgentId, FrameworkId, Role, TaskId, Timestamp};

#[test]
fn shows_what_mesos_shows() {
    for moment in ["running", "killed", "torndown"] {
        check(&Recording::load(&format!("master-{moment}")));
    }
}

fn check(recording: &Recording) {
    let view = replay(recording);
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

/// The changes that lead to the recorded `GET_STATE`.
fn replay(recording: &Recording) -> View {
    let response: Response = recording.message("GET_STATE");
    let state = response.get_state.unwrap();
    let mut view = View::new(facts(recording));
    for agent in state.get_agents.unwrap().agents {
        view.apply(&Change::AgentAdded(Arc::new(agent_snapshot(agent))));
    }
    let frameworks = *state.get_frameworks.unwrap();
    for framework in frameworks.frameworks.iter().chain(&frameworks.completed_frameworks) {
        view.apply(&Change::FrameworkAdded(Arc::new(framework_snapshot(framework))));
    }
    // An offer names the executors that were there when it was made.
    let offers = frameworks.frameworks.iter().flat_map(|framework| &framework.offers);
    let (offers, early): (Vec<_>, Vec<_>) = offers.partition(|offer| !offer.executor_ids.is_empty());
    let make = |view: &mut View, offer| view.apply(&Change::OfferAdded(Arc::new(offer_snapshot(offer))));
    early.iter().for_each(|offer| make(&mut view, offer));
    for mut executor in state.get_executors.unwrap().executors {
        // In the recording this is a printed default, not something that was set.
        executor.executor_info.command.as_mut().unwrap().shell = None;
        view.apply(&Change::ExecutorAdded(Arc::new(ExecutorSnapshot {
            framework: FrameworkId::from(executor.executor_info.framework_id.as_ref().unwrap()),
            agent: AgentId::from(&executor.agent_id),
            info: Arc::new(executor.executor_info),
        })));
    }
    let tasks = *state.get_tasks.unwrap();
    for task in &tasks.tasks {
        view.apply(&Change::TaskAdded(Arc::new(task.clone())));
    }
    for task in &tasks.completed_tasks {
        view.apply(&Change::TaskAdded(Arc::new(task.clone())));
        view.apply(&Change::TaskRemoved {
            framework: FrameworkId::from(&task.framework_id),
            task: TaskId::from(&task.task_id),
            departure: TaskDeparture::Completed,
        });
    }
    offers.iter().for_each(|offer| make(&mut view, offer));
    for framework in &frameworks.completed_frameworks {
        view.apply(&Change::FrameworkRemoved(Arc::new(framework_snapshot(framework))));
    }
    view
}

fn agent_snapshot(agent: response::get_agents::Agent) -> AgentSnapshot {
    AgentSnapshot {
        id: AgentId::from(agent.agent_info.id.as_ref().unwrap()),
        pid: agent.pid.unwrap().parse().unwrap(),
        version: agent.version,
        capabilities: agent.capabilities.iter().map(|capability| capability.r#type() as i32).collect(),
        registered: time(agent.registered_time),
        reregistered: agent.reregistered_time.map(|time| Timestamp::from_nanos(time.nanoseconds as u64)),
        active: agent.active,
        connected: true,
        total: Resources::from_proto(&agent.total_resources).unwrap(),
        info: Arc::new(agent.agent_info),
    }
}

fn framework_snapshot(framework: &response::get_frameworks::Framework) -> FrameworkSnapshot {
    let info = &framework.framework_info;
    let roles = if info.roles.is_empty() { vec![Role::new("*")] } else { info.roles.iter().map(Role::new).collect() };
    FrameworkSnapshot {
        id: FrameworkId::from(info.id.as_ref().unwrap()),
        roles,
        suppressed: Vec::new(),
        pid: None,
        active: framework.active,
        connected: framework.connected,
        recovered: framework.recovered,
        registered: time(framework.registered_time),
        reregistered: (framework.reregistered_time != framework.registered_time)
            .then(|| time(framework.reregistered_time)),
        unregistered: framework.unregistered_time.map(|at| time(Some(at))),
        info: Arc::new(info.clone()),
    }
}

fn offer_snapshot(offer: &v1::Offer) -> OfferSnapshot {
    OfferSnapshot {
        id: (&offer.id).into(),
        framework: (&offer.framework_id).into(),
        agent: (&offer.agent_id).into(),
        role: Role::new(offer.allocation_info.as_ref().unwrap().role()),
        resources: Resources::from_proto(&offer.resources).unwrap(),
    }
}

fn time(time: Option<v1::TimeInfo>) -> Timestamp {
    Timestamp::from_nanos(time.unwrap().nanoseconds as u64)
}

fn facts(recording: &Recording) -> Facts {
    let master: Response = recording.message("GET_MASTER");
    let master = *master.get_master.unwrap();
    let info = *master.master_info.unwrap();
    let state = &recording["/state"];
    let text = |key: &str| state.get(key).map(|value| value.as_str().unwrap().to_owned());
    let seconds = |seconds: f64| Timestamp::from_nanos((seconds * 1e9) as u64);
    Facts {
        build: Build {
            version: text("version").unwrap(),
            date: text("build_date").unwrap(),
            time: state["build_time"].as_f64().unwrap(),
            user: text("build_user").unwrap(),
            git_sha: text("git_sha"),
            git_branch: text("git_branch"),
            git_tag: text("git_tag"),
        },
        pid: text("pid").unwrap().parse().unwrap(),
        leader: Some(info.clone()),
        info,
        started: seconds(master.start_time.unwrap()),
        elected: master.elected_time.map(seconds),
        flags: serde_json::from_value::<BTreeMap<String, String>>(state["flags"].clone()).unwrap(),
        limits: Limits::default(),
    }
}

#[test]
fn filters_and_pages() {
    let recording = Recording::load("master-killed");
    let view = replay(&recording);
    let ids = |path: &str, list: &str, query: &[(&str, &str)]| -> Vec<String> {
        let json = view.get(path, &query.iter().copied().collect()).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        json[list].as_array().unwrap().iter().map(|entity| entity["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids("/master/tasks", "tasks", &[("order", "asc")]);
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ["noack-1", "quick-1", "sleeper-1", "withexec-1"]);
    // Without a status, and so before the rest.
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

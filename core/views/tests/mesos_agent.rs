//! A view of the state of a C++ Mesos 1.11 agent must show the same as that agent (see `mesos_master.rs`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Recording, assert_same, build};
use messages::v1;
use messages::v1::agent::{Call, Response, call};
use model::agent::{Change, ExecutorSnapshot, ExecutorState, FrameworkSnapshot, RecoveredCompletedExecutor};
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, Timestamp};
use resources::Resources;
use serde_json::Value;
use views::Query;
use views::agent::{InvalidSelection, Limits, StaticInfo, Usage, View};
use views::metrics::{self, Counters};

#[test]
fn documents_equal_those_of_mesos() {
    for moment in ["running", "killed", "torndown"] {
        check(&Recording::load(&format!("agent-{moment}")));
    }
}

fn check(recording: &Recording) {
    let snapshot = replay(recording).snapshot();
    let mut compared = 0;
    for (name, expected) in recording.answers() {
        // Mesos measured anew for each response.
        let usage = measured(name, expected);
        let shown = match name.strip_prefix("GET_") {
            None => snapshot.get(name, &Query::default(), &usage),
            Some(_) => snapshot.operator_json(&a_call(name), &usage),
        };
        let shown: Value = serde_json::from_slice(&shown.unwrap_or_else(|| panic!("{name} is not served"))).unwrap();
        let mut expected = expected.clone();
        forget_commands(&mut expected);
        assert_same(&format!("{} {name}", recording.name), &expected, &shown);
        compared += 1;
    }
    assert!(compared >= 11, "{compared}");
}

fn a_call(name: &str) -> Call {
    Call { r#type: Some(call::Type::from_str_name(name).unwrap() as i32), ..Call::default() }
}

/// Removes the commands of queued tasks: Mesos shows them, and the change stream does not contain them.
fn forget_commands(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Array(queued)) = members.get_mut("queued_tasks") {
                queued.iter_mut().filter_map(Value::as_object_mut).for_each(|task| {
                    task.remove("command");
                });
            }
            members.values_mut().for_each(forget_commands);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_commands),
        _ => {}
    }
}

/// Returns the measurements that the shell would have made for this response.
fn measured(name: &str, answer: &Value) -> BTreeMap<ContainerId, Usage> {
    let (list, names): (&Value, _) = match name {
        "/containers" => (answer, ("statistics", "status")),
        "/monitor/statistics" => (answer, ("statistics", "status")),
        "GET_CONTAINERS" => (&answer["get_containers"]["containers"], ("resource_statistics", "container_status")),
        _ => return BTreeMap::new(),
    };
    let part = |entry: &Value, key: &str| entry.get(key).map(|value| serde_json::to_vec(value).unwrap());
    let entries = list.as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let statistics =
                part(entry, names.0).map(|json| wire::json::decode(&json, &wire::Limits::default()).unwrap());
            let status = part(entry, names.1).map(|json| wire::json::decode(&json, &wire::Limits::default()).unwrap());
            let id = match (&entry["container_id"], entry["executor_id"].as_str()) {
                (Value::String(id), _) => id.clone(),
                (Value::Object(id), _) => id["value"].as_str().unwrap().to_owned(),
                (_, executor) => container_of(executor.unwrap()).to_owned(),
            };
            (ContainerId::new(id), Usage { statistics, status })
        })
        .collect()
}

fn container_of(executor: &str) -> &'static str {
    match executor {
        "exec-1" => "container-1",
        "noack-1" => "container-2",
        "sleeper-1" => "container-3",
        other => panic!("{other}"),
    }
}

#[test]
fn draining_is_shown() {
    let mut view = View::new(static_info(&Recording::load("agent-running")["/state"]));
    let config = v1::DrainConfig {
        max_grace_period: Some(v1::DurationInfo { nanoseconds: 5_000_000_000 }),
        mark_gone: Some(true),
    };
    let since = Timestamp::from_nanos(1_700_000_000_900_000_000);
    view.apply(&Change::Agent {
        info: Arc::default(),
        total: Resources::default(),
        master: None,
        registered: true,
        draining: Some(Arc::new(model::agent::Draining { config, since })),
    });
    let snapshot = view.snapshot();
    let state = snapshot.get("/state", &Query::default(), &BTreeMap::new()).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    assert_eq!(state["drain_config"]["max_grace_period"]["nanoseconds"], 5_000_000_000u64);
    assert_eq!(state["drain_config"]["mark_gone"], true);
    assert_eq!(state["estimated_drain_start_time_seconds"], 1_700_000_000);
    let call = Call { r#type: Some(call::Type::GetAgent as i32), ..Call::default() };
    let answer = snapshot.operator(&call, &BTreeMap::new()).unwrap().get_agent.unwrap();
    assert_eq!(answer.drain_config.as_deref(), Some(&config));
    assert_eq!(answer.estimated_drain_start_time.unwrap().nanoseconds, 1_700_000_000_000_000_000);
}

fn replay(recording: &Recording) -> View {
    let response: Response = recording.message("GET_STATE");
    let state = *response.get_state.unwrap();
    let agent: Response = recording.message("GET_AGENT");
    let info = *agent.get_agent.unwrap().agent_info.unwrap();
    let state_json = &recording["/state"];
    let mut view = View::new(static_info(state_json));
    view.apply(&Change::Agent {
        total: Resources::from_proto(&info.resources).unwrap(),
        info: Arc::new(info),
        master: Some(Box::new(v1::MasterInfo {
            hostname: state_json["master_hostname"].as_str().map(str::to_owned),
            ..v1::MasterInfo::default()
        })),
        registered: true,
        draining: None,
    });
    let frameworks = *state.get_frameworks.unwrap();
    for framework in frameworks.frameworks.iter().chain(&frameworks.completed_frameworks) {
        view.apply(&Change::FrameworkAdded(Arc::new(FrameworkSnapshot {
            id: FrameworkId::from(framework.framework_info.id.as_ref().unwrap()),
            info: Arc::new(framework.framework_info.clone()),
            pid: None,
        })));
    }
    let executors = *state.get_executors.unwrap();
    let tasks = *state.get_tasks.unwrap();
    let all_tasks = || {
        let launched = tasks.queued_tasks.iter().chain(&tasks.launched_tasks).chain(&tasks.terminated_tasks);
        launched.map(|task| (task, false)).chain(tasks.completed_tasks.iter().map(|task| (task, true)))
    };
    let live = executors.executors.iter().map(|executor| (&executor.executor_info, true));
    let completed = executors.completed_executors.iter().map(|executor| (&executor.executor_info, false));
    for (info, live) in live.chain(completed) {
        let snapshot = executor_snapshot(state_json, info);
        let (framework, container) = (snapshot.framework.clone(), snapshot.container.clone());
        view.apply(&Change::ExecutorAdded(Arc::new(snapshot)));
        let id = &info.executor_id.value;
        for (task, is_completed) in all_tasks() {
            if task.executor_id.as_ref().map_or(&task.task_id.value, |id| &id.value) != id {
                continue;
            }
            view.apply(&Change::TaskAdded { container: container.clone(), task: Arc::new(task.clone()) });
            let task = TaskId::from(&task.task_id);
            if is_completed {
                view.apply(&Change::TaskCompleted { container: container.clone(), framework: framework.clone(), task });
            }
        }
        if !live {
            let executor = ExecutorId::from(&info.executor_id);
            view.apply(&Change::ExecutorRemoved { framework, executor, container });
        }
    }
    for framework in &frameworks.completed_frameworks {
        let id = framework.framework_info.id.as_ref().unwrap();
        view.apply(&Change::FrameworkRemoved(FrameworkId::from(id)));
    }
    view
}

/// Returns the description of an executor, completed by the fields that only `/state` shows.
fn executor_snapshot(state: &Value, info: &v1::ExecutorInfo) -> ExecutorSnapshot {
    let list = |of: &Value, key: &str| of[key].as_array().unwrap().clone();
    let frameworks = [list(state, "frameworks"), list(state, "completed_frameworks")].concat();
    let executors = frameworks.iter().flat_map(|of| [list(of, "executors"), list(of, "completed_executors")].concat());
    let shown = executors.into_iter().find(|shown| shown["id"] == *info.executor_id.value).unwrap();
    let amount = |name: &str| shown["resources"][name].as_f64().unwrap();
    let ports = shown["resources"].get("ports").map(|ports| format!(";ports:{}", ports.as_str().unwrap()));
    let text = format!("cpus:{};mem:{}{}", amount("cpus"), amount("mem"), ports.unwrap_or_default());
    let is_registering = !shown["queued_tasks"].as_array().unwrap().is_empty();
    ExecutorSnapshot {
        framework: FrameworkId::from(info.framework_id.as_ref().unwrap()),
        id: ExecutorId::from(&info.executor_id),
        container: ContainerId::new(shown["container"].as_str().unwrap()),
        info: Arc::new(info.clone()),
        sandbox: PathBuf::from(shown["directory"].as_str().unwrap()),
        // The recorded agent showed its terminated executor as one without a container.
        state: match info.executor_id.value.as_str() {
            "noack-1" => ExecutorState::Terminated,
            _ if is_registering => ExecutorState::Registering,
            _ => ExecutorState::Running,
        },
        resources: Resources::parse(&text, "*").unwrap(),
        pid: None,
    }
}

fn static_info(state: &Value) -> StaticInfo {
    let text = |key: &str| state.get(key).map(|value| value.as_str().unwrap().to_owned());
    let kind = |name: &Value| v1::agent_info::capability::Type::from_str_name(name.as_str().unwrap()).unwrap() as i32;
    StaticInfo {
        build: build(state),
        pid: text("pid").unwrap().parse().unwrap(),
        started: Timestamp::from_nanos((state["start_time"].as_f64().unwrap() * 1e9) as u64),
        flags: serde_json::from_value(state["flags"].clone()).unwrap(),
        capabilities: state["capabilities"].as_array().unwrap().iter().map(kind).collect(),
        limits: Limits::default(),
    }
}

#[test]
fn containers_are_selected_as_in_mesos() {
    let snapshot = replay(&Recording::load("agent-running")).snapshot();
    let check = |query: &[(&str, &str)], expect: Result<&[&str], InvalidSelection>| {
        let query: Query = query.iter().copied().collect();
        let selected = snapshot.containers(&query);
        assert_eq!(selected, expect.map(|ids| ids.iter().map(ContainerId::new).collect()), "{query:?}");
    };
    check(&[], Ok(&["container-1", "container-3"]));
    check(&[("container_id", "container-3")], Ok(&["container-3"]));
    check(&[("framework_id", "master-0000")], Ok(&["container-1", "container-3"]));
    check(&[("framework_id", "master-0000"), ("executor_id", "exec-1")], Ok(&["container-1"]));
    check(&[("framework_id", "other")], Ok(&[]));
    check(&[("executor_id", "exec-1")], Err(InvalidSelection));
    check(&[("container_id", "container-3"), ("framework_id", "master-0000")], Err(InvalidSelection));
    assert!(snapshot.has_container("container-3"));
    assert!(!snapshot.has_container("container-4"), "its executor is over");
}

#[test]
fn sandboxes_have_the_paths_of_mesos() {
    let mut view = replay(&Recording::load("agent-running"));
    let runs = "/var/lib/mesos/slaves/master-S0/frameworks/master-0000/executors/quick-1/runs";
    let sandbox = Path::new(runs).join("container-4");
    let check = |view: &View, path: &str, expect: Option<(&Path, &str)>| {
        let expect = expect.map(|(directory, rest)| (directory.to_path_buf(), PathBuf::from(rest)));
        assert_eq!(view.snapshot().resolve(path), expect, "{path}");
    };
    let by_ids = "/frameworks/master-0000/executors/quick-1/runs/latest";
    check(&view, &format!("{runs}/container-4"), Some((&sandbox, "")));
    check(&view, &format!("{runs}/container-4/a/b"), Some((&sandbox, "a/b")));
    check(&view, &format!("{runs}/container-4x"), None);
    check(&view, &format!("{runs}/latest/stdout"), Some((&sandbox, "stdout")));
    check(&view, &format!("{by_ids}/stdout"), Some((&sandbox, "stdout")));
    check(&view, &format!("{by_ids}/"), Some((&sandbox, "")));
    check(&view, runs, None);
    check(&view, "/etc/passwd", None);
    let listed = view.snapshot().sandboxes();
    assert_eq!(listed.len(), 4 * 3);
    assert!(listed.contains(&(by_ids.to_owned(), sandbox.clone())));

    let second = Path::new(runs).join("container-5");
    view.apply(&Change::ExecutorAdded(Arc::new(ExecutorSnapshot {
        framework: FrameworkId::new("master-0000"),
        id: ExecutorId::new("quick-1"),
        container: ContainerId::new("container-5"),
        info: Arc::default(),
        sandbox: second.clone(),
        state: ExecutorState::Running,
        resources: Resources::default(),
        pid: Some(7),
    })));
    check(&view, by_ids, Some((&second, "")));
    check(&view, &format!("{runs}/latest"), Some((&second, "")));
    check(&view, &format!("{runs}/container-4"), Some((&sandbox, "")));

    view.apply(&Change::SandboxRemoved(second));
    check(&view, by_ids, Some((&sandbox, "")));
    view.apply(&Change::SandboxRemoved(PathBuf::from(runs)));
    check(&view, by_ids, None);
}

/// After a restart, executors and tasks of an earlier process are shown like those that ended in this one.
#[test]
fn tasks_of_an_earlier_process_are_shown_as_completed() {
    let mut view = replay(&Recording::load("agent-running"));
    let executor = |framework: &str, id: &str| {
        let snapshot = ExecutorSnapshot {
            framework: FrameworkId::new(framework),
            id: ExecutorId::new(id),
            container: ContainerId::new(format!("container-of-{id}")),
            info: Arc::default(),
            sandbox: PathBuf::from(format!("/w/{id}")),
            state: ExecutorState::Terminated,
            resources: Resources::default(),
            pid: None,
        };
        let id = v1::TaskId { value: format!("task of {id}") };
        let task = v1::Task { task_id: id, state: v1::TaskState::TaskFinished as i32, ..Default::default() };
        RecoveredCompletedExecutor { snapshot: Arc::new(snapshot), tasks: vec![Arc::new(task)] }
    };
    let framework = FrameworkSnapshot { id: FrameworkId::new("old"), info: Arc::default(), pid: None };
    view.apply(&Change::CompletedFrameworkRecovered {
        framework: Arc::new(framework),
        executors: vec![executor("old", "a")],
    });
    let live = FrameworkId::new("master-0000");
    view.apply(&Change::CompletedExecutorsRecovered { framework: live, executors: vec![executor("master-0000", "b")] });

    let state = view.snapshot().get("/state", &Query::default(), &BTreeMap::new()).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let completed = |framework: &serde_json::Value, id: &str| {
        let executors = framework["completed_executors"].as_array().unwrap();
        let executor = executors.iter().find(|executor| executor["id"] == id).expect("the executor");
        executor["completed_tasks"][0]["id"].as_str().map(str::to_owned)
    };
    let ended = state["completed_frameworks"].as_array().unwrap().iter().find(|framework| framework["id"] == "old");
    assert_eq!(completed(ended.unwrap(), "a").as_deref(), Some("task of a"));
    let live = state["frameworks"].as_array().unwrap().iter().find(|framework| framework["id"] == "master-0000");
    assert_eq!(completed(live.unwrap(), "b").as_deref(), Some("task of b"));
    assert!(view.snapshot().resolve("/w/a/stdout").is_some());
}

/// Every metric of Mesos is present under its name, even if nothing has been counted yet.
#[test]
fn metrics_have_the_names_of_mesos() {
    let mut counters = Counters::default();
    counters.set("slave/tasks_running", 3.0);
    let ours: BTreeMap<String, f64> = metrics::agent(&counters).into_iter().collect();
    let theirs = Recording::load("agent-killed-metrics");
    let theirs = theirs["/metrics/snapshot"].as_object().unwrap();
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    assert_eq!((ours["slave/tasks_running"], ours["slave/tasks_staging"]), (3.0, 0.0));
}

#[test]
fn tasks_are_queued_until_their_executor_registers() {
    let recording = Recording::load("agent-running");
    let response: Response = recording.message("GET_STATE");
    let executors = response.get_state.unwrap().get_executors.unwrap().executors;
    let info = executors.iter().find(|one| one.executor_info.executor_id.value == "exec-1").unwrap();
    let registering = executor_snapshot(&recording["/state"], &info.executor_info);
    let check = |states: &[ExecutorState], expect: (usize, usize)| {
        let mut view = replay(&recording);
        for state in states {
            let next = ExecutorSnapshot { state: *state, ..registering.clone() };
            view.apply(&Change::ExecutorUpdated(Arc::new(next)));
        }
        let tasks = view.snapshot().operator(&a_call("GET_TASKS"), &BTreeMap::new()).unwrap().get_tasks.unwrap();
        assert_eq!((tasks.queued_tasks.len(), tasks.launched_tasks.len()), expect, "{states:?}");
    };
    check(&[], (1, 1));
    check(&[ExecutorState::Running], (0, 2));
    check(&[ExecutorState::Running, ExecutorState::Terminating], (0, 2));
    check(&[ExecutorState::Terminating], (1, 1));
}

/// A framework with an executor that has ended is completed once and with all its executors, and not while it is active
/// (`Slave::run` and `Slave::removeFramework` in Mesos' `slave.cpp`).
#[test]
fn a_framework_is_completed_once() {
    let mut view = View::new(static_info(&Recording::load("agent-running")["/state"]));
    let check = |view: &View, active: &[(&str, &[&str])], completed: &[(&str, &[&str])]| {
        let state = view.snapshot().get("/state", &Query::default(), &BTreeMap::new()).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        let shown = |key: &str| -> Vec<(String, Vec<String>)> {
            let id = |entity: &Value| entity["id"].as_str().unwrap().to_owned();
            let executors = |of: &Value| of["completed_executors"].as_array().unwrap().iter().map(id).collect();
            state[key].as_array().unwrap().iter().map(|of| (id(of), executors(of))).collect()
        };
        let expected = |list: &[(&str, &[&str])]| -> Vec<(String, Vec<String>)> {
            let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
            list.iter().map(|(id, executors)| ((*id).to_owned(), owned(executors))).collect()
        };
        assert_eq!((shown("frameworks"), shown("completed_frameworks")), (expected(active), expected(completed)));
    };
    let runs = |view: &mut View, framework: &str, executor: &str| {
        view.apply(&framework_added(framework));
        view.apply(&Change::ExecutorAdded(Arc::new(plain_executor(framework, executor))));
    };
    let ends = |view: &mut View, framework: &str, executor: &str| {
        view.apply(&Change::ExecutorRemoved {
            framework: FrameworkId::new(framework),
            executor: ExecutorId::new(executor),
            container: ContainerId::new(format!("container-of-{executor}")),
        });
        view.apply(&Change::FrameworkRemoved(FrameworkId::new(framework)));
    };
    runs(&mut view, "one", "a");
    ends(&mut view, "one", "a");
    runs(&mut view, "two", "x");
    ends(&mut view, "two", "x");
    check(&view, &[], &[("one", &["a"]), ("two", &["x"])]);
    runs(&mut view, "one", "b");
    check(&view, &[("one", &["a"])], &[("two", &["x"])]);
    ends(&mut view, "one", "b");
    check(&view, &[], &[("two", &["x"]), ("one", &["a", "b"])]);
}

/// After a teardown no update says how tasks end: they are shown as completed in the state that they had, use no
/// resources, and are terminated tasks in GET_TASKS; queued tasks stay queued (`Slave::executorTerminated` in Mesos'
/// `slave.cpp`).
#[test]
fn tasks_of_a_torn_down_framework_are_completed() {
    let check = |state: ExecutorState, removed: &[&str], expect: (&[&str], &[&str], &[&str], f64)| {
        let mut view = View::new(static_info(&Recording::load("agent-running")["/state"]));
        view.apply(&framework_added("f"));
        let resources = Resources::parse("cpus:1.1;mem:64", "*").unwrap();
        let executor = ExecutorSnapshot { state, resources, ..plain_executor("f", "e") };
        let container = executor.container.clone();
        view.apply(&Change::ExecutorAdded(Arc::new(executor)));
        let task = v1::Task {
            task_id: v1::TaskId { value: "t".to_owned() },
            state: if state == ExecutorState::Registering {
                v1::TaskState::TaskStaging as i32
            } else {
                v1::TaskState::TaskRunning as i32
            },
            resources: Resources::parse("cpus:1;mem:32", "*").unwrap().to_proto(),
            ..Default::default()
        };
        view.apply(&Change::TaskAdded { container: container.clone(), task: Arc::new(task) });
        for removed in removed {
            match *removed {
                "executor" => view.apply(&Change::ExecutorRemoved {
                    framework: FrameworkId::new("f"),
                    executor: ExecutorId::new("e"),
                    container: container.clone(),
                }),
                _ => view.apply(&Change::FrameworkRemoved(FrameworkId::new("f"))),
            }
        }
        let answer = view.snapshot().get("/state", &Query::default(), &BTreeMap::new()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let framework =
            if removed.contains(&"framework") { &answer["completed_frameworks"][0] } else { &answer["frameworks"][0] };
        let list = if removed.is_empty() { "executors" } else { "completed_executors" };
        let executor = &framework[list][0];
        let ids = |key: &str| -> Vec<&str> {
            executor[key].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect()
        };
        let (queued, launched, over, cpus) = expect;
        assert_eq!(
            (ids("queued_tasks"), ids("tasks"), ids("completed_tasks")),
            (queued.into(), launched.into(), over.into())
        );
        assert_eq!(executor["resources"]["cpus"], cpus, "{removed:?}");
        let tasks = view.snapshot().operator(&a_call("GET_TASKS"), &BTreeMap::new()).unwrap().get_tasks.unwrap();
        let shown = (tasks.queued_tasks.len(), tasks.launched_tasks.len(), tasks.terminated_tasks.len());
        assert_eq!(shown, (queued.len(), launched.len(), over.len()), "{removed:?}");
        assert!(tasks.completed_tasks.is_empty());
    };
    check(ExecutorState::Running, &[], (&[], &["t"], &[], 1.1));
    check(ExecutorState::Running, &["executor"], (&[], &[], &["t"], 0.1));
    check(ExecutorState::Running, &["executor", "framework"], (&[], &[], &["t"], 0.1));
    check(ExecutorState::Running, &["framework"], (&[], &[], &["t"], 0.1));
    check(ExecutorState::Registering, &["executor"], (&["t"], &[], &[], 1.1));
}

fn framework_added(id: &str) -> Change {
    Change::FrameworkAdded(Arc::new(FrameworkSnapshot { id: FrameworkId::new(id), info: Arc::default(), pid: None }))
}

fn plain_executor(framework: &str, id: &str) -> ExecutorSnapshot {
    ExecutorSnapshot {
        framework: FrameworkId::new(framework),
        id: ExecutorId::new(id),
        container: ContainerId::new(format!("container-of-{id}")),
        info: Arc::default(),
        sandbox: PathBuf::from(format!("/w/{id}")),
        state: ExecutorState::Running,
        resources: Resources::default(),
        pid: None,
    }
}

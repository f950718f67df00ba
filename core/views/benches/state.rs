//! The time of reads and changes in a cluster of 10,000 agents with a task each, and in one ten times larger.
//!
//! `cargo bench -p views`

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use messages::v1;
use messages::v1::TaskState;
use messages::v1::master::{Call, call};
use model::master::{AgentSnapshot, Change, FrameworkSnapshot, Offer, TaskRemoval};
use model::{AgentId, FrameworkId, OfferId, Role, TaskId, Timestamp, Upid};
use resources::Resources;
use views::Query;
use views::master::{Build, Limits, StaticInfo, View};

const ID: &str = "7e8dd75b-5dd5-4b3c-a0a9-7b6a4e0b7e1a";

fn main() {
    for size in [10_000, 100_000] {
        println!("{size} agents");
        measure(size);
    }
}

fn measure(size: usize) {
    let mut view = View::new(static_info(size));
    let agents: Vec<Change> = (0..size).map(agent).collect();
    per_change("register an agent", &mut view, agents);
    view.apply(&framework());
    per_change("make an offer", &mut view, (0..size).map(offer).collect());
    per_change("rescind an offer", &mut view, (0..size).map(|n| Change::OfferRemoved(offer_id(n))).collect());
    per_change(
        "add a task",
        &mut view,
        (0..size).map(|n| Change::TaskAdded(Arc::new((&task(n, &[])).into()))).collect(),
    );

    let read = |view: &View, what: &str, path: &str| {
        let snapshot = view.snapshot();
        let (json, took) = timed(|| snapshot.get(path, &Query::default()).map_or(0, |json| json.len()));
        println!("  {what:<44} {:>9.3} ms  {:>6.1} MB", millis(took), json as f64 / 1e6);
    };
    read(&view, "/state, nothing encoded yet", "/state");
    // The change is not visible in the response, which is built again from cached parts.
    view.apply(&Change::OfferRemoved(offer_id(0)));
    read(&view, "/state again", "/state");
    view.apply(&running(0));
    read(&view, "/state after one more update", "/state");
    per_change("update a task", &mut view, (1..size).map(running).collect());
    read(&view, "/state after an update of every task", "/state");
    per_change("finish a task", &mut view, (0..size).map(finished).collect());
    per_change("remove a task", &mut view, (0..size).map(removed).collect());
    read(&view, "/state after all finished", "/state");
    // The change is not visible in the response, which is built again from cached parts.
    view.apply(&Change::OfferRemoved(offer_id(0)));
    read(&view, "/state again", "/state");
    read(&view, "/state-summary", "/state-summary");
    read(&view, "/slaves", "/slaves");
    read(&view, "/slaves again", "/slaves");
    read(&view, "/tasks", "/tasks");
    let (snapshot, took) = timed(|| view.snapshot());
    println!("  {:<44} {:>9.3} µs", "take a snapshot", took.as_secs_f64() * 1e6);
    let change = agent(0);
    let (_, took) = timed(|| view.apply(&change));
    println!("  {:<44} {:>9.3} µs", "the first change after it", took.as_secs_f64() * 1e6);
    let call = Call { r#type: Some(call::Type::GetState as i32), ..Call::default() };
    for what in ["GET_STATE as JSON", "GET_STATE as JSON again"] {
        let (size, took) = timed(|| snapshot.operator_json(&call).map_or(0, |json| json.len()));
        println!("  {what:<44} {:>9.3} ms  {:>6.1} MB", millis(took), size as f64 / 1e6);
    }
    let (size, took) = timed(|| snapshot.operator(&call).map_or(0, |response| wire::encode(&response).len()));
    println!("  {:<44} {:>9.3} ms  {:>6.1} MB", "GET_STATE as protobuf", millis(took), size as f64 / 1e6);
}

fn per_change(what: &str, view: &mut View, changes: Vec<Change>) {
    let (_, took) = timed(|| changes.iter().for_each(|change| view.apply(change)));
    println!("  {what:<44} {:>9.3} µs", took.as_secs_f64() * 1e6 / changes.len() as f64);
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn static_info(history: usize) -> StaticInfo {
    let pid = Upid::new("master", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5050));
    StaticInfo {
        build: Build { version: "1.11.0".to_owned(), ..Build::default() },
        // The limit is high enough to keep all finished tasks.
        limits: Limits { completed_tasks_per_framework: history, ..Limits::default() },
        ..StaticInfo::new(pid, v1::MasterInfo { id: ID.to_owned(), ..v1::MasterInfo::default() })
    }
}

fn agent_id(n: usize) -> AgentId {
    AgentId::new(format!("{ID}-S{n}"))
}

fn framework_id() -> FrameworkId {
    FrameworkId::new(format!("{ID}-0000"))
}

fn offer_id(n: usize) -> OfferId {
    OfferId::new(format!("{ID}-O{n}"))
}

fn resources(text: &str) -> Resources {
    Resources::parse(text, "*").unwrap_or_default()
}

fn agent(n: usize) -> Change {
    Change::AgentAdded(Arc::new(agent_snapshot(n)))
}

fn agent_snapshot(n: usize) -> AgentSnapshot {
    let total = resources("cpus:8;mem:16384;disk:100000;ports:[31000-32000]");
    AgentSnapshot {
        version: "1.11.0".to_owned(),
        capabilities: vec![1, 2, 3, 4, 5, 6, 7, 8],
        registered: Timestamp::from_nanos(1_795_261_628_759_343_104),
        ..AgentSnapshot::new(
            agent_id(n),
            Arc::new(v1::AgentInfo {
                hostname: format!("host-{n}.example.org"),
                port: Some(5051),
                resources: total.to_proto(),
                id: Some(agent_id(n).to_proto()),
                ..v1::AgentInfo::default()
            }),
            Upid::new(format!("slave({n})"), SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5051)),
            total,
        )
    }
}

fn framework() -> Change {
    Change::FrameworkAdded(Arc::new(FrameworkSnapshot {
        registered: Timestamp::from_nanos(1_795_261_631_242_854_912),
        ..FrameworkSnapshot::new(
            framework_id(),
            Arc::new(v1::FrameworkInfo {
                user: "root".to_owned(),
                name: "bench".to_owned(),
                id: Some(framework_id().to_proto()),
                ..v1::FrameworkInfo::default()
            }),
            vec![Role::new("*")],
        )
    }))
}

fn offer(n: usize) -> Change {
    Change::OfferAdded(Arc::new(Offer {
        id: offer_id(n),
        framework: framework_id(),
        agent: Arc::new(agent_snapshot(n)),
        role: Role::new("*"),
        executors: Vec::new(),
        unavailability: None,
        resources: resources("cpus:8;mem:16384;disk:100000;ports:[31000-32000]").allocated(&Role::new("*")),
    }))
}

fn task(n: usize, states: &[TaskState]) -> v1::Task {
    let id = v1::TaskId { value: format!("task-{n}") };
    let statuses = states.iter().map(|state| v1::TaskStatus {
        task_id: id.clone(),
        state: *state as i32,
        timestamp: Some(1_795_261_631.831_210_7 + n as f64 / 1000.0),
        source: Some(v1::task_status::Source::Executor as i32),
        agent_id: Some(agent_id(n).to_proto()),
        uuid: Some(vec![7; 16]),
        container_status: Some(Box::new(v1::ContainerStatus {
            container_id: Some(Box::new(v1::ContainerId { value: ID.to_owned(), parent: None })),
            ..v1::ContainerStatus::default()
        })),
        ..v1::TaskStatus::default()
    });
    v1::Task {
        name: format!("a task {n}"),
        framework_id: framework_id().to_proto(),
        agent_id: agent_id(n).to_proto(),
        state: states.last().copied().unwrap_or(TaskState::TaskStaging) as i32,
        resources: resources("cpus:0.1;mem:32").allocated(&Role::new("*")).to_proto(),
        statuses: statuses.collect(),
        task_id: id,
        ..v1::Task::default()
    }
}

fn updated(n: usize, states: &[TaskState]) -> Change {
    let task = task(n, states);
    Change::TaskUpdated {
        status: Arc::new(task.statuses.last().cloned().unwrap_or_default()),
        task: Arc::new((&task).into()),
    }
}

fn running(n: usize) -> Change {
    updated(n, &[TaskState::TaskRunning])
}

fn finished(n: usize) -> Change {
    updated(n, &[TaskState::TaskRunning, TaskState::TaskFinished])
}

fn removed(n: usize) -> Change {
    let task = TaskId::new(format!("task-{n}"));
    Change::TaskRemoved { framework: framework_id(), task, removal: TaskRemoval::Completed }
}

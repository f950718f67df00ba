//! Responses depend on the state and not on its history. The responses of a view that followed all changes, with
//! readers and cached fragments in between, equal those of a view that is built from the final state.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use messages::v1;
use messages::v1::TaskState;
use messages::v1::master::{Call, call};
use model::master::{
    AgentRemoval, AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, Offer, RemovalReason, TaskRemoval,
    TaskSnapshot, UnreachableReason,
};
use model::{AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId, Timestamp, Upid};
use proptest::prelude::*;
use resources::Resources;
use views::Query;
use views::master::{Limits, StaticInfo, View};
use views::metrics::{self, Counters};

const LIMITS: Limits =
    Limits { completed_frameworks: 2, completed_tasks_per_framework: 3, unreachable_tasks_per_framework: 2 };

/// One step of the history. The numbers are small, so that steps concern the same entities.
#[derive(Debug, Clone)]
enum Step {
    Agent { agent: u8, cpus: u8 },
    AgentLost { agent: u8, reachable: bool },
    Framework { framework: u8, connected: bool },
    FrameworkGone { framework: u8 },
    Task { framework: u8, task: u8, agent: u8, cpus: u8 },
    Update { framework: u8, task: u8, state: u8 },
    Forget { framework: u8, task: u8 },
    Executor { framework: u8, agent: u8 },
    ExecutorGone { framework: u8, agent: u8 },
    Offer { offer: u8, framework: u8, agent: u8, cpus: u8 },
    OfferGone { offer: u8 },
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    let (agent, framework, task, offer, cpus) = (0..3u8, 0..4u8, 0..6u8, 0..5u8, 1..5u8);
    prop_oneof![
        2 => (agent.clone(), cpus.clone()).prop_map(|(agent, cpus)| Step::Agent { agent, cpus }),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, reachable)| Step::AgentLost { agent, reachable }),
        2 => (framework.clone(), any::<bool>()).prop_map(|(framework, connected)| Step::Framework { framework, connected }),
        1 => framework.clone().prop_map(|framework| Step::FrameworkGone { framework }),
        6 => (framework.clone(), task.clone(), agent.clone(), cpus.clone())
            .prop_map(|(framework, task, agent, cpus)| Step::Task { framework, task, agent, cpus }),
        6 => (framework.clone(), task.clone(), 0..14u8)
            .prop_map(|(framework, task, state)| Step::Update { framework, task, state }),
        3 => (framework.clone(), task).prop_map(|(framework, task)| Step::Forget { framework, task }),
        2 => (framework.clone(), agent.clone()).prop_map(|(framework, agent)| Step::Executor { framework, agent }),
        1 => (framework.clone(), agent.clone()).prop_map(|(framework, agent)| Step::ExecutorGone { framework, agent }),
        3 => (offer.clone(), framework, agent, cpus)
            .prop_map(|(offer, framework, agent, cpus)| Step::Offer { offer, framework, agent, cpus }),
        2 => offer.prop_map(|offer| Step::OfferGone { offer }),
        1 => Just(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_view_depends_on_the_state_and_not_on_its_history(steps in prop::collection::vec(step(), 0..60)) {
        let mut lived = View::new(static_info());
        let mut cluster = Cluster::default();
        for step in &steps {
            if let Step::Read = step {
                // This fills the caches of all entities.
                let _ = shown(&lived);
            }
            for change in cluster.take(step) {
                lived.apply(&change);
            }
        }
        let mut rebuilt = View::new(static_info());
        cluster.changes_from_scratch().iter().for_each(|change| rebuilt.apply(change));
        prop_assert_eq!(shown(&lived), shown(&rebuilt));
        prop_assert_eq!(gauges(&lived), gauges(&rebuilt));
    }

    #[test]
    fn responses_from_cached_parts_equal_the_whole(steps in prop::collection::vec(step(), 0..60)) {
        const READS: [call::Type; 6] = [
            call::Type::GetState, call::Type::GetAgents, call::Type::GetFrameworks, call::Type::GetExecutors,
            call::Type::GetTasks, call::Type::GetRoles,
        ];
        let mut view = View::new(static_info());
        let mut cluster = Cluster::default();
        for step in &steps {
            cluster.take(step).iter().for_each(|change| view.apply(change));
            if let Step::Read = step {
                for kind in READS {
                    let (parts, whole) = answers_of(&view, kind);
                    prop_assert_eq!(parts, whole);
                }
            }
        }
        for kind in READS {
            let (parts, whole) = answers_of(&view, kind);
            prop_assert_eq!(parts, whole);
        }
        let call = Call { r#type: Some(call::Type::GetFrameworks as i32), ..Call::default() };
        let json = String::from_utf8(view.operator_json(&call).unwrap().to_vec()).unwrap();
        let frameworks = view.operator(&call).unwrap().get_frameworks.unwrap();
        for framework in frameworks.frameworks.iter().chain(&frameworks.completed_frameworks) {
            let whole = String::from_utf8(wire::json::encode(framework)).unwrap();
            prop_assert!(json.contains(&whole), "{} is not in {}", whole, json);
        }
        let subscribed = view.snapshot().subscribed_protobuf();
        let subscribed: v1::master::Event = wire::decode(&subscribed, &wire::Limits::default()).unwrap();
        prop_assert_eq!(subscribed, view.subscribed());
    }

    #[test]
    fn kept_counts_equal_a_recount(steps in prop::collection::vec(step(), 0..60)) {
        let mut view = View::new(static_info());
        let mut cluster = Cluster::default();
        for change in steps.iter().flat_map(|step| cluster.take(step)) {
            view.apply(&change);
            let counted = counted(&view);
            prop_assert_eq!(kept(&view, &counted), counted);
        }
    }

    /// Changes of unknown entities, which occur when a view begins in the middle of a stream, leave the counts correct.
    #[test]
    fn kept_counts_equal_a_recount_from_the_middle_of_a_stream(
        steps in prop::collection::vec(step(), 0..60),
        begin in 0..60usize,
    ) {
        let mut view = View::new(static_info());
        let mut cluster = Cluster::default();
        let changes: Vec<Change> = steps.iter().flat_map(|step| cluster.take(step)).collect();
        changes.iter().skip(begin).for_each(|change| view.apply(change));
        let counted = counted(&view);
        prop_assert_eq!(kept(&view, &counted), counted);
    }

    #[test]
    fn a_snapshot_never_changes(before in prop::collection::vec(step(), 0..40), after in prop::collection::vec(step(), 1..40)) {
        let mut view = View::new(static_info());
        let mut cluster = Cluster::default();
        before.iter().flat_map(|step| cluster.take(step)).for_each(|change| view.apply(&change));
        let snapshot = view.snapshot();
        let kept = snapshot.get("/state", &Query::default());
        after.iter().flat_map(|step| cluster.take(step)).for_each(|change| view.apply(&change));
        prop_assert_eq!(snapshot.get("/slaves", &Query::default()), view_of(&snapshot_changes(&before)).get("/slaves", &Query::default()));
        prop_assert_eq!(snapshot.get("/state", &Query::default()), kept);
    }
}

fn snapshot_changes(steps: &[Step]) -> Vec<Change> {
    let mut cluster = Cluster::default();
    steps.iter().flat_map(|step| cluster.take(step)).collect()
}

fn view_of(changes: &[Change]) -> View {
    let mut view = View::new(static_info());
    changes.iter().for_each(|change| view.apply(change));
    view
}

fn shown(view: &View) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for path in ["/state", "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles"] {
        let json = view.get(path, &Query::default()).unwrap();
        answers.push((path.to_owned(), String::from_utf8(json.to_vec()).unwrap()));
    }
    let call = Call { r#type: Some(call::Type::GetState as i32), ..Call::default() };
    let json = view.operator_json(&call).unwrap();
    answers.push(("GET_STATE".to_owned(), String::from_utf8(json.to_vec()).unwrap()));
    answers.push(("GET_STATE as protobuf".to_owned(), format!("{:?}", view.operator_protobuf(&call).unwrap())));
    answers
}

/// Returns a response of the operator API twice: decoded from encoded parts, and as the expected message.
fn answers_of(view: &View, kind: call::Type) -> (v1::master::Response, v1::master::Response) {
    let call = Call { r#type: Some(kind as i32), ..Call::default() };
    let encoded = view.operator_protobuf(&call).unwrap();
    (wire::decode(&encoded, &wire::Limits::default()).unwrap(), view.operator(&call).unwrap())
}

/// Returns the metrics of resources, and of the tasks of counted frameworks, that `metrics::master` keeps.
fn kept(view: &View, counted: &[(String, f64)]) -> Vec<(String, f64)> {
    let is_counted = |name: &str| {
        name.starts_with("allocator/mesos/resources/") || counted.iter().any(|(counted, _)| counted == name)
    };
    let metrics = metrics::master(&view.snapshot(), &Counters::default()).into_iter();
    metrics.filter(|(name, _)| is_counted(name)).collect()
}

/// Returns the same metrics, computed from the entities that readers are shown.
fn counted(view: &View) -> Vec<(String, f64)> {
    let call = Call { r#type: Some(call::Type::GetState as i32), ..Call::default() };
    let state = view.operator(&call).unwrap().get_state.unwrap();
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for name in ["cpus", "mem", "disk"] {
        counts.insert(format!("allocator/mesos/resources/{name}/total"), 0.0);
    }
    let scalars = |resources: &[v1::Resource]| -> Vec<(String, f64)> {
        resources.iter().filter_map(|one| Some((one.name.clone(), one.scalar.as_ref()?.value))).collect()
    };
    let agents = state.get_agents.unwrap().agents;
    for (name, amount) in agents.iter().flat_map(|agent| scalars(&agent.total_resources)) {
        *counts.entry(format!("allocator/mesos/resources/{name}/total")).or_default() += amount;
    }
    let names: Vec<String> = counts.keys().map(|name| name.replace("/total", "/offered_or_allocated")).collect();
    counts.extend(names.into_iter().map(|name| (name, 0.0)));
    let held = |agent: &v1::master::response::get_agents::Agent| {
        [scalars(&agent.allocated_resources), scalars(&agent.offered_resources)].concat()
    };
    for (name, amount) in agents.iter().flat_map(held) {
        if let Some(sum) = counts.get_mut(&format!("allocator/mesos/resources/{name}/offered_or_allocated")) {
            *sum += amount;
        }
    }
    let tasks = state.get_tasks.unwrap();
    let frameworks = state.get_frameworks.unwrap();
    let infos: Vec<&v1::FrameworkInfo> = frameworks
        .frameworks
        .iter()
        .chain(&frameworks.completed_frameworks)
        .map(|framework| &framework.framework_info)
        .collect();
    for info in &infos {
        let id = &info.id.as_ref().unwrap().value;
        // These steps may use a framework id twice, which no master does. Both frameworks then have metrics of the same
        // names.
        if infos.iter().filter(|other| other.id == info.id).count() > 1 {
            continue;
        }
        let of_framework = |tasks: &[v1::Task], state: Option<TaskState>| {
            let tasks = tasks.iter().filter(|task| task.framework_id.value == *id);
            tasks.filter(|task| state.is_none_or(|state| task.state() == state)).count()
        };
        for state in ["STAGING", "STARTING", "RUNNING", "KILLING", "UNREACHABLE", "UNKNOWN"] {
            let state = TaskState::from_str_name(&format!("TASK_{state}")).unwrap();
            let unreachable = match state {
                TaskState::TaskUnreachable => of_framework(&tasks.unreachable_tasks, None),
                _ => 0,
            };
            let prefix = metrics::framework_prefix(&info.name, id);
            let name = format!("{prefix}tasks/active/{}", state.as_str_name().to_lowercase());
            counts.insert(name, (of_framework(&tasks.tasks, Some(state)) + unreachable) as f64);
        }
    }
    // Amounts are compared in thousandths, since sums of doubles are not exact.
    counts.into_iter().map(|(name, count)| (name, (count * 1000.0).round() / 1000.0)).collect()
}

/// Returns the metrics without those that count events.
fn gauges(view: &View) -> Vec<(String, f64)> {
    let is_gauge = |name: &str| {
        let ended = ["finished", "failed", "killed", "error", "lost", "dropped", "gone", "gone_by_operator"];
        name.starts_with("allocator/")
            || name.starts_with("master/slaves_")
            || name.starts_with("master/frameworks_")
            || name == "master/outstanding_offers"
            || name.ends_with("_used")
            || name.strip_prefix("master/tasks_").is_some_and(|state| !ended.contains(&state))
    };
    let snapshot = view.snapshot();
    let all = metrics::master(&snapshot, &Counters::default()).into_iter().chain(metrics::recount(&snapshot));
    all.filter(|(name, _)| is_gauge(name)).collect()
}

/// The state of a master in the simplest form. It publishes changes as a master does: before an agent is removed,
/// everything on it is.
#[derive(Debug, Default)]
struct Cluster {
    agents: Vec<AgentSnapshot>,
    frameworks: Vec<Framework>,
    completed: Vec<Framework>,
    unreachable: BTreeSet<AgentId>,
}

#[derive(Debug)]
struct Framework {
    snapshot: FrameworkSnapshot,
    tasks: Vec<v1::Task>,
    unreachable: Vec<v1::Task>,
    completed: Vec<v1::Task>,
    /// The executors, with numbers that give their order.
    executors: Vec<(usize, ExecutorSnapshot)>,
    offers: Vec<(usize, Offer)>,
    appeared: usize,
}

impl Cluster {
    fn take(&mut self, step: &Step) -> Vec<Change> {
        match *step {
            Step::Agent { agent, cpus } => self.agent(agent, cpus),
            Step::AgentLost { agent, reachable } => self.agent_lost(&agent_id(agent), reachable),
            Step::Framework { framework, connected } => self.framework(framework, connected),
            Step::FrameworkGone { framework } => self.framework_gone(framework),
            Step::Task { framework, task, agent, cpus } => self.task(framework, task, agent, cpus),
            Step::Update { framework, task, state } => self.update(framework, task, state),
            Step::Forget { framework, task } => {
                let Some(framework) = self.find(framework) else { return Vec::new() };
                let id = task_id(task);
                framework.forget(|task| task.task_id.value == id, TaskRemoval::Completed)
            }
            Step::Executor { framework, agent } => self.executor(framework, agent),
            Step::ExecutorGone { framework, agent } => {
                let Some(framework) = self.find(framework) else { return Vec::new() };
                framework.executors_gone(&agent_id(agent))
            }
            Step::Offer { offer, framework, agent, cpus } => self.offer(offer, framework, agent, cpus),
            Step::OfferGone { offer } => self.offers_gone(|made| made.id == offer_id(offer)),
            Step::Read => Vec::new(),
        }
    }

    fn find(&mut self, framework: u8) -> Option<&mut Framework> {
        self.frameworks.iter_mut().find(|known| known.snapshot.id == framework_id(framework))
    }

    fn has_agent(&self, agent: u8) -> bool {
        self.agents.iter().any(|known| known.id == agent_id(agent))
    }

    fn agent(&mut self, agent: u8, cpus: u8) -> Vec<Change> {
        let snapshot = AgentSnapshot {
            version: "1.11.0".to_owned(),
            capabilities: vec![1],
            active: cpus > 1,
            connected: cpus > 2,
            deactivated: cpus == 1,
            ..AgentSnapshot::new(
                agent_id(agent),
                Arc::new(v1::AgentInfo { hostname: format!("host-{agent}"), ..v1::AgentInfo::default() }),
                Upid::new("slave(1)", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5051)),
                Resources::parse(&format!("cpus:{cpus};cpus(eng):2;ports:[1-9]"), "*").unwrap(),
            )
        };
        self.unreachable.remove(&snapshot.id);
        let shared = Arc::new(snapshot.clone());
        match self.agents.iter_mut().find(|known| known.id == snapshot.id) {
            Some(known) => {
                *known = snapshot;
                vec![Change::AgentUpdated(shared)]
            }
            None => {
                let id = snapshot.id.clone();
                self.agents.push(snapshot);
                let mut changes: Vec<Change> =
                    self.frameworks.iter_mut().flat_map(|framework| framework.forget_unreachable(&id)).collect();
                changes.push(Change::AgentAdded(shared));
                changes
            }
        }
    }

    fn agent_lost(&mut self, id: &AgentId, reachable: bool) -> Vec<Change> {
        let (task, removal) = match reachable {
            true => (TaskRemoval::Completed, AgentRemoval::Removed(RemovalReason::Unregistered)),
            false => (TaskRemoval::Unreachable, AgentRemoval::Unreachable(UnreachableReason::PingTimeout)),
        };
        let mut changes = self.offers_gone(|made| made.agent.id == *id);
        for framework in &mut self.frameworks {
            changes.extend(framework.forget(|known| known.agent_id.value == id.as_str(), task));
            changes.extend(framework.executors_gone(id));
        }
        self.agents.retain(|known| known.id != *id);
        match removal {
            AgentRemoval::Unreachable(_) => self.unreachable.insert(id.clone()),
            _ => self.unreachable.remove(id),
        };
        changes.push(agent_removed(id, removal));
        changes
    }

    fn framework(&mut self, framework: u8, connected: bool) -> Vec<Change> {
        let snapshot = framework_snapshot(framework, connected);
        let shared = Arc::new(snapshot.clone());
        match self.find(framework) {
            Some(known) => {
                known.snapshot = snapshot;
                vec![Change::FrameworkUpdated(shared)]
            }
            None => {
                self.frameworks.push(Framework::new(snapshot));
                vec![Change::FrameworkAdded(shared)]
            }
        }
    }

    fn framework_gone(&mut self, framework: u8) -> Vec<Change> {
        let Some(at) = self.frameworks.iter().position(|known| known.snapshot.id == framework_id(framework)) else {
            return Vec::new();
        };
        let mut gone = self.frameworks.remove(at);
        gone.snapshot.unregistered = Some(Timestamp::from_nanos(7));
        let tasks = std::mem::take(&mut gone.tasks);
        tasks.into_iter().for_each(|task| remember(&mut gone.completed, task, LIMITS.completed_tasks_per_framework));
        gone.executors.clear();
        gone.offers.clear();
        let snapshot = Arc::new(gone.snapshot.clone());
        remember(&mut self.completed, gone, LIMITS.completed_frameworks);
        vec![Change::FrameworkRemoved(snapshot)]
    }

    fn task(&mut self, framework: u8, task: u8, agent: u8, cpus: u8) -> Vec<Change> {
        if !self.has_agent(agent) {
            return Vec::new();
        }
        let Some(framework) = self.find(framework) else { return Vec::new() };
        if framework.tasks.iter().any(|known| known.task_id.value == task_id(task)) {
            return Vec::new();
        }
        let added = v1::Task {
            name: format!("task {task}"),
            task_id: v1::TaskId { value: task_id(task) },
            framework_id: framework.snapshot.id.to_proto(),
            agent_id: agent_id(agent).to_proto(),
            resources: held(cpus).to_proto(),
            state: TaskState::TaskStaging as i32,
            ..v1::Task::default()
        };
        framework.unreachable.retain(|known| known.task_id != added.task_id);
        framework.tasks.push(added.clone());
        vec![Change::TaskAdded(Arc::new(TaskSnapshot::from(&added)))]
    }

    fn update(&mut self, framework: u8, task: u8, state: u8) -> Vec<Change> {
        let state = TaskState::try_from(i32::from(state)).unwrap();
        let Some(framework) = self.find(framework) else { return Vec::new() };
        let Some(known) = framework.tasks.iter_mut().find(|known| known.task_id.value == task_id(task)) else {
            return Vec::new();
        };
        let status = v1::TaskStatus {
            task_id: known.task_id.clone(),
            state: state as i32,
            timestamp: Some(known.statuses.len() as f64),
            ..v1::TaskStatus::default()
        };
        known.state = state as i32;
        known.statuses.push(status.clone());
        vec![Change::TaskUpdated { task: Arc::new(TaskSnapshot::from(&*known)), status: Arc::new(status) }]
    }

    fn executor(&mut self, framework: u8, agent: u8) -> Vec<Change> {
        if !self.has_agent(agent) {
            return Vec::new();
        }
        let Some(framework) = self.find(framework) else { return Vec::new() };
        if framework.executors.iter().any(|(_, known)| known.agent == agent_id(agent)) {
            return Vec::new();
        }
        let added = ExecutorSnapshot {
            framework: framework.snapshot.id.clone(),
            agent: agent_id(agent),
            info: Arc::new(v1::ExecutorInfo {
                executor_id: v1::ExecutorId { value: "executor".to_owned() },
                resources: held(1).to_proto(),
                ..v1::ExecutorInfo::default()
            }),
        };
        framework.appeared += 1;
        framework.executors.push((framework.appeared, added.clone()));
        vec![Change::ExecutorAdded(Arc::new(added))]
    }

    fn offer(&mut self, offer: u8, framework: u8, agent: u8, cpus: u8) -> Vec<Change> {
        let known = |framework: &Framework| framework.offers.iter().any(|(_, made)| made.id == offer_id(offer));
        if self.frameworks.iter().any(known) {
            return Vec::new();
        }
        let Some(agent) = self.agents.iter().find(|known| known.id == agent_id(agent)).cloned() else {
            return Vec::new();
        };
        let Some(framework) = self.find(framework) else { return Vec::new() };
        let there = framework.executors.iter().filter(|(_, executor)| executor.agent == agent.id);
        let made = Offer {
            executors: there.map(|(_, executor)| ExecutorId::from(&executor.info.executor_id)).collect(),
            unavailability: None,
            id: offer_id(offer),
            framework: framework.snapshot.id.clone(),
            agent: Arc::new(agent),
            role: Role::new("eng"),
            resources: held(cpus),
        };
        framework.appeared += 1;
        framework.offers.push((framework.appeared, made.clone()));
        vec![Change::OfferAdded(Arc::new(made))]
    }

    fn offers_gone(&mut self, which: impl Fn(&Offer) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for framework in &mut self.frameworks {
            let gone = framework.offers.extract_if(.., |(_, made)| which(made));
            changes.extend(gone.map(|(_, made)| Change::OfferRemoved(made.id)));
        }
        changes
    }

    /// Returns the shortest list of changes that leads to the same state.
    fn changes_from_scratch(&self) -> Vec<Change> {
        let lost = self
            .unreachable
            .iter()
            .map(|agent| agent_removed(agent, AgentRemoval::Unreachable(UnreachableReason::PingTimeout)));
        let agents = self.agents.iter().map(|agent| Change::AgentAdded(Arc::new(agent.clone())));
        let mut changes: Vec<Change> = lost.chain(agents).collect();
        for framework in self.completed.iter().chain(&self.frameworks) {
            changes.push(Change::FrameworkAdded(Arc::new(framework.snapshot.clone())));
            let id = &framework.snapshot.id;
            let histories =
                [(&framework.completed, TaskRemoval::Completed), (&framework.unreachable, TaskRemoval::Unreachable)];
            for (tasks, removal) in histories {
                for task in tasks {
                    changes.push(Change::TaskAdded(Arc::new(task.into())));
                    let task = TaskId::from(&task.task_id);
                    changes.push(Change::TaskRemoved { framework: id.clone(), task, removal });
                }
            }
            changes.extend(framework.tasks.iter().map(|task| Change::TaskAdded(Arc::new(task.into()))));
            let executors = framework.executors.iter().cloned();
            let executors = executors.map(|(at, one)| (at, Change::ExecutorAdded(Arc::new(one))));
            let offers = framework.offers.iter().cloned().map(|(at, one)| (at, Change::OfferAdded(Arc::new(one))));
            let mut in_order: Vec<(usize, Change)> = executors.chain(offers).collect();
            in_order.sort_by_key(|(at, _)| *at);
            changes.extend(in_order.into_iter().map(|(_, change)| change));
            if framework.snapshot.unregistered.is_some() {
                changes.push(Change::FrameworkRemoved(Arc::new(framework.snapshot.clone())));
            }
        }
        changes
    }
}

impl Framework {
    fn new(snapshot: FrameworkSnapshot) -> Self {
        Framework {
            snapshot,
            tasks: Vec::new(),
            unreachable: Vec::new(),
            completed: Vec::new(),
            executors: Vec::new(),
            offers: Vec::new(),
            appeared: 0,
        }
    }

    fn forget(&mut self, which: impl Fn(&v1::Task) -> bool, removal: TaskRemoval) -> Vec<Change> {
        let gone: Vec<v1::Task> = self.tasks.extract_if(.., |task| which(task)).collect();
        let mut changes = Vec::new();
        for task in gone {
            let (framework, id) = (self.snapshot.id.clone(), TaskId::from(&task.task_id));
            match removal {
                TaskRemoval::Completed => {
                    remember(&mut self.completed, task, LIMITS.completed_tasks_per_framework);
                }
                TaskRemoval::Unreachable => {
                    remember(&mut self.unreachable, task, LIMITS.unreachable_tasks_per_framework);
                }
                TaskRemoval::AgentReregistered => {}
            }
            changes.push(Change::TaskRemoved { framework, task: id, removal });
        }
        changes
    }

    /// Removes the unreachable tasks of an agent that has returned.
    fn forget_unreachable(&mut self, agent: &AgentId) -> Vec<Change> {
        let gone = self.unreachable.extract_if(.., |task| task.agent_id.value == agent.as_str());
        gone.map(|task| Change::TaskRemoved {
            framework: self.snapshot.id.clone(),
            task: TaskId::from(&task.task_id),
            removal: TaskRemoval::AgentReregistered,
        })
        .collect()
    }

    fn executors_gone(&mut self, agent: &AgentId) -> Vec<Change> {
        let gone = self.executors.extract_if(.., |(_, executor)| executor.agent == *agent);
        gone.map(|(_, executor)| Change::ExecutorRemoved {
            framework: executor.framework,
            agent: executor.agent,
            executor: ExecutorId::from(&executor.info.executor_id),
        })
        .collect()
    }
}

fn agent_removed(agent: &AgentId, removal: AgentRemoval) -> Change {
    Change::AgentRemoved { agent: agent.clone(), removal, at: Timestamp::default() }
}

fn remember<T>(history: &mut Vec<T>, entry: T, limit: usize) {
    history.push(entry);
    if history.len() > limit {
        history.remove(0);
    }
}

fn framework_snapshot(framework: u8, connected: bool) -> FrameworkSnapshot {
    FrameworkSnapshot {
        active: connected,
        connected,
        ..FrameworkSnapshot::new(
            framework_id(framework),
            Arc::new(v1::FrameworkInfo {
                name: format!("framework {framework}"),
                user: "user".to_owned(),
                id: Some(framework_id(framework).to_proto()),
                ..v1::FrameworkInfo::default()
            }),
            vec![Role::new("eng")],
        )
    }
}

fn held(cpus: u8) -> Resources {
    Resources::parse(&format!("cpus:{cpus};mem:0.{cpus}"), "*").unwrap().allocated(&Role::new("eng"))
}

fn agent_id(agent: u8) -> AgentId {
    AgentId::new(format!("S{agent}"))
}

fn framework_id(framework: u8) -> FrameworkId {
    FrameworkId::new(format!("F{framework}"))
}

fn task_id(task: u8) -> String {
    format!("T{task}")
}

fn offer_id(offer: u8) -> OfferId {
    OfferId::new(format!("O{offer}"))
}

fn static_info() -> StaticInfo {
    StaticInfo {
        limits: LIMITS,
        ..StaticInfo::new(Upid::new("master", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5050)), v1::MasterInfo::default())
    }
}

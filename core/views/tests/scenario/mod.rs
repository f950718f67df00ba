//! The changes that lead to the state of a recorded master.
#![allow(dead_code, reason = "each test needs a part of it")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use messages::v1;
use messages::v1::master::{Response, response};
use model::master::{AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, Offer, TaskRemoval};
use model::{AgentId, ExecutorId, FrameworkId, Role, TaskId, Timestamp, Upid};
use resources::Resources;
use views::master::{StaticInfo, View};

use crate::common::{Recording, build};

/// The changes that lead to the recorded `GET_STATE`.
pub fn replay(recording: &Recording) -> View {
    let state = state(recording);
    let mut view = View::new(static_info_of(recording));
    let agents: Vec<Arc<AgentSnapshot>> =
        state.get_agents.unwrap().agents.into_iter().map(|agent| Arc::new(agent_snapshot(agent))).collect();
    agents.iter().for_each(|agent| view.apply(&Change::AgentAdded(Arc::clone(agent))));
    let frameworks = *state.get_frameworks.unwrap();
    for framework in frameworks.frameworks.iter().chain(&frameworks.completed_frameworks) {
        view.apply(&Change::FrameworkAdded(Arc::new(framework_snapshot(framework))));
    }
    for recorded in frameworks.frameworks.iter().flat_map(|framework| &framework.offers) {
        let agent = agents.iter().find(|agent| agent.id.as_str() == recorded.agent_id.value).unwrap();
        view.apply(&Change::OfferAdded(Arc::new(offer(recorded, agent))));
    }
    for mut executor in state.get_executors.unwrap().executors {
        // The recording prints the default of this field, which was not set.
        executor.executor_info.command.as_mut().unwrap().shell = None;
        view.apply(&Change::ExecutorAdded(Arc::new(ExecutorSnapshot {
            framework: FrameworkId::from(executor.executor_info.framework_id.as_ref().unwrap()),
            agent: AgentId::from(&executor.agent_id),
            info: Arc::new(executor.executor_info),
        })));
    }
    let tasks = *state.get_tasks.unwrap();
    for task in &tasks.tasks {
        view.apply(&Change::TaskAdded(Arc::new(task.into())));
    }
    for task in &tasks.completed_tasks {
        view.apply(&Change::TaskAdded(Arc::new(task.into())));
        view.apply(&Change::TaskRemoved {
            framework: FrameworkId::from(&task.framework_id),
            task: TaskId::from(&task.task_id),
            removal: TaskRemoval::Completed,
        });
    }
    for framework in &frameworks.completed_frameworks {
        view.apply(&Change::FrameworkRemoved(Arc::new(framework_snapshot(framework))));
    }
    view
}

pub fn agent_snapshot(agent: response::get_agents::Agent) -> AgentSnapshot {
    AgentSnapshot {
        id: AgentId::from(agent.agent_info.id.as_ref().unwrap()),
        pid: agent.pid.unwrap().parse().unwrap(),
        version: agent.version,
        capabilities: agent.capabilities.iter().map(|capability| capability.r#type() as i32).collect(),
        registered: time(agent.registered_time),
        reregistered: agent.reregistered_time.map(|time| Timestamp::from_nanos(time.nanoseconds as u64)),
        active: agent.active,
        connected: true,
        deactivated: agent.deactivated.unwrap_or_default(),
        drain: agent.drain_info.map(|info| *info),
        drain_started: agent.estimated_drain_start_time.map(|at| time(Some(at))),
        total: Resources::from_proto(&agent.total_resources).unwrap(),
        info: Arc::new(agent.agent_info),
    }
}

pub fn framework_snapshot(framework: &response::get_frameworks::Framework) -> FrameworkSnapshot {
    let info = &framework.framework_info;
    let roles = if info.roles.is_empty() { vec![Role::new("*")] } else { info.roles.iter().map(Role::new).collect() };
    FrameworkSnapshot {
        id: FrameworkId::from(info.id.as_ref().unwrap()),
        roles,
        suppressed: Vec::new(),
        offer_constraints: None,
        framework_metrics: Default::default(),
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

fn offer(offer: &v1::Offer, agent: &Arc<AgentSnapshot>) -> Offer {
    Offer {
        id: (&offer.id).into(),
        framework: (&offer.framework_id).into(),
        agent: Arc::clone(agent),
        role: Role::new(offer.allocation_info.as_ref().unwrap().role()),
        resources: Resources::from_proto(&offer.resources).unwrap(),
        executors: offer.executor_ids.iter().map(ExecutorId::from).collect(),
        unavailability: offer.unavailability.as_deref().copied(),
    }
}

fn time(time: Option<v1::TimeInfo>) -> Timestamp {
    Timestamp::from_nanos(time.unwrap().nanoseconds as u64)
}

pub fn static_info_of(recording: &Recording) -> StaticInfo {
    let master: Response = recording.message("GET_MASTER");
    let master = *master.get_master.unwrap();
    let info = *master.master_info.unwrap();
    let state = &recording["/state"];
    let text = |key: &str| state.get(key).map(|value| value.as_str().unwrap().to_owned());
    let seconds = |seconds: f64| Timestamp::from_nanos((seconds * 1e9) as u64);
    StaticInfo {
        build: build(state),
        leader: Some(info.clone()),
        started: seconds(master.start_time.unwrap()),
        elected: master.elected_time.map(seconds),
        flags: serde_json::from_value::<BTreeMap<String, String>>(state["flags"].clone()).unwrap(),
        ..StaticInfo::new(text("pid").unwrap().parse().unwrap(), info)
    }
}

/// Returns the static facts of a master, none of which matters here.
pub fn static_info() -> StaticInfo {
    StaticInfo::new(Upid::new("master", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5050)), v1::MasterInfo::default())
}

fn state(recording: &Recording) -> response::GetState {
    let response: Response = recording.message("GET_STATE");
    *response.get_state.unwrap()
}

pub fn agents(recording: &Recording) -> Vec<AgentSnapshot> {
    state(recording).get_agents.unwrap().agents.into_iter().map(agent_snapshot).collect()
}

pub fn frameworks(recording: &Recording) -> Vec<FrameworkSnapshot> {
    state(recording).get_frameworks.unwrap().frameworks.iter().map(framework_snapshot).collect()
}

pub fn tasks(recording: &Recording) -> Vec<v1::Task> {
    state(recording).get_tasks.unwrap().tasks
}

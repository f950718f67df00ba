//! `/state-summary`: agents and frameworks with counts of their tasks instead of the tasks.

use std::collections::BTreeSet;

use messages::v1::TaskState;
use rustc_hash::FxHashMap;

use super::{Snapshot, state_json};
use crate::json::{self, Object};

/// The task states that Mesos shows here; it has more.
const SHOWN: [TaskState; 10] = [
    TaskState::TaskStaging,
    TaskState::TaskStarting,
    TaskState::TaskRunning,
    TaskState::TaskKilling,
    TaskState::TaskFinished,
    TaskState::TaskKilled,
    TaskState::TaskFailed,
    TaskState::TaskLost,
    TaskState::TaskError,
    TaskState::TaskUnreachable,
];

/// The counts of the tasks of one agent or framework, history included.
#[derive(Default)]
struct Summary<'a> {
    counts: [i64; SHOWN.len()],
    /// The frameworks of an agent, or the agents of a framework; some occur more than once.
    others: Vec<&'a str>,
}

impl<'a> Summary<'a> {
    fn add(&mut self, state: TaskState, other: &'a str) {
        for (shown, count) in SHOWN.iter().zip(&mut self.counts) {
            *count += i64::from(*shown == state);
        }
        if self.others.last() != Some(&other) {
            self.others.push(other);
        }
    }

    fn write(&self, object: &mut Object<'_>, member: &'static str) {
        let others: BTreeSet<&str> = self.others.iter().copied().collect();
        for (shown, count) in SHOWN.iter().zip(self.counts) {
            object.integer(shown.as_str_name(), count);
        }
        object.array(member, others, json::string);
    }
}

pub(super) fn state_summary(snapshot: &Snapshot) -> Vec<u8> {
    // The map is used for lookup only.
    let mut agents: FxHashMap<&str, Summary<'_>> = FxHashMap::default();
    let mut frameworks: FxHashMap<&str, Summary<'_>> = FxHashMap::default();
    for framework in snapshot.visible_frameworks() {
        let id = framework.snapshot.id.as_str();
        for task in snapshot.visible_tasks(framework, framework.all_tasks()) {
            let (agent, state) = (task.snapshot.agent().as_str(), task.snapshot.state());
            agents.entry(agent).or_default().add(state, id);
            frameworks.entry(id).or_default().add(state, agent);
        }
    }
    let none = Summary::default();
    let mut out = Vec::with_capacity(snapshot.agents.len() * 1024 + 4096);
    json::object(&mut out, |object| {
        object.string("hostname", snapshot.static_info.info.hostname());
        if let Some(cluster) = snapshot.static_info.flags.get("cluster") {
            object.string("cluster", cluster);
        }
        object.array("slaves", snapshot.visible_agents(), |out, agent| {
            json::object(out, |object| {
                state_json::agent_members(object, &agent);
                agents.get(agent.snapshot.id.as_str()).unwrap_or(&none).write(object, "framework_ids");
            });
        });
        object.array("frameworks", snapshot.visible_frameworks(), |out, framework| {
            json::object(out, |object| {
                state_json::framework_summary(object, framework);
                frameworks.get(framework.snapshot.id.as_str()).unwrap_or(&none).write(object, "slave_ids");
            });
        });
    });
    out
}

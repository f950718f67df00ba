//! What only counts: totals since the start that no entity shows.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::TaskState;
use model::master::{AgentRemoval, AgentSnapshot};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CumulativeCounts {
    pub registrations: u64,
    pub reregistrations: u64,
    pub unregistered: u64,
    pub unreachable: u64,
    pub gone: u64,
    pub ended: BTreeMap<TaskState, u64>,
    /// By state, source and reason.
    pub causes: BTreeMap<(i32, i32, i32), u64>,
}

impl CumulativeCounts {
    pub fn agent_appeared(&mut self, previous: Option<&AgentSnapshot>, agent: &AgentSnapshot) {
        match (previous.map(|previous| previous.reregistered), agent.reregistered) {
            (None, None) => self.registrations += 1,
            (None, Some(_)) => self.reregistrations += 1,
            (Some(before), now) if before != now => self.reregistrations += 1,
            _ => {}
        }
    }

    pub fn agent_left(&mut self, removal: AgentRemoval) {
        match removal {
            AgentRemoval::Removed => self.unregistered += 1,
            AgentRemoval::Unreachable => self.unreachable += 1,
            AgentRemoval::Gone => self.gone += 1,
        }
    }

    pub fn task_ended(&mut self, state: TaskState, status: &v1::TaskStatus) {
        *self.ended.entry(state).or_default() += 1;
        if let (Some(source), Some(reason)) = (status.source, status.reason) {
            *self.causes.entry((state as i32, source, reason)).or_default() += 1;
        }
    }
}

//! One consistent picture of the cluster, and names for what is in it.

use std::collections::BTreeMap;

use client::{Address, MasterOperator};
use messages::v1;
use messages::v1::master::response::{GetAgents, GetFrameworks, GetState, GetTasks, get_frameworks};
use model::is_terminal;

use super::cli::CommandError;

/// The answer to GET_STATE, with look-ups.
pub struct State {
    pub agents: GetAgents,
    pub frameworks: GetFrameworks,
    pub tasks: GetTasks,
}

impl State {
    pub async fn get(master: &Address) -> Result<Self, CommandError> {
        let answer = MasterOperator::new(master.clone()).get(v1::master::call::Type::GetState).await?;
        let GetState { get_agents, get_frameworks, get_tasks, .. } = answer.get_state.map(|s| *s).unwrap_or_default();
        Ok(State {
            agents: get_agents.map(|a| *a).unwrap_or_default(),
            frameworks: get_frameworks.map(|f| *f).unwrap_or_default(),
            tasks: get_tasks.map(|t| *t).unwrap_or_default(),
        })
    }

    /// Agent id to `S0 (host)`.
    pub fn agent_names(&self) -> BTreeMap<&str, String> {
        let name = |info: &v1::AgentInfo| {
            let id = info.id.as_ref().map_or("", |id| id.value.as_str());
            format!("{} ({})", short(id), info.hostname)
        };
        let infos = self.agents.agents.iter().map(|a| &a.agent_info).chain(&self.agents.recovered_agents);
        infos.filter_map(|info| Some((info.id.as_ref()?.value.as_str(), name(info)))).collect()
    }

    pub fn frameworks(&self) -> impl Iterator<Item = (&get_frameworks::Framework, bool)> {
        let live = self.frameworks.frameworks.iter().map(|f| (f, true));
        live.chain(self.frameworks.completed_frameworks.iter().map(|f| (f, false)))
    }

    /// All tasks: live, unreachable, completed.
    pub fn all_tasks(&self) -> impl Iterator<Item = &v1::Task> {
        self.tasks.tasks.iter().chain(&self.tasks.unreachable_tasks).chain(&self.tasks.completed_tasks)
    }
}

/// The part after the master's UUID: `S3`, `0007`.
pub fn short(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(_, rest)| rest)
}

/// The sum of a scalar resource.
pub fn scalar(resources: &[v1::Resource], name: &str) -> f64 {
    resources
        .iter()
        .filter(|r| r.name == name)
        .filter_map(|r| r.scalar.as_ref())
        .map(|s| s.value)
        .fold(0.0, |a, b| a + b)
}

/// From its first status to its last, or to `now` while it is not over; all in seconds.
pub fn age(task: &v1::Task, now: f64) -> Option<f64> {
    let mut times = task.statuses.iter().filter_map(|s| s.timestamp);
    let first = times.next()?;
    let last = if is_terminal(task.state()) { times.next_back().unwrap_or(first) } else { now };
    Some(last - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_ages_as_long_as_it_is_not_over() {
        let check = |state: v1::TaskState, stamps: &[f64], expect: Option<f64>| {
            let status = |stamp: &f64| v1::TaskStatus { timestamp: Some(*stamp), ..Default::default() };
            let statuses = stamps.iter().map(status).collect();
            let task = v1::Task { state: state as i32, statuses, ..Default::default() };
            assert_eq!(age(&task, 100.0), expect, "{state:?} {stamps:?}");
        };
        check(v1::TaskState::TaskRunning, &[10.0, 11.0], Some(90.0));
        check(v1::TaskState::TaskFinished, &[10.0, 11.0, 15.0], Some(5.0));
        check(v1::TaskState::TaskLost, &[10.0], Some(0.0));
        check(v1::TaskState::TaskStaging, &[], None);
    }
}

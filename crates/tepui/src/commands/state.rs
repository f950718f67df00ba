//! One consistent picture of the cluster, and names for what is in it.

use std::collections::BTreeMap;

use client::{Address, MasterOperator};
use messages::v1;
use messages::v1::master::response::{GetAgents, GetFrameworks, GetState, GetTasks, get_frameworks};

use super::cli::Failure;

/// The answer to GET_STATE, with look-ups.
pub struct State {
    pub agents: GetAgents,
    pub frameworks: GetFrameworks,
    pub tasks: GetTasks,
}

impl State {
    pub async fn get(master: &Address) -> Result<Self, Failure> {
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

/// The first and last time stamps of a task's statuses.
pub fn times(task: &v1::Task) -> Option<(f64, f64)> {
    let times: Vec<f64> = task.statuses.iter().filter_map(|s| s.timestamp).collect();
    Some((*times.first()?, *times.last()?))
}

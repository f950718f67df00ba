//! A consistent snapshot of the cluster, and short names for its parts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use messages::v1;
use messages::v1::master::response::{GetAgents, GetFrameworks, GetState, GetTasks, get_frameworks};
use model::is_terminal;
use tepui_client::{Address, MasterOperator};

use super::cli::CommandError;
use crate::table::Tone;

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

    /// Returns agents by id, as `S0 (host)`.
    pub fn agent_names(&self) -> BTreeMap<&str, String> {
        let ids = self.agent_ids();
        let name = |info: &v1::AgentInfo| {
            let id = info.id.as_ref().map_or("", |id| id.value.as_str());
            format!("{} ({})", ids.of(id), info.hostname)
        };
        let infos = self.agents.agents.iter().map(|a| &a.agent_info).chain(&self.agents.recovered_agents);
        infos.filter_map(|info| Some((info.id.as_ref()?.value.as_str(), name(info)))).collect()
    }

    /// Returns the short ids of agents.
    pub fn agent_ids(&self) -> ShortIds {
        let infos = self.agents.agents.iter().map(|a| &a.agent_info).chain(&self.agents.recovered_agents);
        ShortIds::new(infos.filter_map(|info| Some(info.id.as_ref()?.value.as_str())))
    }

    /// Returns the short ids of frameworks.
    pub fn framework_ids(&self) -> ShortIds {
        ShortIds::new(self.frameworks().map(|(framework, _)| framework_id(framework)))
    }

    pub fn frameworks(&self) -> impl Iterator<Item = (&get_frameworks::Framework, bool)> {
        let live = self.frameworks.frameworks.iter().map(|f| (f, true));
        live.chain(self.frameworks.completed_frameworks.iter().map(|f| (f, false)))
    }

    /// Returns all tasks: live, unreachable and completed.
    pub fn all_tasks(&self) -> impl Iterator<Item = &v1::Task> {
        self.tasks.tasks.iter().chain(&self.tasks.unreachable_tasks).chain(&self.tasks.completed_tasks)
    }
}

/// Returns the complete id of a framework.
pub fn framework_id(framework: &get_frameworks::Framework) -> &str {
    framework.framework_info.id.as_ref().map_or("", |id| id.value.as_str())
}

/// Ids that are as short as possible while they are unique among the known ones: `S3`; `0a1b2c3d-S3` if two masters
/// have given that number; otherwise the complete id. Commands accept every id that is printed.
#[derive(Debug, Default)]
pub struct ShortIds(BTreeMap<String, u32>);

impl ShortIds {
    pub fn new<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut counts = BTreeMap::new();
        for id in ids {
            for name in [Some(short(id).to_owned()), longer(id)].into_iter().flatten() {
                *counts.entry(name).or_default() += 1;
            }
        }
        ShortIds(counts)
    }

    pub fn of(&self, id: &str) -> String {
        let names = [Some(short(id).to_owned()), longer(id)];
        let unique = |name: &String| self.0.get(name).copied().unwrap_or_default() <= 1;
        names.into_iter().flatten().find(unique).unwrap_or_else(|| id.to_owned())
    }
}

/// Returns the longer form of an id: `0a1b2c3d-S3`.
fn longer(id: &str) -> Option<String> {
    let (master, number) = id.rsplit_once('-')?;
    Some(format!("{}-{number}", master.get(..8)?))
}

/// Returns whether `given` names the id: the complete id, its end, or its form in [`ShortIds`].
pub fn is_called(id: &str, given: &str) -> bool {
    id == given || short(id) == given || longer(id).is_some_and(|longer| longer == given)
}

/// Returns the first line of a message, followed by `…` if there are more. Mesos appends statistics to some messages.
/// `--json` shows all lines.
pub fn first_line(message: &str) -> Cow<'_, str> {
    match message.trim_end().split_once('\n') {
        Some((first, _)) => Cow::Owned(format!("{} …", first.trim_end())),
        None => Cow::Borrowed(message.trim_end()),
    }
}

/// Returns the tone in which a state is shown.
pub fn tone(state: v1::TaskState) -> Tone {
    use v1::TaskState::*;
    match state {
        TaskRunning => Tone::Good,
        TaskStaging | TaskStarting | TaskKilling => Tone::Busy,
        TaskFinished | TaskKilled => Tone::Faint,
        _ => Tone::Bad,
    }
}

/// Returns the part after the master's UUID: `S3`, `0007`.
pub fn short(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(_, rest)| rest)
}

/// Returns the sum of a scalar resource.
pub fn scalar(resources: &[v1::Resource], name: &str) -> f64 {
    resources
        .iter()
        .filter(|r| r.name == name)
        .filter_map(|r| r.scalar.as_ref())
        .map(|s| s.value)
        .fold(0.0, |a, b| a + b)
}

/// Returns the seconds from the first status of a task to its last, or to `now` while it is not over.
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
    fn messages_are_shown_by_their_first_line() {
        assert_eq!(
            first_line("Memory limit exceeded: 40 MB\n\nMEMORY STATISTICS: \ncache 0\n"),
            "Memory limit exceeded: 40 MB …"
        );
        assert_eq!(first_line("one\n"), "one");
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn ids_are_as_short_as_they_are_unique() {
        let (a, b) = ("0a1b2c3d-0000-S1", "ffffffff-0000-S1");
        let ids = ShortIds::new([a, b, "0a1b2c3d-0000-S2", "own-name-of-a-framework"].into_iter());
        let check = |id: &str, expect: &str| {
            assert_eq!(ids.of(id), expect);
            assert!(is_called(id, expect) && is_called(id, id));
        };
        check("0a1b2c3d-0000-S2", "S2");
        check(a, "0a1b2c3d-S1");
        check(b, "ffffffff-S1");
        let twins = ShortIds::new(["0a1b2c3d-0000-S1", "0a1b2c3d-1111-S1"].into_iter());
        assert_eq!(twins.of("0a1b2c3d-0000-S1"), "0a1b2c3d-0000-S1");
        assert!(!is_called(a, "S2") && !is_called(a, "0a1b-S1"));
    }

    #[test]
    fn the_age_of_a_task_grows_until_its_end() {
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

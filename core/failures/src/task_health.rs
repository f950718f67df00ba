//! Tasks whose health checks fail: one incident for the tasks of a framework on an agent, open as long as one of them is
//! unhealthy.

use std::collections::BTreeMap;

use model::incident::{InvolvedObject, Kind, Severity};
use model::{AgentId, FrameworkId, Now, TaskId};

use crate::incidents::Finding;
use crate::monitor::{Effect, Monitor};

/// The most unhealthy tasks of one framework on one agent that are known by name. Further ones are not counted.
const MAX_TASKS: usize = 50;
/// The most frameworks with unhealthy tasks on one agent.
const MAX_FRAMEWORKS: usize = 32;
/// The most tasks that the details name.
const MAX_SHOWN: usize = 5;

/// The unhealthy tasks of one agent, with what their checks said.
#[derive(Debug, Default)]
pub(crate) struct UnhealthyTasks(BTreeMap<FrameworkId, BTreeMap<TaskId, String>>);

impl UnhealthyTasks {
    /// Notes that an incident about tasks of the framework is open, although none of them is known to be unhealthy.
    pub(crate) fn follow(&mut self, framework: &FrameworkId) {
        self.0.entry(framework.clone()).or_default();
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Sets what is known of a task. Returns whether that has changed.
    fn set(&mut self, framework: &FrameworkId, task: TaskId, unhealthy: Option<String>) -> bool {
        let Some(unhealthy) = unhealthy else {
            return self.0.get_mut(framework).is_some_and(|tasks| tasks.remove(&task).is_some());
        };
        if self.0.len() >= MAX_FRAMEWORKS && !self.0.contains_key(framework) {
            return false;
        }
        let tasks = self.0.entry(framework.clone()).or_default();
        if tasks.len() >= MAX_TASKS && !tasks.contains_key(&task) {
            return false;
        }
        tasks.insert(task, unhealthy.clone()).as_ref() != Some(&unhealthy)
    }

    /// Returns the details of an incident; `None` if no task of the framework is unhealthy.
    fn details(&self, framework: &FrameworkId) -> Option<String> {
        let tasks = self.0.get(framework).filter(|tasks| !tasks.is_empty())?;
        let shown = tasks.iter().take(MAX_SHOWN).map(|(task, why)| format!("{}{why}", task.as_str()));
        let more = if tasks.len() > MAX_SHOWN { ", …" } else { "" };
        Some(format!("{} unhealthy tasks: {}{more}", tasks.len(), shown.collect::<Vec<_>>().join(", ")))
    }
}

impl Monitor {
    /// Handles what the health checks of a task say; `unhealthy` is the names of those that fail, `None` for a task that is
    /// healthy or over.
    pub(crate) fn task_health(
        &mut self,
        now: Now,
        agent: &AgentId,
        framework: &FrameworkId,
        task: TaskId,
        unhealthy: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(monitored) = self.monitored_agents.get_mut(agent).filter(|monitored| monitored.registered) else {
            return;
        };
        if !monitored.unhealthy.set(framework, task, unhealthy) {
            return;
        }
        let details = monitored.unhealthy.details(framework);
        let hostname = Some(monitored.hostname.clone());
        let object = InvolvedObject::Executors(agent.clone(), framework.clone());
        match details {
            Some(details) => {
                let finding =
                    Finding { kind: Kind::TaskUnhealthy, severity: Severity::Warning, object, hostname, details };
                self.open_incident(now, finding, effects);
            }
            None => self.close_task_health(now, agent, framework, effects),
        }
    }

    /// Closes the incidents of the master before whose tasks have not been unhealthy since.
    pub(crate) fn check_task_health(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(monitored) =
            self.monitored_agents.get(agent).filter(|monitored| monitored.has_evidence(now.monotonic))
        else {
            return;
        };
        let empty = monitored.unhealthy.0.iter().filter(|(_, tasks)| tasks.is_empty());
        let empty: Vec<FrameworkId> = empty.map(|(framework, _)| framework.clone()).collect();
        for framework in empty {
            self.close_task_health(now, agent, &framework, effects);
        }
    }

    /// Forgets the tasks of a framework that is removed.
    pub(crate) fn forget_task_health(&mut self, now: Now, framework: &FrameworkId, effects: &mut Vec<Effect>) {
        let known = self.monitored_agents.iter().filter(|(_, monitored)| monitored.unhealthy.0.contains_key(framework));
        let mut agents: Vec<AgentId> = known.map(|(agent, _)| agent.clone()).collect();
        agents.sort_unstable();
        for agent in agents {
            self.close_task_health(now, &agent, framework, effects);
        }
    }

    fn close_task_health(&mut self, now: Now, agent: &AgentId, framework: &FrameworkId, effects: &mut Vec<Effect>) {
        if let Some(monitored) = self.monitored_agents.get_mut(agent) {
            monitored.unhealthy.0.remove(framework);
        }
        let object = InvolvedObject::Executors(agent.clone(), framework.clone());
        self.close_incident(now, Kind::TaskUnhealthy, &object, effects);
    }
}

//! What a master's readers are told adds up: no resource is offered or used twice, nothing outlives what it stands on.

use std::collections::{BTreeMap, BTreeSet};

use master::{AgentDeparture, Change, Effect};
use messages::v1;
use resources::Resources;
use vocabulary::{AgentId, ExecutorId, FrameworkId, OfferId, TaskId, is_terminal};

#[derive(Debug, Default, PartialEq)]
pub struct Books {
    agents: BTreeMap<AgentId, Agent>,
    /// Those that the master before had, or that are unreachable.
    away: BTreeSet<AgentId>,
    offers: BTreeMap<OfferId, (FrameworkId, AgentId, Resources)>,
    tasks: BTreeMap<(FrameworkId, TaskId), (AgentId, Resources)>,
    executors: BTreeMap<(FrameworkId, AgentId, ExecutorId), Resources>,
    frameworks: BTreeSet<FrameworkId>,
}

#[derive(Debug, Default, PartialEq)]
struct Agent {
    total: Resources,
    /// Offered, or used by tasks and executors; unallocated.
    held: Resources,
}

impl Books {
    /// The changes among these effects; says what does not add up.
    pub fn read(&mut self, effects: &[Effect]) -> Result<(), String> {
        let mut touched = BTreeSet::new();
        for effect in effects {
            if let Effect::Publish(change) = effect {
                self.apply(change, &mut touched)?;
            }
        }
        for id in touched {
            let Some(agent) = self.agents.get(&id) else { continue };
            // Oversubscribed resources may be withdrawn under running tasks.
            let firm = agent.held.non_revocable();
            if !agent.total.contains(&firm) {
                return Err(format!("agent {id} has {} but {firm} is offered or used", agent.total));
            }
        }
        Ok(())
    }

    pub fn offers_of(&self, framework: &FrameworkId) -> BTreeSet<String> {
        let own = self.offers.iter().filter(|(_, (of, ..))| of == framework);
        own.map(|(id, _)| id.to_string()).collect()
    }

    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn apply(&mut self, change: &Change, touched: &mut BTreeSet<AgentId>) -> Result<(), String> {
        match change {
            Change::AgentsRecovered(agents) => {
                self.away.extend(agents.iter().filter_map(|info| info.id.as_ref()).map(AgentId::from));
            }
            Change::UnreachableRecovered(agents) => self.away.extend(agents.iter().cloned()),
            Change::AgentAdded(agent) | Change::AgentUpdated(agent) => {
                self.away.remove(&agent.id);
                self.agents.entry(agent.id.clone()).or_default().total = agent.total.clone();
                touched.insert(agent.id.clone());
            }
            Change::AgentRemoved { agent, departure, .. } => {
                let known = self.agents.remove(agent).is_some() | self.away.remove(agent);
                if !known {
                    return Err(format!("unknown agent {agent} leaves"));
                }
                if *departure == AgentDeparture::Unreachable {
                    self.away.insert(agent.clone());
                }
                if self.offers.values().any(|(_, on, _)| on == agent) {
                    return Err(format!("an offer outlives its agent {agent}"));
                }
                if self.tasks.values().any(|(on, _)| on == agent) {
                    return Err(format!("a task outlives its agent {agent}"));
                }
            }
            Change::FrameworkAdded(framework) => {
                let is_new = self.frameworks.insert(framework.id.clone());
                return is_new.then_some(()).ok_or_else(|| format!("framework {} is added twice", framework.id));
            }
            Change::FrameworkRemoved(framework) => {
                self.frameworks.remove(&framework.id);
                if self.offers.values().any(|(of, ..)| *of == framework.id) {
                    return Err(format!("an offer outlives its framework {}", framework.id));
                }
            }
            Change::TaskAdded(task) => self.task(task, touched),
            Change::TaskUpdated { task, .. } if self.tasks.contains_key(&key(task)) => self.task(task, touched),
            Change::TaskRemoved { framework, task, .. } => {
                if let Some((agent, held)) = self.tasks.remove(&(framework.clone(), task.clone())) {
                    self.release(&agent, &held);
                }
            }
            Change::ExecutorAdded(executor) => {
                let held = Resources::from_proto(&executor.info.resources).unwrap_or_default();
                let id = ExecutorId::from(&executor.info.executor_id);
                let key = (executor.framework.clone(), executor.agent.clone(), id);
                self.hold(&executor.agent, &held);
                touched.insert(executor.agent.clone());
                if let Some(old) = self.executors.insert(key, held) {
                    return Err(format!("an executor is added twice; it held {old}"));
                }
            }
            Change::ExecutorRemoved { framework, agent, executor } => {
                let key = (framework.clone(), agent.clone(), executor.clone());
                let held = self.executors.remove(&key).ok_or_else(|| format!("unknown executor {executor} leaves"))?;
                self.release(agent, &held);
            }
            Change::OfferAdded(offer) => {
                self.hold(&offer.agent, &offer.resources);
                touched.insert(offer.agent.clone());
                let entry = (offer.framework.clone(), offer.agent.clone(), offer.resources.clone());
                if self.offers.insert(offer.id.clone(), entry).is_some() {
                    return Err(format!("offer {} is added twice", offer.id));
                }
            }
            Change::OfferRemoved(id) => {
                let (_, agent, held) = self.offers.remove(id).ok_or_else(|| format!("unknown offer {id} leaves"))?;
                self.release(&agent, &held);
            }
            _ => {}
        }
        Ok(())
    }

    fn task(&mut self, task: &v1::Task, touched: &mut BTreeSet<AgentId>) {
        let agent = AgentId::from(&task.agent_id);
        let over = is_terminal(task.state()) || task.state() == v1::TaskState::TaskUnreachable;
        let held = if over { Resources::new() } else { Resources::from_proto(&task.resources).unwrap_or_default() };
        self.hold(&agent, &held);
        touched.insert(agent.clone());
        if let Some((agent, before)) = self.tasks.insert(key(task), (agent, held)) {
            self.release(&agent, &before);
        }
    }

    fn hold(&mut self, agent: &AgentId, resources: &Resources) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.held += &resources.unallocated();
        }
    }

    fn release(&mut self, agent: &AgentId, resources: &Resources) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.held -= &resources.unallocated();
        }
    }
}

fn key(task: &v1::Task) -> (FrameworkId, TaskId) {
    (FrameworkId::from(&task.framework_id), TaskId::from(&task.task_id))
}

//! What a master's readers are told adds up: no resource is offered or used twice, nothing outlives what it stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use master::Effect;
use messages::v1;
use messages::v1::quota::QuotaConfig;
use model::master::{Change, OperationUuid};
use model::{AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId, is_terminal};
use resources::Resources;

#[derive(Debug, Default, PartialEq)]
pub struct ResourceAccounting {
    agents: BTreeMap<AgentId, Agent>,
    /// Those that the master before had, or that are unreachable.
    away: BTreeSet<AgentId>,
    offers: BTreeMap<OfferId, (FrameworkId, AgentId, Resources)>,
    tasks: BTreeMap<(FrameworkId, TaskId), (AgentId, Resources)>,
    executors: BTreeMap<(FrameworkId, AgentId, ExecutorId), Resources>,
    frameworks: BTreeSet<FrameworkId>,
    /// Under way, or their end is not acknowledged.
    operations: BTreeMap<OperationUuid, Arc<v1::Operation>>,
    quotas: Arc<BTreeMap<Role, QuotaConfig>>,
}

#[derive(Debug, Default, PartialEq)]
struct Agent {
    total: Resources,
    /// Offered, or used by tasks and executors; unallocated.
    held: Resources,
    draining: bool,
    /// It came back without what some of its tasks were launched on: what never was there cannot be taken from what is.
    /// It ends when these tasks are dropped.
    in_doubt: bool,
}

impl ResourceAccounting {
    /// The changes among these effects; says what does not add up.
    pub fn read(&mut self, effects: &[Effect]) -> Result<(), String> {
        let mut touched = BTreeSet::new();
        for effect in effects {
            if let Effect::Publish(change) = effect {
                self.apply(change, &mut touched)?;
            }
        }
        for id in touched {
            let Some(agent) = self.agents.get_mut(&id) else { continue };
            // Oversubscribed resources may be withdrawn under running tasks.
            let firm = agent.held.non_revocable();
            let fits = agent.total.contains(&firm);
            agent.in_doubt &= !fits;
            if !fits && !agent.in_doubt {
                return Err(format!("agent {id} has {} but {firm} is offered or used", agent.total));
            }
        }
        Ok(())
    }

    pub fn offers_of(&self, framework: &FrameworkId) -> BTreeSet<String> {
        let own = self.offers.iter().filter(|(_, (of, ..))| of == framework);
        own.map(|(id, _)| id.to_string()).collect()
    }

    pub fn total_of(&self, agent: &AgentId) -> Option<&Resources> {
        self.agents.get(agent).map(|agent| &agent.total)
    }

    pub fn in_doubt(&self) -> Option<&AgentId> {
        self.agents.iter().find(|(_, agent)| agent.in_doubt).map(|(id, _)| id)
    }

    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// How many tasks there are, but for those of frameworks that nobody speaks for any more. (An agent that was away
    /// when its framework was torn down, and returns to the next master, brings it back; so in Mesos.)
    pub fn tasks(&self, dead: &BTreeSet<FrameworkId>) -> usize {
        self.tasks.keys().filter(|(framework, _)| !dead.contains(framework)).count()
    }

    /// An operation that is still there, likewise; but what the master keeps for frameworks that it does not know itself,
    /// it keeps in vain.
    pub fn operation(&self, dead: &BTreeSet<FrameworkId>) -> Option<String> {
        let framework = |operation: &v1::Operation| operation.framework_id.as_ref().map(FrameworkId::from);
        let returned = |id: FrameworkId| dead.contains(&id) && self.frameworks.contains(&id);
        let operation = self.operations.values().find(|operation| !framework(operation).is_some_and(returned))?;
        let name = operation.info.id.as_ref().map_or("without a name", |id| id.value.as_str());
        let agent = operation.agent_id.as_ref().map_or("nowhere", |id| id.value.as_str());
        let state = operation.latest_status.state().as_str_name();
        Some(format!("{} {name} on {agent}, {state}", operation.info.r#type().as_str_name()))
    }

    /// Agents that an operator wants to be empty, and that are not known to be, although nothing keeps them.
    pub fn draining(&self, dead: &BTreeSet<FrameworkId>) -> Option<&AgentId> {
        let kept = |agent: &AgentId| self.tasks.iter().any(|((of, _), (on, _))| on == agent && dead.contains(of));
        self.agents.iter().find(|(id, agent)| agent.draining && !kept(id)).map(|(id, _)| id)
    }

    /// What a role has of all agents must stay within its limit, or an offer too many was made.
    fn check_limit(&self, role: &Role) -> Result<(), String> {
        let Some(limit) = self.quotas.get(role).and_then(|quota| quota.limits.get("cpus")) else { return Ok(()) };
        let offered = self.offers.values().map(|(_, _, held)| held);
        let used = self.tasks.values().map(|(_, held)| held).chain(self.executors.values());
        let cpus = |held: &Resources| held.allocated_to(role.as_str()).cpus();
        let held: f64 = offered.chain(used).map(cpus).sum();
        if held > limit.value + 1e-6 {
            return Err(format!("role {role} is offered more than its limit: it has {held} cpus of {}", limit.value));
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change, touched: &mut BTreeSet<AgentId>) -> Result<(), String> {
        match change {
            Change::AgentsRecovered(agents) => {
                self.away.extend(agents.iter().filter_map(|info| info.id.as_ref()).map(AgentId::from));
            }
            Change::UnreachableRecovered(agents) => self.away.extend(agents.iter().cloned()),
            Change::UnreachableForgotten(agents) => {
                if let Some(agent) = agents.iter().find(|agent| !self.away.remove(*agent)) {
                    return Err(format!("unknown agent {agent} is forgotten"));
                }
            }
            Change::AgentAdded(agent) | Change::AgentUpdated(agent) => {
                self.away.remove(&agent.id);
                let entry = self.agents.entry(agent.id.clone()).or_default();
                entry.in_doubt |= entry.total != agent.total && !agent.total.contains(&entry.held.non_revocable());
                entry.total = agent.total.clone();
                entry.draining = agent.drain.is_some_and(|drain| drain.state() == v1::DrainState::Draining);
                touched.insert(agent.id.clone());
            }
            Change::AgentRemoved { agent, removal, .. } => {
                let known = self.agents.remove(agent).is_some() | self.away.remove(agent);
                if !known {
                    return Err(format!("unknown agent {agent} leaves"));
                }
                if removal.is_unreachable() {
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
                self.hold(offer.agent_id(), &offer.resources);
                touched.insert(offer.agent_id().clone());
                let entry = (offer.framework.clone(), offer.agent_id().clone(), offer.resources.clone());
                if self.offers.insert(offer.id.clone(), entry).is_some() {
                    return Err(format!("offer {} is added twice", offer.id));
                }
                // What is not limited may be offered by itself.
                if offer.resources.cpus() > 0.0 {
                    self.check_limit(&offer.role)?;
                }
            }
            Change::OperationAdded(operation) => {
                self.operations
                    .extend(OperationUuid::from_proto(&operation.uuid).map(|uuid| (uuid, operation.clone())));
            }
            Change::OperationUpdated(operation) => {
                let known = OperationUuid::from_proto(&operation.uuid).and_then(|uuid| self.operations.get_mut(&uuid));
                if let Some(known) = known {
                    *known = operation.clone();
                }
            }
            Change::OperationRemoved(uuid) => drop(self.operations.remove(uuid)),
            Change::QuotasUpdated(quotas) => self.quotas = quotas.clone(),
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

//! Checks that what a master publishes adds up: no resource is offered or used twice, and nothing outlives what it
//! depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use master::Effect;
use messages::v1;
use messages::v1::quota::QuotaConfig;
use model::master::{Change, OperationUuid, TaskSnapshot};
use model::{AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId, is_terminal};
use resources::Resources;

/// The agents, offers, tasks, executors and operations of one master, as its changes tell them.
#[derive(Debug, Default, PartialEq)]
pub struct ResourceAccounting {
    agents: BTreeMap<AgentId, Agent>,
    /// The agents that are recovered from the registry or unreachable.
    away: BTreeSet<AgentId>,
    offers: BTreeMap<OfferId, (FrameworkId, AgentId, Resources)>,
    tasks: BTreeMap<(FrameworkId, TaskId), (AgentId, Resources)>,
    executors: BTreeMap<(FrameworkId, AgentId, ExecutorId), Resources>,
    frameworks: BTreeSet<FrameworkId>,
    /// The operations that are in progress or whose terminal status is not acknowledged.
    operations: BTreeMap<OperationUuid, Arc<v1::Operation>>,
    quotas: Arc<BTreeMap<Role, QuotaConfig>>,
}

#[derive(Debug, Default, PartialEq)]
struct Agent {
    total: Resources,
    /// The unallocated form of what is offered, or used by tasks and executors.
    allocated: Resources,
    draining: bool,
    /// True while the agent has come back without resources that some of its tasks were launched on. It ends when these
    /// tasks are dropped.
    in_doubt: bool,
}

impl ResourceAccounting {
    /// Applies the changes among these effects.
    ///
    /// # Errors
    ///
    /// Returns the first thing that does not add up.
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
            let firm = agent.allocated.non_revocable();
            let fits = agent.total.contains(&firm);
            agent.in_doubt &= !fits;
            if !fits && !agent.in_doubt {
                return Err(format!("agent {id} has {} but {firm} is offered or used", agent.total));
            }
        }
        Ok(())
    }

    /// Returns the ids of the outstanding offers of a framework.
    pub fn offers_of(&self, framework: &FrameworkId) -> BTreeSet<String> {
        let own = self.offers.iter().filter(|(_, (of, ..))| of == framework);
        own.map(|(id, _)| id.to_string()).collect()
    }

    /// Returns the total resources of an agent.
    pub fn total_of(&self, agent: &AgentId) -> Option<&Resources> {
        self.agents.get(agent).map(|agent| &agent.total)
    }

    /// Returns an agent whose total is in doubt.
    pub fn in_doubt(&self) -> Option<&AgentId> {
        self.agents.iter().find(|(_, agent)| agent.in_doubt).map(|(id, _)| id)
    }

    /// Returns the number of registered agents.
    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// Returns the number of tasks, without those of frameworks that were torn down. (An agent that was away when its
    /// framework was torn down brings the framework back to the next master, as in Mesos.)
    pub fn tasks(&self, torn_down: &BTreeSet<FrameworkId>) -> usize {
        self.tasks.keys().filter(|(framework, _)| !torn_down.contains(framework)).count()
    }

    /// Returns an operation that is still there. Operations of frameworks that were torn down and came back with an
    /// agent do not count.
    pub fn operation(&self, torn_down: &BTreeSet<FrameworkId>) -> Option<String> {
        let framework = |operation: &v1::Operation| operation.framework_id.as_ref().map(FrameworkId::from);
        let returned = |id: FrameworkId| torn_down.contains(&id) && self.frameworks.contains(&id);
        let operation = self.operations.values().find(|operation| !framework(operation).is_some_and(returned))?;
        let name = operation.info.id.as_ref().map_or("without a name", |id| id.value.as_str());
        let agent = operation.agent_id.as_ref().map_or("nowhere", |id| id.value.as_str());
        let state = operation.latest_status.state().as_str_name();
        Some(format!("{} {name} on {agent}, {state}", operation.info.r#type().as_str_name()))
    }

    /// Returns an agent that drains and is not known to be drained although no task keeps it.
    pub fn draining(&self, torn_down: &BTreeSet<FrameworkId>) -> Option<&AgentId> {
        let kept = |agent: &AgentId| self.tasks.iter().any(|((of, _), (on, _))| on == agent && torn_down.contains(of));
        self.agents.iter().find(|(id, agent)| agent.draining && !kept(id)).map(|(id, _)| id)
    }

    /// Checks that a role does not have more than its limit over all agents.
    fn check_limit(&self, role: &Role) -> Result<(), String> {
        let Some(limit) = self.quotas.get(role).and_then(|quota| quota.limits.get("cpus")) else { return Ok(()) };
        let offered = self.offers.values().map(|(_, _, allocated)| allocated);
        let used = self.tasks.values().map(|(_, allocated)| allocated).chain(self.executors.values());
        let cpus = |allocated: &Resources| allocated.allocated_to(role.as_str()).cpus();
        let allocated: f64 = offered.chain(used).map(cpus).sum();
        if allocated > limit.value + 1e-6 {
            return Err(format!(
                "role {role} is offered more than its limit: it has {allocated} cpus of {}",
                limit.value
            ));
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
                entry.in_doubt |= entry.total != agent.total && !agent.total.contains(&entry.allocated.non_revocable());
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
                if let Some((agent, allocated)) = self.tasks.remove(&(framework.clone(), task.clone())) {
                    self.untrack_allocated(&agent, &allocated);
                }
            }
            Change::ExecutorAdded(executor) => {
                let allocated = Resources::from_proto(&executor.info.resources).unwrap_or_default();
                let id = ExecutorId::from(&executor.info.executor_id);
                let key = (executor.framework.clone(), executor.agent.clone(), id);
                self.track_allocated(&executor.agent, &allocated);
                touched.insert(executor.agent.clone());
                if let Some(old) = self.executors.insert(key, allocated) {
                    return Err(format!("an executor is added twice; it held {old}"));
                }
            }
            Change::ExecutorRemoved { framework, agent, executor } => {
                let key = (framework.clone(), agent.clone(), executor.clone());
                let allocated =
                    self.executors.remove(&key).ok_or_else(|| format!("unknown executor {executor} leaves"))?;
                self.untrack_allocated(agent, &allocated);
            }
            Change::OfferAdded(offer) => {
                self.track_allocated(offer.agent_id(), &offer.resources);
                touched.insert(offer.agent_id().clone());
                let entry = (offer.framework.clone(), offer.agent_id().clone(), offer.resources.clone());
                if self.offers.insert(offer.id.clone(), entry).is_some() {
                    return Err(format!("offer {} is added twice", offer.id));
                }
                // Resources that are not limited may be offered by themselves.
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
                let (_, agent, allocated) =
                    self.offers.remove(id).ok_or_else(|| format!("unknown offer {id} leaves"))?;
                self.untrack_allocated(&agent, &allocated);
            }
            _ => {}
        }
        Ok(())
    }

    fn task(&mut self, task: &TaskSnapshot, touched: &mut BTreeSet<AgentId>) {
        let agent = task.agent().clone();
        let over = is_terminal(task.state()) || task.state() == v1::TaskState::TaskUnreachable;
        let allocated =
            if over { Resources::new() } else { Resources::from_proto(&task.message().resources).unwrap_or_default() };
        self.track_allocated(&agent, &allocated);
        touched.insert(agent.clone());
        if let Some((agent, before)) = self.tasks.insert(key(task), (agent, allocated)) {
            self.untrack_allocated(&agent, &before);
        }
    }

    fn track_allocated(&mut self, agent: &AgentId, resources: &Resources) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.allocated += &resources.unallocated();
        }
    }

    fn untrack_allocated(&mut self, agent: &AgentId, resources: &Resources) {
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.allocated -= &resources.unallocated();
        }
    }
}

fn key(task: &TaskSnapshot) -> (FrameworkId, TaskId) {
    (task.framework().clone(), task.id().clone())
}

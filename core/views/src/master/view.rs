//! A view of a master: the change stream folded into entities.

use std::sync::Arc;

use bytes::Bytes;
use messages::v1;
use model::master::{
    AgentRemoval, AgentSnapshot, Change, ExecutorSnapshot, FrameworkSnapshot, Offer, OperationUuid, TaskRemoval,
    TaskSnapshot,
};
use model::{AgentId, ExecutorId, FrameworkId, OfferId, Role, TaskId, Timestamp};
use resources::Resources;
use rustc_hash::{FxHashMap, FxHashSet};

use super::entity::{Agent, EncodedOffer, Executor, Framework};
use super::failures::Failures;
use super::policy::Policy;
use super::task::Task;
use super::{Snapshot, StaticInfo};
use super::{events, operations};
use crate::history::History;
use crate::snapshot_map::SnapshotMap;
use crate::{Query, Visibility};

/// The newest snapshot, with the indices of everything in it.
#[derive(Debug)]
pub struct View {
    current: Snapshot,
    agents: FxHashMap<AgentId, u64>,
    recovered: FxHashMap<AgentId, u64>,
    frameworks: FxHashMap<FrameworkId, FrameworkIndex>,
    offers: FxHashMap<OfferId, (FrameworkId, u64)>,
    operations: FxHashMap<OperationUuid, u64>,
    failures: Failures,
    unreachable: FxHashSet<AgentId>,
    /// Whether the change that was applied last is announced on operators' streams.
    announces: bool,
}

/// Keys into the snapshot maps of a framework.
#[derive(Debug)]
struct FrameworkIndex {
    key: u64,
    tasks: FxHashMap<TaskId, u64>,
    unreachable: FxHashMap<TaskId, u64>,
    executors: FxHashMap<(AgentId, ExecutorId), u64>,
}

impl FrameworkIndex {
    fn new(key: u64) -> Self {
        FrameworkIndex {
            key,
            tasks: FxHashMap::default(),
            unreachable: FxHashMap::default(),
            executors: FxHashMap::default(),
        }
    }
}

impl View {
    /// Creates the view of a master that has published no change yet.
    pub fn new(static_info: StaticInfo) -> Self {
        View {
            current: Snapshot {
                completed: History::new(static_info.limits.completed_frameworks),
                static_info: Arc::new(static_info),
                agents: SnapshotMap::default(),
                recovered: SnapshotMap::default(),
                frameworks: SnapshotMap::default(),
                operations: SnapshotMap::default(),
                failures: SnapshotMap::default(),
                unreachable_agents: 0,
                totals: Arc::default(),
                policy: Arc::default(),
                offer_filters: Arc::default(),
                visibility: Visibility::everything(),
                state: Arc::default(),
            },
            agents: FxHashMap::default(),
            recovered: FxHashMap::default(),
            frameworks: FxHashMap::default(),
            offers: FxHashMap::default(),
            operations: FxHashMap::default(),
            failures: Failures::default(),
            unreachable: FxHashSet::default(),
            announces: false,
        }
    }

    /// Returns the state as of now. It copies a few pointers.
    pub fn snapshot(&self) -> Snapshot {
        self.current.clone()
    }

    /// Sets the leader, when the shell learns who leads, and the time of the own election.
    pub fn set_leader(&mut self, leader: Option<v1::MasterInfo>, elected: Option<Timestamp>) {
        self.current.state = Arc::default();
        let static_info = Arc::make_mut(&mut self.current.static_info);
        static_info.leader = leader;
        static_info.elected = elected;
    }

    /// Applies a change. A change about something unknown is ignored, since a view may begin in the middle of a stream.
    pub fn apply(&mut self, change: &Change) {
        self.announces = true;
        self.current.state = Arc::default();
        match change {
            Change::AgentAdded(agent) => self.put_agent(agent),
            Change::AgentUpdated(agent) => self.put_agent(agent),
            Change::AgentsRecovered(agents) => self.add_recovered_agents(agents),
            Change::UnreachableRecovered(agents) => agents.iter().for_each(|agent| self.remember_unreachable(agent)),
            Change::UnreachableForgotten(agents) => agents.iter().for_each(|agent| self.forget_unreachable(agent)),
            Change::AgentRemoved { agent, removal, .. } => self.remove_agent(agent, *removal),
            Change::FrameworkAdded(framework) | Change::FrameworkUpdated(framework) => self.put_framework(framework),
            Change::FrameworkRemoved(framework) => self.remove_framework(framework),
            Change::TaskAdded(task) => self.put_task(task),
            Change::TaskUpdated { task, status } => self.update_task(task, status),
            Change::TaskRemoved { framework, task, removal } => self.remove_task(framework, task, *removal),
            Change::ExecutorAdded(executor) => self.put_executor(executor),
            Change::ExecutorRemoved { framework, agent, executor } => self.remove_executor(framework, agent, executor),
            Change::OperationAdded(operation) | Change::OperationUpdated(operation) => {
                operations::put(&mut self.current.operations, &mut self.operations, operation);
            }
            Change::OperationRemoved(uuid) => {
                operations::remove(&mut self.current.operations, &mut self.operations, *uuid);
            }
            Change::OfferAdded(offer) => self.put_offer(offer),
            Change::OfferRemoved(offer) => self.remove_offer(offer),
            Change::WeightsUpdated(weights) => self.policy().weights = Arc::clone(weights),
            Change::QuotasUpdated(quotas) => self.policy().quotas = Arc::clone(quotas),
            Change::PartitionsUpdated(partitions) => self.policy().partitions = Arc::clone(partitions),
            Change::MaintenanceUpdated(maintenance) => self.policy().maintenance = Arc::clone(maintenance),
            Change::InverseOfferAnswered { agent, framework, status } => self.policy().answer(agent, framework, status),
            Change::InverseOfferStatusesCleared(agent) => self.policy().forget_agent(agent),
            Change::OfferFiltersCounted { role, active } => self.count_offer_filters(role, *active),
            Change::IncidentsRestored(incidents) => {
                for incident in incidents {
                    self.failures.put(&mut self.current.failures, incident);
                }
            }
            Change::Incident(incident, _) => self.failures.put(&mut self.current.failures, incident),
        }
    }

    /// Returns the JSON body of a GET endpoint; `None` for a path that this view does not serve.
    pub fn get(&self, path: &str, query: &Query) -> Option<Bytes> {
        self.current.get(path, query)
    }

    /// Returns the response to a read of the operator API; `None` if the call is not a read of a view.
    pub fn operator(&self, call: &v1::master::Call) -> Option<v1::master::Response> {
        self.current.operator(call)
    }

    /// Returns the same response as JSON.
    pub fn operator_json(&self, call: &v1::master::Call) -> Option<Bytes> {
        self.current.operator_json(call)
    }

    /// Returns the same response as protobuf.
    pub fn operator_protobuf(&self, call: &v1::master::Call) -> Option<Bytes> {
        self.current.operator_protobuf(call)
    }

    /// Returns the first event of an operator's stream.
    pub fn subscribed(&self) -> v1::master::Event {
        self.current.subscribed()
    }

    /// Returns the events of operators' streams for the change that was applied last.
    pub fn events(&self, change: &Change) -> Vec<v1::master::Event> {
        let event = if self.announces { events::of(self, change) } else { None };
        event.into_iter().collect()
    }

    pub(super) fn agent(&self, id: &str) -> Option<&Agent> {
        self.current.agents.get(*self.agents.get(id)?)
    }

    /// Finds a task and its framework by the indices. Completed tasks and frameworks have no index; an event about one of
    /// them is rare, since it has ended in the same batch of changes.
    pub(super) fn task(&self, framework: &str, task: &str) -> Option<(&Framework, &Task)> {
        let named = |known: &&Arc<Task>| known.snapshot.id().as_str() == task;
        let Some(index) = self.frameworks.get(framework) else {
            let mut completed = self.current.completed.iter();
            let framework = completed.find(|known| known.snapshot.id.as_str() == framework)?;
            return framework.all_tasks().find(named).map(|task| (framework, &**task));
        };
        let framework = self.current.frameworks.get(index.key)?;
        let live = index.tasks.get(task).and_then(|key| framework.tasks.get(*key));
        let current = live.or_else(|| index.unreachable.get(task).and_then(|key| framework.unreachable.get(*key)));
        current.or_else(|| framework.completed.iter().find(named)).map(|task| (framework, &**task))
    }

    /// Changes the resources that are in use or offered on an agent, and the totals with them.
    fn change_held(&mut self, agent: &str, change: impl FnOnce(&mut Agent)) {
        let Some(agent) = self.agents.get(agent).and_then(|key| self.current.agents.get_mut(*key)) else { return };
        let held = &mut Arc::make_mut(&mut self.current.totals).held;
        held.subtract(agent.held());
        change(agent);
        held.add(agent.held());
    }

    fn framework_mut(&mut self, id: &str) -> Option<(&mut Framework, &mut FrameworkIndex)> {
        let index = self.frameworks.get_mut(id)?;
        Some((self.current.frameworks.get_mut(index.key)?, index))
    }

    fn count_offer_filters(&mut self, role: &Role, active: usize) {
        let offer_filters = Arc::make_mut(&mut self.current.offer_filters);
        if active == 0 {
            offer_filters.remove(role);
        } else {
            offer_filters.insert(role.clone(), active);
        }
    }

    fn policy(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.current.policy)
    }
}

/// Agents.
impl View {
    fn put_agent(&mut self, snapshot: &Arc<AgentSnapshot>) {
        self.forget_unreachable(&snapshot.id);
        self.forget_recovered(&snapshot.id);
        let totals = Arc::make_mut(&mut self.current.totals);
        let known = self.agents.get(snapshot.id.as_str()).and_then(|key| self.current.agents.get_mut(*key));
        let previous = match known {
            Some(agent) => {
                let previous = agent.describe(snapshot);
                totals.subtract_total(&previous.total);
                Some(previous)
            }
            None => {
                let key = self.current.agents.push(Agent::new(Arc::clone(snapshot)));
                self.agents.insert(snapshot.id.clone(), key);
                None
            }
        };
        totals.add_total(&snapshot.total);
        self.announces = previous.is_none();
    }

    fn remove_agent(&mut self, id: &AgentId, removal: AgentRemoval) {
        self.forget_recovered(id);
        if removal.is_unreachable() {
            self.remember_unreachable(id);
        } else {
            self.forget_unreachable(id);
        }
        if self.current.policy.has_answers_about(id) {
            self.policy().forget_agent(id);
        }
        if let Some(agent) = self.agents.remove(id).and_then(|key| self.current.agents.remove(key)) {
            let totals = Arc::make_mut(&mut self.current.totals);
            totals.subtract_total(&agent.snapshot.total);
            totals.held.subtract(agent.held());
        }
    }

    fn add_recovered_agents(&mut self, agents: &[Arc<v1::AgentInfo>]) {
        self.announces = false;
        for info in agents {
            let Some(id) = info.id.as_ref().map(AgentId::from) else { continue };
            self.forget_recovered(&id);
            self.recovered.insert(id, self.current.recovered.push(Arc::clone(info)));
        }
    }

    fn forget_recovered(&mut self, id: &AgentId) {
        if let Some(key) = self.recovered.remove(id) {
            self.current.recovered.remove(key);
        }
    }

    fn remember_unreachable(&mut self, id: &AgentId) {
        self.unreachable.insert(id.clone());
        self.current.unreachable_agents = self.unreachable.len();
    }

    fn forget_unreachable(&mut self, id: &AgentId) {
        if self.unreachable.remove(id) {
            self.current.unreachable_agents = self.unreachable.len();
        }
    }

    fn add_used(&mut self, agent: &str, framework: &FrameworkId, resources: &Resources) {
        self.change_held(agent, |agent| agent.add_used(framework, resources));
    }

    fn subtract_used(&mut self, agent: &str, framework: &FrameworkId, resources: &Resources) {
        self.change_held(agent, |agent| agent.subtract_used(framework, resources));
    }
}

/// Frameworks.
impl View {
    fn put_framework(&mut self, snapshot: &Arc<FrameworkSnapshot>) {
        if let Some((framework, _)) = self.framework_mut(snapshot.id.as_str()) {
            let previous = std::mem::replace(&mut framework.snapshot, Arc::clone(snapshot));
            // Mesos announces a resubscription and a new description, but no disconnection.
            self.announces = previous.info != snapshot.info || previous.reregistered != snapshot.reregistered;
            return;
        }
        let key = self.current.frameworks.push(Framework::new(Arc::clone(snapshot), self.current.static_info.limits));
        let index = FrameworkIndex::new(key);
        self.frameworks.insert(snapshot.id.clone(), index);
    }

    fn remove_framework(&mut self, snapshot: &Arc<FrameworkSnapshot>) {
        if self.current.policy.has_answers_of(&snapshot.id) {
            self.policy().forget_framework(&snapshot.id);
        }
        let Some(index) = self.frameworks.remove(&snapshot.id) else { return };
        let Some(mut framework) = self.current.frameworks.remove(index.key) else { return };
        framework.snapshot = Arc::clone(snapshot);
        for task in framework.tasks.iter() {
            if let Some(resources) = task.used_resources() {
                self.subtract_used(task.snapshot.agent().as_str(), &snapshot.id, resources);
            }
            framework.completed.push(Arc::clone(task));
        }
        for executor in framework.executors.iter() {
            self.subtract_used(executor.snapshot.agent.as_str(), &snapshot.id, &executor.resources);
        }
        for offer in framework.offers.iter() {
            self.offers.remove(&offer.offer.id);
            self.change_held(offer.offer.agent.id.as_str(), |agent| agent.rescind(&offer.offer.resources));
        }
        framework.complete();
        self.current.completed.push(framework);
    }
}

/// Tasks.
impl View {
    fn put_task(&mut self, task: &Arc<TaskSnapshot>) {
        let Some((framework, index)) = self.framework_mut(task.framework().as_str()) else { return };
        if index.tasks.contains_key(task.id()) {
            self.replace_task(task, None);
            return;
        }
        // The task's agent is no longer unreachable, so the task leaves the unreachable history.
        if let Some(key) = index.unreachable.remove(task.id()) {
            framework.unreachable.remove(key);
        }
        framework.live.increment(task.state());
        let task = Arc::new(Task::new(Arc::clone(task)));
        index.tasks.insert(task.snapshot.id().clone(), framework.tasks.push(Arc::clone(&task)));
        if let Some(resources) = task.used_resources() {
            framework.used += resources;
            let framework = framework.snapshot.id.clone();
            self.add_used(task.snapshot.agent().as_str(), &framework, resources);
        }
    }

    fn update_task(&mut self, task: &Arc<TaskSnapshot>, status: &v1::TaskStatus) {
        let previous = self.replace_task(task, Some(status));
        self.announces = previous.as_ref().is_some_and(|previous| previous.is_announced(status));
    }

    /// Replaces a task and returns the previous one; `None` if it is unknown.
    fn replace_task(&mut self, task: &Arc<TaskSnapshot>, status: Option<&v1::TaskStatus>) -> Option<Arc<Task>> {
        let (framework, index) = self.framework_mut(task.framework().as_str())?;
        let slot = framework.tasks.get_mut(*index.tasks.get(task.id())?)?;
        let next = Arc::new(Task::new(Arc::clone(task)));
        let previous = std::mem::replace(slot, Arc::clone(&next));
        framework.live.decrement(previous.snapshot.state());
        framework.live.increment(task.state());
        if status.is_some() && previous.ends_as(task) {
            framework.ended.increment(task.state());
        }
        let (before, after) = (previous.used_resources(), next.used_resources());
        if before == after && previous.snapshot.agent() == next.snapshot.agent() {
            return Some(previous);
        }
        let id = framework.snapshot.id.clone();
        if let Some(resources) = before {
            framework.used -= resources;
        }
        if let Some(resources) = after {
            framework.used += resources;
        }
        if let Some(resources) = before {
            self.subtract_used(previous.snapshot.agent().as_str(), &id, resources);
        }
        if let Some(resources) = after {
            self.add_used(next.snapshot.agent().as_str(), &id, resources);
        }
        Some(previous)
    }

    fn remove_task(&mut self, framework_id: &FrameworkId, id: &TaskId, removal: TaskRemoval) {
        let Some((framework, index)) = self.framework_mut(framework_id.as_str()) else { return };
        if removal == TaskRemoval::AgentReregistered
            && let Some(key) = index.unreachable.remove(id)
        {
            framework.unreachable.remove(key);
        }
        let Some(task) = index.tasks.remove(id).and_then(|key| framework.tasks.remove(key)) else { return };
        framework.live.decrement(task.snapshot.state());
        match removal {
            TaskRemoval::Completed => {
                framework.completed.push(Arc::clone(&task));
            }
            TaskRemoval::Unreachable => {
                let (key, forgotten) = framework.unreachable.push(Arc::clone(&task));
                index.unreachable.insert(id.clone(), key);
                if let Some(forgotten) = forgotten {
                    index.unreachable.remove(forgotten.snapshot.id());
                }
            }
            TaskRemoval::AgentReregistered => {}
        }
        if let Some(resources) = task.used_resources() {
            framework.used -= resources;
            self.subtract_used(task.snapshot.agent().as_str(), framework_id, resources);
        }
    }
}

/// Executors and offers.
impl View {
    fn put_executor(&mut self, snapshot: &Arc<ExecutorSnapshot>) {
        self.remove_executor(&snapshot.framework, &snapshot.agent, &ExecutorId::from(&snapshot.info.executor_id));
        let Some((framework, index)) = self.framework_mut(snapshot.framework.as_str()) else { return };
        let executor = Arc::new(Executor::new(Arc::clone(snapshot)));
        let id = (snapshot.agent.clone(), ExecutorId::from(&snapshot.info.executor_id));
        index.executors.insert(id, framework.executors.push(Arc::clone(&executor)));
        framework.used += &executor.resources;
        self.add_used(snapshot.agent.as_str(), &snapshot.framework, &executor.resources);
    }

    fn remove_executor(&mut self, framework_id: &FrameworkId, agent: &AgentId, executor: &ExecutorId) {
        let Some((framework, index)) = self.framework_mut(framework_id.as_str()) else { return };
        let key = index.executors.remove(&(agent.clone(), executor.clone()));
        let Some(executor) = key.and_then(|key| framework.executors.remove(key)) else { return };
        framework.used -= &executor.resources;
        self.subtract_used(agent.as_str(), framework_id, &executor.resources);
    }

    fn put_offer(&mut self, offer: &Arc<Offer>) {
        self.remove_offer(&offer.id);
        let Some((framework, _)) = self.framework_mut(offer.framework.as_str()) else { return };
        let key = framework.offers.push(Arc::new(EncodedOffer::new(Arc::clone(offer))));
        framework.offered += &offer.resources;
        framework.offers_made += 1;
        self.offers.insert(offer.id.clone(), (offer.framework.clone(), key));
        self.change_held(offer.agent.id.as_str(), |agent| agent.offer(&offer.resources));
    }

    fn remove_offer(&mut self, id: &OfferId) {
        let Some((framework_id, key)) = self.offers.remove(id) else { return };
        let Some((framework, _)) = self.framework_mut(framework_id.as_str()) else { return };
        let Some(removed) = framework.offers.remove(key) else { return };
        framework.offered -= &removed.offer.resources;
        self.change_held(removed.offer.agent.id.as_str(), |agent| agent.rescind(&removed.offer.resources));
    }
}

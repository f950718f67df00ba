//! A framework as the master knows it, and the set of all frameworks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use allocator::OfferConstraintsFilter;
use messages::v1;
use model::{AgentId, FrameworkId, Monotonic, OfferId, Role, StreamId, TaskId, Upid};

use crate::capabilities::FrameworkCapabilities;
use crate::task::Task;
use model::master::FrameworkSnapshot;

/// Where the framework's scheduler is. A driver's address is kept while its link is
/// down, because it may come back without claiming a failover; a stream is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    None,
    Http(StreamId),
    Driver(Upid),
}

#[derive(Debug)]
pub(crate) struct Framework {
    /// What readers see of it; the core keeps no second copy.
    pub state: Arc<FrameworkSnapshot>,
    pub connection: Connection,
    pub capabilities: FrameworkCapabilities,
    /// Those in `state`, ready to be asked.
    pub constraints: Option<Arc<OfferConstraintsFilter>>,
    pub tasks: BTreeMap<TaskId, Task>,
    pub unreachable: UnreachableTasks,
    pub recently_completed: RecentlyCompletedTasks,
    pub offers: BTreeSet<OfferId>,
    /// Agents on which it has tasks or executors.
    pub agents: BTreeSet<AgentId>,
    /// When it is given up, while disconnected.
    pub deadline: Option<Monotonic>,
    pub heartbeat_slot: Option<u32>,
}

impl Framework {
    pub fn new(state: FrameworkSnapshot, connection: Connection) -> Self {
        let capabilities = FrameworkCapabilities::of(&state.info);
        Framework {
            state: Arc::new(state),
            connection,
            capabilities,
            constraints: None,
            tasks: BTreeMap::new(),
            unreachable: UnreachableTasks::default(),
            recently_completed: RecentlyCompletedTasks::default(),
            offers: BTreeSet::new(),
            agents: BTreeSet::new(),
            deadline: None,
            heartbeat_slot: None,
        }
    }

    pub fn id(&self) -> &FrameworkId {
        &self.state.id
    }

    pub fn info(&self) -> &v1::FrameworkInfo {
        &self.state.info
    }

    pub fn state_mut(&mut self) -> &mut FrameworkSnapshot {
        Arc::make_mut(&mut self.state)
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.state.roles.iter().any(|r| r.as_str() == role)
    }

    /// Who hears what is said to the framework: nobody while it is disconnected.
    pub fn listener(&self) -> &Connection {
        if self.state.connected { &self.connection } else { &Connection::None }
    }

    pub fn driver(&self) -> Option<&Upid> {
        match &self.connection {
            Connection::Driver(pid) => Some(pid),
            _ => None,
        }
    }

    /// What agents are told about where its scheduler is: the empty address for HTTP
    /// schedulers, so that agents send executor messages through the master.
    pub fn pid_text(&self) -> String {
        self.driver().cloned().unwrap_or_else(Upid::none).to_string()
    }

    pub fn failover_timeout(&self) -> Duration {
        // Validation has bounded it to what Mesos' Duration holds (about 292 years).
        Duration::try_from_secs_f64(self.info().failover_timeout.unwrap_or_default()).unwrap_or(Duration::ZERO)
    }
}

/// The roles a framework subscribes to: `roles` when MULTI_ROLE (possibly none), else `role`.
#[allow(deprecated, reason = "frameworks without MULTI_ROLE say it in `role`")]
pub(crate) fn roles_of(info: &v1::FrameworkInfo) -> Vec<Role> {
    if !FrameworkCapabilities::of(info).multi_role {
        return vec![Role::new(info.role.as_deref().unwrap_or("*"))];
    }
    let mut roles: Vec<Role> = Vec::with_capacity(info.roles.len());
    for role in &info.roles {
        if !roles.iter().any(|r| r.as_str() == role) {
            roles.push(Role::new(role));
        }
    }
    roles
}

/// Tasks on unreachable agents: they may return, and their ids stay taken. The oldest
/// are forgotten beyond `--max_unreachable_tasks_per_framework`.
#[derive(Debug, Default)]
pub(crate) struct UnreachableTasks {
    tasks: BTreeMap<TaskId, Arc<v1::Task>>,
    order: VecDeque<TaskId>,
}

impl UnreachableTasks {
    pub fn contains(&self, task: &str) -> bool {
        self.tasks.contains_key(task)
    }

    /// Adds one; returns how many were forgotten for it.
    pub fn add(&mut self, id: TaskId, task: Arc<v1::Task>, limit: usize) -> usize {
        if self.tasks.insert(id.clone(), task).is_none() {
            self.order.push_back(id);
        }
        let mut forgotten = 0;
        while self.tasks.len() > limit {
            let Some(oldest) = self.order.pop_front() else { break };
            forgotten += usize::from(self.tasks.remove(&oldest).is_some());
        }
        // Returned tasks leave their place in the order behind; drop those now and then.
        if self.order.len() > 2 * limit.max(self.tasks.len()) {
            let tasks = &self.tasks;
            self.order.retain(|id| tasks.contains_key(id));
        }
        forgotten
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TaskId, &Arc<v1::Task>)> {
        self.tasks.iter()
    }

    pub fn remove(&mut self, task: &str) -> Option<Arc<v1::Task>> {
        self.tasks.remove(task)
    }

    pub fn drain(&mut self) -> impl Iterator<Item = (TaskId, Arc<v1::Task>)> {
        self.order.clear();
        std::mem::take(&mut self.tasks).into_iter()
    }
}

/// Tasks whose end their framework has acknowledged lately, and where they were. What their agents still say of them has
/// been overtaken.
#[derive(Debug, Default)]
pub(crate) struct RecentlyCompletedTasks(VecDeque<(TaskId, AgentId)>);

impl RecentlyCompletedTasks {
    /// A connection that broke holds less.
    const MAX: usize = 1000;

    pub fn add(&mut self, task: TaskId, agent: AgentId) {
        if self.0.len() >= Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back((task, agent));
    }

    /// Only asked about tasks that nothing is known of.
    pub fn contains(&self, task: &str, agent: &str) -> bool {
        self.0.iter().any(|(id, on)| id.as_str() == task && on.as_str() == agent)
    }
}

#[derive(Debug)]
pub(crate) struct Frameworks {
    map: BTreeMap<FrameworkId, Framework>,
    streams: BTreeMap<StreamId, FrameworkId>,
    drivers: BTreeMap<Upid, FrameworkId>,
    completed: VecDeque<FrameworkId>,
    max_completed: usize,
}

impl Frameworks {
    pub fn new(max_completed: usize) -> Self {
        Frameworks {
            map: BTreeMap::new(),
            streams: BTreeMap::new(),
            drivers: BTreeMap::new(),
            completed: VecDeque::new(),
            max_completed,
        }
    }

    pub fn get(&self, id: &str) -> Option<&Framework> {
        self.map.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Framework> {
        self.map.get_mut(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Framework> {
        self.map.values()
    }

    pub fn insert(&mut self, framework: Framework) {
        self.index(framework.id().clone(), &framework.connection.clone());
        self.map.insert(framework.id().clone(), framework);
    }

    pub fn by_stream(&self, stream: StreamId) -> Option<&FrameworkId> {
        self.streams.get(&stream)
    }

    pub fn by_driver(&self, pid: &Upid) -> Option<&FrameworkId> {
        self.drivers.get(pid)
    }

    /// Drivers whose link ended with this address.
    pub fn drivers_at(&self, address: SocketAddrV4) -> Vec<FrameworkId> {
        self.drivers.iter().filter(|(pid, _)| pid.address == address).map(|(_, id)| id.clone()).collect()
    }

    /// Moves a framework to another conversation; returns the one it held before.
    pub fn connect(&mut self, id: &str, connection: Connection) -> Option<Connection> {
        let framework = self.map.get_mut(id)?;
        let before = std::mem::replace(&mut framework.connection, connection.clone());
        let id = framework.id().clone();
        match &before {
            Connection::Http(stream) => drop(self.streams.remove(stream)),
            Connection::Driver(pid) => drop(self.drivers.remove(pid)),
            Connection::None => {}
        }
        self.index(id, &connection);
        Some(before)
    }

    fn index(&mut self, id: FrameworkId, connection: &Connection) {
        match connection {
            Connection::Http(stream) => drop(self.streams.insert(*stream, id)),
            Connection::Driver(pid) => drop(self.drivers.insert(pid.clone(), id)),
            Connection::None => {}
        }
    }

    /// Takes a framework out for good; its id is remembered so that it cannot come back.
    pub fn complete(&mut self, id: &str) -> Option<Framework> {
        self.connect(id, Connection::None);
        let framework = self.map.remove(id)?;
        self.completed.push_back(framework.id().clone());
        while self.completed.len() > self.max_completed {
            self.completed.pop_front();
        }
        Some(framework)
    }

    pub fn is_completed(&self, id: &str) -> bool {
        self.completed.iter().any(|completed| completed.as_str() == id)
    }
}

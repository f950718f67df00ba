//! The entities of a master's view.

use std::sync::Arc;

use model::FrameworkId;
use model::master::{AgentSnapshot, ExecutorSnapshot, FrameworkSnapshot, Offer};
use resources::{Resource, Resources};

use super::Limits;
use super::state_counts::StateCounts;
use super::task::Task;
use crate::entity::{Fragment, parse};
use crate::history::History;
use crate::snapshot_map::SnapshotMap;

#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub snapshot: Arc<AgentSnapshot>,
    /// The resources of its live tasks and executors, per framework in order of appearance.
    pub used: Vec<(FrameworkId, Resources)>,
    pub offered: Resources,
    /// The members that only a new `snapshot` changes.
    pub description: Arc<Encoded>,
    /// The members that tasks and offers change as well.
    pub usage: Arc<Encoded>,
}

/// Members of an entity's JSON, in the forms in which endpoints differ.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub summary: Fragment,
    pub full: Fragment,
    /// The whole entity in the form of the v1 API.
    pub v1: Fragment,
    /// Fields of the message of the v1 API.
    pub protobuf: Fragment,
}

impl Agent {
    pub fn new(snapshot: Arc<AgentSnapshot>) -> Self {
        Agent {
            snapshot,
            used: Vec::new(),
            offered: Resources::default(),
            description: Arc::default(),
            usage: Arc::default(),
        }
    }

    /// Replaces the description, and returns the previous one.
    pub fn describe(&mut self, snapshot: &Arc<AgentSnapshot>) -> Arc<AgentSnapshot> {
        self.description = Arc::default();
        self.usage = Arc::default();
        std::mem::replace(&mut self.snapshot, Arc::clone(snapshot))
    }

    /// Iterates over the resources that are used or offered.
    pub fn held(&self) -> impl Iterator<Item = &Resource> {
        self.used.iter().flat_map(|(_, used)| used).chain(&self.offered)
    }

    /// Returns the resources that all frameworks use.
    pub fn total_used(&self) -> Resources {
        match self.used.as_slice() {
            [(_, only)] => only.clone(),
            all => all.iter().fold(Resources::default(), |mut sum, (_, used)| {
                sum += used;
                sum
            }),
        }
    }

    pub fn add_used(&mut self, framework: &FrameworkId, resources: &Resources) {
        if resources.is_empty() {
            return;
        }
        self.usage = Arc::default();
        match self.used.iter_mut().find(|(id, _)| id == framework) {
            Some((_, used)) => *used += resources,
            None => self.used.push((framework.clone(), resources.clone())),
        }
    }

    pub fn subtract_used(&mut self, framework: &FrameworkId, resources: &Resources) {
        self.usage = Arc::default();
        if let Some((_, used)) = self.used.iter_mut().find(|(id, _)| id == framework) {
            *used -= resources;
        }
        self.used.retain(|(_, used)| !used.is_empty());
    }

    pub fn offer(&mut self, resources: &Resources) {
        self.usage = Arc::default();
        self.offered += resources;
    }

    pub fn rescind(&mut self, resources: &Resources) {
        self.usage = Arc::default();
        self.offered -= resources;
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Framework {
    pub snapshot: Arc<FrameworkSnapshot>,
    pub used: Resources,
    pub offered: Resources,
    pub tasks: SnapshotMap<Arc<Task>>,
    pub unreachable: History<Arc<Task>>,
    pub completed: History<Arc<Task>>,
    pub executors: SnapshotMap<Arc<Executor>>,
    pub offers: SnapshotMap<Arc<EncodedOffer>>,
    pub offers_made: u64,
    /// The number of tasks in `tasks`, by state.
    pub live: StateCounts,
    /// The number of tasks that ended since it registered, by terminal state.
    pub ended: StateCounts,
}

impl Framework {
    pub fn new(snapshot: Arc<FrameworkSnapshot>, limits: Limits) -> Self {
        Framework {
            snapshot,
            used: Resources::default(),
            offered: Resources::default(),
            tasks: SnapshotMap::default(),
            unreachable: History::new(limits.unreachable_tasks_per_framework),
            completed: History::new(limits.completed_tasks_per_framework),
            executors: SnapshotMap::default(),
            offers: SnapshotMap::default(),
            offers_made: 0,
            live: StateCounts::default(),
            ended: StateCounts::default(),
        }
    }

    pub fn complete(&mut self) {
        self.used = Resources::default();
        self.offered = Resources::default();
        self.tasks = SnapshotMap::default();
        self.live = StateCounts::default();
        self.executors = SnapshotMap::default();
        self.offers = SnapshotMap::default();
    }

    /// Iterates over the live, unreachable and completed tasks.
    pub fn all_tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().chain(self.unreachable.iter()).chain(self.completed.iter())
    }
}

#[derive(Debug)]
pub(crate) struct Executor {
    pub snapshot: Arc<ExecutorSnapshot>,
    pub resources: Resources,
    pub json: Fragment,
    pub protobuf: Fragment,
}

impl Executor {
    pub fn new(snapshot: Arc<ExecutorSnapshot>) -> Self {
        Executor {
            resources: parse(&snapshot.info.resources),
            snapshot,
            json: Fragment::default(),
            protobuf: Fragment::default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct EncodedOffer {
    pub offer: Arc<Offer>,
    pub json: Fragment,
    pub v1: Fragment,
    pub protobuf: Fragment,
}

impl EncodedOffer {
    pub fn new(offer: Arc<Offer>) -> Self {
        EncodedOffer { offer, json: Fragment::default(), v1: Fragment::default(), protobuf: Fragment::default() }
    }
}

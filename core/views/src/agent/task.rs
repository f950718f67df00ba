//! A task of an agent.

use std::sync::Arc;

use messages::v1;
use resources::Resources;

use crate::entity::{Fragment, parse};
use crate::{json, v0};

#[derive(Debug)]
pub(crate) struct Task {
    /// The task, as the last change described it.
    pub task: Arc<v1::Task>,
    /// The task's resources.
    pub resources: Resources,
    json: Fragment,
    v1: Fragment,
}

impl Task {
    /// Creates the entity of a task.
    pub fn new(task: Arc<v1::Task>) -> Self {
        Task::with(parse(&task.resources), task)
    }

    /// Returns the task in its next state.
    pub fn succeeded_by(&self, task: Arc<v1::Task>) -> Self {
        let resources =
            if self.task.resources == task.resources { self.resources.clone() } else { parse(&task.resources) };
        Task::with(resources, task)
    }

    fn with(resources: Resources, task: Arc<v1::Task>) -> Self {
        Task { task, resources, json: Fragment::default(), v1: Fragment::default() }
    }

    /// Appends the form of `/state`.
    pub fn write_v0(&self, out: &mut Vec<u8>) {
        self.json.append(out, |out| v0::task(out, &self.task, &self.resources));
    }

    /// Appends the form of the v1 API.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        self.v1.append(out, |out| json::message(out, &*self.task));
    }
}

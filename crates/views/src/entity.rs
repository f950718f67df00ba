//! What entities have in common: immutable behind `Arc`s, each with the JSON of its
//! version, encoded by the first reader that asks.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use messages::v1;
use messages::v1::TaskState;
use resources::Resources;

use crate::{json, legacy};

/// Encoded at most once for an entity's version; every snapshot that holds it shares the result.
#[derive(Debug, Default)]
pub(crate) struct Fragment(OnceLock<Bytes>);

impl Fragment {
    /// Appends it. The first time it is encoded in place, and what is kept is a copy of exactly its size.
    pub fn append(&self, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
        if let Some(encoded) = self.0.get() {
            return out.extend_from_slice(encoded);
        }
        let start = out.len();
        encode(out);
        // Another reader may have been faster, with the same result.
        let _ = self.0.set(Bytes::copy_from_slice(out.get(start..).unwrap_or_default()));
    }

    /// For what is built with about the right capacity.
    pub fn get_large(&self, build: impl FnOnce() -> Vec<u8>) -> &Bytes {
        self.0.get_or_init(|| Bytes::from(build()))
    }
}

#[derive(Debug)]
pub(crate) struct Task {
    pub task: Arc<v1::Task>,
    pub resources: Resources,
    json: Fragment,
    v1: Fragment,
}

impl Task {
    pub fn new(task: Arc<v1::Task>) -> Self {
        Task::with(parse(&task.resources), task)
    }

    pub fn succeeded_by(&self, task: Arc<v1::Task>) -> Self {
        let resources =
            if self.task.resources == task.resources { self.resources.clone() } else { parse(&task.resources) };
        Task::with(resources, task)
    }

    fn with(resources: Resources, task: Arc<v1::Task>) -> Self {
        Task { task, resources, json: Fragment::default(), v1: Fragment::default() }
    }

    /// The form of `/state`.
    pub fn write_legacy(&self, out: &mut Vec<u8>) {
        self.json.append(out, |out| legacy::task(out, &self.task, &self.resources));
    }

    /// The form of the v1 API.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        self.v1.append(out, |out| json::message(out, &*self.task));
    }

    /// The resources it has in use.
    pub fn held(&self) -> Option<&Resources> {
        holds_resources(self.task.state()).then_some(&self.resources)
    }

    pub fn ends_as(&self, next: &v1::Task) -> bool {
        !is_terminal(self.task.state()) && is_terminal(next.state())
    }

    /// Mesos announces an update to another state, and each result of a check.
    pub fn is_news(&self, status: &v1::TaskStatus) -> bool {
        use v1::task_status::Reason;
        matches!(status.reason(), Reason::TaskCheckStatusUpdated | Reason::TaskHealthCheckStatusUpdated)
            || self.task.statuses.last().is_none_or(|last| last.state != status.state)
    }
}

/// The core has validated them, so what does not parse is not there.
pub(crate) fn parse(resources: &[v1::Resource]) -> Resources {
    Resources::from_proto(resources).unwrap_or_default()
}

/// The task holds its resources no more, and no later update revives it.
pub(crate) fn is_terminal(state: TaskState) -> bool {
    use TaskState::*;
    match state {
        TaskFinished | TaskFailed | TaskKilled | TaskError | TaskLost | TaskDropped | TaskGone | TaskGoneByOperator => {
            true
        }
        TaskStaging | TaskStarting | TaskRunning | TaskKilling | TaskUnreachable | TaskUnknown => false,
    }
}

fn holds_resources(state: TaskState) -> bool {
    !is_terminal(state) && state != TaskState::TaskUnreachable
}

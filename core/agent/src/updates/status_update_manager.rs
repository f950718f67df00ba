//! Status-update streams: per task the updates that its framework has not acknowledged yet, delivered strictly one
//! after the other, each repeated until it is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use messages::internal::StatusUpdate;
use messages::v1::TaskState;
use model::{FrameworkId, TaskId, Upid, is_terminal};

use crate::frameworks::task::task_state;

pub(crate) const RETRY_MIN: Duration = Duration::from_secs(10);
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(600);

/// Unacknowledged updates of one task. A task at this bound has its further updates refused (executors repeat them).
const MAX_PENDING: usize = 1024;
/// How many acknowledged uuids are remembered, to recognise an executor's repetition of an old update.
pub(crate) const MAX_REMEMBERED: usize = 64;
/// Tasks with a stream. Executors may report on tasks the agent never gave them, so this is not bounded by launches.
const MAX_STREAMS: usize = 200_000;

/// Who sent an update, and so who hears that it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Agent,
    /// Answered with an ACKNOWLEDGED event on whatever stream the executor then has.
    Http,
    Driver(Upid),
}

/// The streams of all tasks. Nothing is in flight while the agent is not registered: `pause` sees to it.
#[derive(Debug, Default)]
pub(crate) struct StatusUpdateManager {
    by_task: BTreeMap<(FrameworkId, TaskId), StatusUpdateStream>,
}

#[derive(Debug, Default)]
struct StatusUpdateStream {
    pending: VecDeque<Pending>,
    acknowledged: VecDeque<Vec<u8>>,
    /// The wait before the next repetition of the first pending update; `None` while it is not in flight.
    retry: Option<Duration>,
    /// Acknowledgements on their way to the disk. Nothing goes before they are there: were one lost, its update would
    /// be repeated after a later one.
    unstored_acknowledgements: usize,
}

#[derive(Debug)]
struct Pending {
    update: Arc<StatusUpdate>,
    /// The state of the task until this update.
    before: TaskState,
    origin: Origin,
    stored: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushResult {
    /// To be stored now.
    New,
    /// Known, and on its way to the disk: its sender hears of it in time.
    Pending,
    /// Known and durable: its sender may forget it.
    Durable,
    /// The bound is reached.
    Full,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AcknowledgeResult {
    /// Not the update in flight: a repetition, or somebody else's.
    Unexpected,
    Next,
    /// It was the last one of a task that is over.
    Closed,
}

impl StatusUpdateManager {
    /// The update of a task that its framework sees next, once it is durable.
    pub fn next(&self, framework: &FrameworkId, task: &TaskId) -> Option<&StatusUpdate> {
        let stream = self
            .by_task
            .get(&(framework.clone(), task.clone()))
            .filter(|stream| stream.unstored_acknowledgements == 0)?;
        stream.pending.front().filter(|pending| pending.stored).map(|pending| &*pending.update)
    }

    /// The state of a task that a crash would leave, if it is not the one that the task is in.
    pub fn durable_state(&self, framework: &FrameworkId, task: &TaskId) -> Option<TaskState> {
        let stream = self.by_task.get(&(framework.clone(), task.clone()))?;
        stream.pending.iter().find(|pending| !pending.stored).map(|pending| pending.before)
    }

    /// `before`: the state of the task until now.
    pub fn push(&mut self, update: Arc<StatusUpdate>, before: TaskState, origin: Origin) -> PushResult {
        let key = key(&update);
        if !self.by_task.contains_key(&key) && self.by_task.len() >= MAX_STREAMS {
            return PushResult::Full;
        }
        let stream = self.by_task.entry(key).or_default();
        if let Some(known) = stream.pending.iter().find(|p| p.update.uuid == update.uuid) {
            return if known.stored { PushResult::Durable } else { PushResult::Pending };
        }
        if stream.acknowledged.iter().any(|uuid| Some(uuid) == update.uuid.as_ref()) {
            return PushResult::Durable;
        }
        // The agent's own updates end tasks and are few: they always fit.
        if stream.pending.len() >= MAX_PENDING && origin != Origin::Agent {
            return PushResult::Full;
        }
        stream.pending.push_back(Pending { update, before, origin, stored: false });
        PushResult::New
    }

    /// A stream as it is on record: what is pending is durable, and nobody waits to hear so.
    pub fn restore(
        &mut self,
        framework: &FrameworkId,
        task: &TaskId,
        pending: impl Iterator<Item = StatusUpdate>,
        acknowledged: VecDeque<Vec<u8>>,
    ) {
        let durable = |update: StatusUpdate| Pending {
            before: task_state(update.status.state),
            update: Arc::new(update),
            origin: Origin::Agent,
            stored: true,
        };
        let stream = StatusUpdateStream {
            pending: pending.map(durable).collect(),
            acknowledged,
            ..StatusUpdateStream::default()
        };
        self.by_task.insert((framework.clone(), task.clone()), stream);
    }

    /// Whether this very update is in the stream already: a repetition changes nothing.
    pub fn knows(&self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> bool {
        self.by_task.get(&(framework.clone(), task.clone())).is_some_and(|stream| {
            let pending = stream.pending.iter().any(|p| p.update.uuid.as_deref() == Some(uuid));
            pending || stream.acknowledged.iter().any(|known| known == uuid)
        })
    }

    /// Whether a task has a stream.
    pub fn has(&self, framework: &FrameworkId, task: &TaskId) -> bool {
        self.by_task.contains_key(&(framework.clone(), task.clone()))
    }

    /// The update is durable; who sent it is to be told.
    pub fn stored(&mut self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> Option<Origin> {
        let stream = self.by_task.get_mut(&(framework.clone(), task.clone()))?;
        let pending = stream.pending.iter_mut().find(|p| p.update.uuid.as_deref() == Some(uuid))?;
        pending.stored = true;
        Some(pending.origin.clone())
    }

    /// Puts the first pending update in flight if it may go, and says how long to wait for its acknowledgement.
    pub fn forward_first(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<(Arc<StatusUpdate>, Duration)> {
        let stream = self.by_task.get_mut(&(framework.clone(), task.clone()))?;
        let first = stream.pending.front().filter(|p| p.stored)?;
        if stream.retry.is_some() || stream.unstored_acknowledgements > 0 {
            return None;
        }
        stream.retry = Some(RETRY_MIN);
        Some((first.update.clone(), RETRY_MIN))
    }

    /// The wait is over: the update in flight goes again, and waits twice as long.
    pub fn retry(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<(Arc<StatusUpdate>, Duration)> {
        let stream = self.by_task.get_mut(&(framework.clone(), task.clone()))?;
        let retry = stream.retry.as_mut()?;
        *retry = retry.saturating_mul(2).min(RETRY_MAX);
        Some((stream.pending.front()?.update.clone(), *retry))
    }

    /// Takes an acknowledgement of the update in flight.
    pub fn acknowledge(&mut self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> AcknowledgeResult {
        let key = (framework.clone(), task.clone());
        let Some(stream) = self.by_task.get_mut(&key) else { return AcknowledgeResult::Unexpected };
        let in_flight = stream.pending.front().filter(|p| p.stored && p.update.uuid.as_deref() == Some(uuid));
        let Some(first) = in_flight else { return AcknowledgeResult::Unexpected };
        let terminal = is_terminal(task_state(first.update.status.state));
        stream.pending.pop_front();
        stream.retry = None;
        // After the end of a task more can wait only if its id was used again.
        if terminal && stream.pending.is_empty() {
            self.by_task.remove(&key);
            return AcknowledgeResult::Closed;
        }
        if stream.acknowledged.len() >= MAX_REMEMBERED {
            stream.acknowledged.pop_front();
        }
        stream.acknowledged.push_back(uuid.to_vec());
        stream.unstored_acknowledgements += 1;
        AcknowledgeResult::Next
    }

    /// An acknowledgement after which others may follow is durable.
    pub fn acknowledgement_stored(&mut self, framework: &FrameworkId, task: &TaskId) {
        if let Some(stream) = self.by_task.get_mut(&(framework.clone(), task.clone())) {
            stream.unstored_acknowledgements = stream.unstored_acknowledgements.saturating_sub(1);
        }
    }

    /// Nothing is in flight any more. Returns the tasks whose repetition is to be called off.
    pub fn pause(&mut self) -> Vec<(FrameworkId, TaskId)> {
        let mut stopped = Vec::new();
        for (key, stream) in &mut self.by_task {
            if stream.retry.take().is_some() {
                stopped.push(key.clone());
            }
        }
        stopped
    }

    /// All tasks with something to forward, for `start` one by one.
    pub fn resume(&mut self) -> Vec<(FrameworkId, TaskId)> {
        self.by_task.iter().filter(|(_, s)| !s.pending.is_empty()).map(|(key, _)| key.clone()).collect()
    }

    /// The framework has a new scheduler: what is in flight went to the old one. Returns the tasks to `start` again.
    pub fn restart(&mut self, framework: &FrameworkId) -> Vec<TaskId> {
        let mut tasks = Vec::new();
        for ((_, task), stream) in self.of(framework) {
            stream.retry = None;
            if !stream.pending.is_empty() {
                tasks.push(task.clone());
            }
        }
        tasks
    }

    /// The framework is gone: nobody is left to acknowledge. Returns the tasks whose repetition is to be called off.
    pub fn remove_framework(&mut self, framework: &FrameworkId) -> Vec<TaskId> {
        let tasks: Vec<TaskId> = self.of(framework).map(|((_, task), _)| task.clone()).collect();
        for task in &tasks {
            self.by_task.remove(&(framework.clone(), task.clone()));
        }
        tasks
    }

    /// The agent holds nothing of the framework any more but what is still to be acknowledged.
    pub fn remove_empty_streams(&mut self, framework: &FrameworkId) {
        let settled: Vec<TaskId> =
            self.of(framework).filter(|(_, s)| s.pending.is_empty()).map(|((_, task), _)| task.clone()).collect();
        for task in settled {
            self.by_task.remove(&(framework.clone(), task));
        }
    }

    fn of(
        &mut self,
        framework: &FrameworkId,
    ) -> impl Iterator<Item = (&(FrameworkId, TaskId), &mut StatusUpdateStream)> {
        let from = (framework.clone(), TaskId::new(""));
        let framework = framework.clone();
        self.by_task.range_mut(from..).take_while(move |((id, _), _)| *id == framework)
    }
}

fn key(update: &StatusUpdate) -> (FrameworkId, TaskId) {
    (FrameworkId::from(&update.framework_id), TaskId::from(&update.status.task_id))
}

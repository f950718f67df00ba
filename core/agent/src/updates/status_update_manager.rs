//! Status update streams: for each task the updates that its framework has not acknowledged yet, delivered strictly one
//! after the other, each repeated until it is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use messages::internal::StatusUpdate;
use messages::v1::TaskState;
use model::{ExecutorId, FrameworkId, TaskId, Upid, is_terminal};
use prost::Message as _;

use crate::frameworks::task::task_state;

pub(crate) const RETRY_MIN: Duration = Duration::from_secs(10);
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(600);

/// The most unacknowledged updates of one task. Beyond the bound further updates are refused (executors repeat them).
const MAX_PENDING: usize = 1024;
/// The number of acknowledged uuids that are kept, to recognise an executor's repetition of an old update.
pub(crate) const MAX_REMEMBERED: usize = 64;
/// The most tasks with a stream. Executors may report on tasks that the agent never gave them, so launches do not bound
/// it.
const MAX_STREAMS: usize = 200_000;

/// The most bytes of unacknowledged updates of one executor, over all of its tasks and those that it only claims to
/// have. Beyond the bound its further updates are refused (503 over HTTP; executors repeat them), until some are
/// acknowledged. This bounds the memory of an executor that reports on ever new tasks, at the cost of that executor
/// only.
pub(crate) const MAX_BYTES_PER_EXECUTOR: usize = 64 << 20;
/// The most updates of unknown tasks of all executors of a framework together: such an update may name a wrong
/// executor, and only a broken executor sends many.
pub(crate) const MAX_UNKNOWN_PER_FRAMEWORK: usize = 4096;

/// The sender of an update, which receives a confirmation once the update is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Agent,
    /// The sender receives an ACKNOWLEDGED event on the stream that the executor then has.
    Http,
    Driver(Upid),
}

/// The streams of all tasks. Nothing is in flight while the agent is not registered, which `pause` ensures.
#[derive(Debug, Default)]
pub(crate) struct StatusUpdateManager {
    by_task: BTreeMap<(FrameworkId, TaskId), StatusUpdateStream>,
    /// The pending updates by the executor that has the task; `None` for tasks that the agent does not have.
    by_executor: BTreeMap<(FrameworkId, Option<ExecutorId>), PendingTotal>,
}

/// The unacknowledged updates of one executor.
#[derive(Debug, Default, PartialEq, Eq)]
struct PendingTotal {
    bytes: usize,
    /// The number of updates of tasks that the agent does not know.
    unknown: usize,
}

#[derive(Debug, Default)]
struct StatusUpdateStream {
    pending: VecDeque<Pending>,
    acknowledged: VecDeque<Vec<u8>>,
    /// The wait before the next repetition of the first pending update; `None` while it is not in flight.
    retry: Option<Duration>,
    /// The number of acknowledgements that are being written. No update is forwarded before they are durable: if one
    /// were lost, its update would be repeated after a later one.
    unstored_acknowledgements: usize,
}

#[derive(Debug)]
struct Pending {
    update: Arc<StatusUpdate>,
    /// The state of the task before this update.
    before: TaskState,
    origin: Origin,
    stored: bool,
}

impl Pending {
    fn owner(&self) -> (FrameworkId, Option<ExecutorId>) {
        let executor = self.update.executor_id.as_ref().filter(|_| !self.is_of_unknown_task());
        (FrameworkId::from(&self.update.framework_id), executor.map(ExecutorId::from))
    }

    fn bytes(&self) -> usize {
        self.update.status.encoded_len()
    }

    fn is_of_unknown_task(&self) -> bool {
        self.before == TaskState::TaskUnknown
    }
}

impl PendingTotal {
    fn has_room(&self, next: &Pending) -> bool {
        let unknown = self.unknown + usize::from(next.is_of_unknown_task());
        self.bytes.saturating_add(next.bytes()) <= MAX_BYTES_PER_EXECUTOR && unknown <= MAX_UNKNOWN_PER_FRAMEWORK
    }

    fn add(&mut self, next: &Pending) {
        self.bytes = self.bytes.saturating_add(next.bytes());
        self.unknown += usize::from(next.is_of_unknown_task());
    }
}

impl StatusUpdateStream {
    fn is_unused(&self) -> bool {
        self.pending.is_empty() && self.acknowledged.is_empty() && self.unstored_acknowledgements == 0
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushResult {
    /// The update is new and has to be stored now.
    New,
    /// The update is known, and its record is being written. Its sender receives a confirmation once the record is
    /// durable.
    Pending,
    /// The update is known and durable: its sender may drop it.
    Durable,
    /// The bound is reached.
    Full,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AcknowledgeResult {
    /// The acknowledgement is not of the update in flight: it is a repetition, or another framework's.
    Unexpected,
    Next,
    /// The update was the last one of a terminal task.
    Closed,
}

impl StatusUpdateManager {
    /// Returns the update of a task that its framework gets next, once it is durable.
    pub fn next(&self, framework: &FrameworkId, task: &TaskId) -> Option<&StatusUpdate> {
        let stream = self
            .by_task
            .get(&(framework.clone(), task.clone()))
            .filter(|stream| stream.unstored_acknowledgements == 0)?;
        stream.pending.front().filter(|pending| pending.stored).map(|pending| &*pending.update)
    }

    /// Returns the state of a task that would be left after a crash, if it is not the present one.
    pub fn durable_state(&self, framework: &FrameworkId, task: &TaskId) -> Option<TaskState> {
        let stream = self.by_task.get(&(framework.clone(), task.clone()))?;
        stream.pending.iter().find(|pending| !pending.stored).map(|pending| pending.before)
    }

    /// Adds an update. `before` is the state of the task before it.
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
        let pending = Pending { update, before, origin, stored: false };
        let total = self.by_executor.entry(pending.owner()).or_default();
        // The agent's own updates end tasks and are few: they always fit.
        let full = stream.pending.len() >= MAX_PENDING || !total.has_room(&pending);
        if full && pending.origin != Origin::Agent {
            self.remove_unused(&pending);
            return PushResult::Full;
        }
        total.add(&pending);
        stream.pending.push_back(pending);
        PushResult::New
    }

    /// Removes the stream of a refused update if it is empty.
    fn remove_unused(&mut self, refused: &Pending) {
        let key = key(&refused.update);
        if self.by_task.get(&key).is_some_and(StatusUpdateStream::is_unused) {
            self.by_task.remove(&key);
        }
        let owner = refused.owner();
        if self.by_executor.get(&owner) == Some(&PendingTotal::default()) {
            self.by_executor.remove(&owner);
        }
    }

    fn subtract(&mut self, gone: &Pending) {
        let owner = gone.owner();
        let Some(total) = self.by_executor.get_mut(&owner) else { return };
        total.bytes = total.bytes.saturating_sub(gone.bytes());
        total.unknown = total.unknown.saturating_sub(usize::from(gone.is_of_unknown_task()));
        if *total == PendingTotal::default() {
            self.by_executor.remove(&owner);
        }
    }

    /// Restores a stream from the records. Its pending updates are durable, and no sender waits for a confirmation.
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
        for pending in &stream.pending {
            self.by_executor.entry(pending.owner()).or_default().add(pending);
        }
        self.by_task.insert((framework.clone(), task.clone()), stream);
    }

    /// Returns whether this very update is in the stream already: a repetition changes nothing.
    pub fn knows(&self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> bool {
        self.by_task.get(&(framework.clone(), task.clone())).is_some_and(|stream| {
            let pending = stream.pending.iter().any(|p| p.update.uuid.as_deref() == Some(uuid));
            pending || stream.acknowledged.iter().any(|known| known == uuid)
        })
    }

    /// Returns whether a task has a stream.
    pub fn has(&self, framework: &FrameworkId, task: &TaskId) -> bool {
        self.by_task.contains_key(&(framework.clone(), task.clone()))
    }

    /// Returns whether an update of a task waits for its acknowledgement.
    pub fn is_waiting(&self, framework: &FrameworkId, task: &TaskId) -> bool {
        let stream = self.by_task.get(&(framework.clone(), task.clone()));
        stream.is_some_and(|stream| !stream.pending.is_empty() || stream.unstored_acknowledgements > 0)
    }

    /// Marks an update as durable, and returns the sender to tell.
    pub fn stored(&mut self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> Option<Origin> {
        let stream = self.by_task.get_mut(&(framework.clone(), task.clone()))?;
        let pending = stream.pending.iter_mut().find(|p| p.update.uuid.as_deref() == Some(uuid))?;
        pending.stored = true;
        Some(pending.origin.clone())
    }

    /// Puts the first pending update in flight if it may be sent, and returns it with the wait for its acknowledgement.
    pub fn forward_first(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<(Arc<StatusUpdate>, Duration)> {
        let stream = self.by_task.get_mut(&(framework.clone(), task.clone()))?;
        let first = stream.pending.front().filter(|p| p.stored)?;
        if stream.retry.is_some() || stream.unstored_acknowledgements > 0 {
            return None;
        }
        stream.retry = Some(RETRY_MIN);
        Some((first.update.clone(), RETRY_MIN))
    }

    /// Returns the update in flight, to be sent again, with a wait that is twice as long.
    pub fn retry(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<(Arc<StatusUpdate>, Duration)> {
        let stream = self.by_task.get_mut(&(framework.clone(), task.clone()))?;
        let retry = stream.retry.as_mut()?;
        *retry = retry.saturating_mul(2).min(RETRY_MAX);
        Some((stream.pending.front()?.update.clone(), *retry))
    }

    /// Applies an acknowledgement of the update in flight.
    pub fn acknowledge(&mut self, framework: &FrameworkId, task: &TaskId, uuid: &[u8]) -> AcknowledgeResult {
        let key = (framework.clone(), task.clone());
        let Some(stream) = self.by_task.get_mut(&key) else { return AcknowledgeResult::Unexpected };
        let in_flight = stream.pending.front().filter(|p| p.stored && p.update.uuid.as_deref() == Some(uuid));
        let Some(first) = in_flight else { return AcknowledgeResult::Unexpected };
        let terminal = is_terminal(task_state(first.update.status.state));
        let gone = stream.pending.pop_front();
        stream.retry = None;
        // After the end of a task, further updates can wait only if its id was used again.
        let result = if terminal && stream.pending.is_empty() {
            self.by_task.remove(&key);
            AcknowledgeResult::Closed
        } else {
            if stream.acknowledged.len() >= MAX_REMEMBERED {
                stream.acknowledged.pop_front();
            }
            stream.acknowledged.push_back(uuid.to_vec());
            stream.unstored_acknowledgements += 1;
            AcknowledgeResult::Next
        };
        if let Some(gone) = gone {
            self.subtract(&gone);
        }
        result
    }

    /// Marks an acknowledgement as durable, after which others may follow.
    pub fn acknowledgement_stored(&mut self, framework: &FrameworkId, task: &TaskId) {
        if let Some(stream) = self.by_task.get_mut(&(framework.clone(), task.clone())) {
            stream.unstored_acknowledgements = stream.unstored_acknowledgements.saturating_sub(1);
        }
    }

    /// Takes everything out of flight. Returns the tasks whose repetition is to be cancelled.
    pub fn pause(&mut self) -> Vec<(FrameworkId, TaskId)> {
        let mut stopped = Vec::new();
        for (key, stream) in &mut self.by_task {
            if stream.retry.take().is_some() {
                stopped.push(key.clone());
            }
        }
        stopped
    }

    /// Returns all tasks with something to forward, for [`forward_first`](Self::forward_first) one by one.
    pub fn resume(&mut self) -> Vec<(FrameworkId, TaskId)> {
        self.by_task.iter().filter(|(_, s)| !s.pending.is_empty()).map(|(key, _)| key.clone()).collect()
    }

    /// Restarts the streams of a framework that has a new scheduler, since the update in flight was sent to the old
    /// one. Returns the tasks for [`forward_first`](Self::forward_first).
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

    /// Removes the streams of a removed framework, since nobody is left to acknowledge. Returns the tasks whose
    /// repetition is to be cancelled.
    pub fn remove_framework(&mut self, framework: &FrameworkId) -> Vec<TaskId> {
        let tasks: Vec<TaskId> = self.of(framework).map(|((_, task), _)| task.clone()).collect();
        for task in &tasks {
            self.by_task.remove(&(framework.clone(), task.clone()));
        }
        self.by_executor.retain(|(of, _), _| of != framework);
        tasks
    }

    /// Removes the empty streams of a framework that has nothing on the agent except unacknowledged updates.
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

#[cfg(test)]
mod tests {
    use messages::v1;

    use super::*;

    fn update(task: &str, number: u64, data: usize) -> Arc<StatusUpdate> {
        let uuid = [&number.to_be_bytes()[..], &[0; 8]].concat();
        let status = v1::TaskStatus {
            task_id: v1::TaskId { value: task.into() },
            state: TaskState::TaskRunning as i32,
            data: Some(vec![0; data]),
            uuid: Some(uuid.clone()),
            ..Default::default()
        };
        Arc::new(StatusUpdate {
            framework_id: v1::FrameworkId { value: "F".into() },
            executor_id: Some(v1::ExecutorId { value: "e".into() }),
            status,
            uuid: Some(uuid),
            ..Default::default()
        })
    }

    #[test]
    fn an_executor_cannot_fill_the_agent() {
        let mut manager = StatusUpdateManager::default();
        let push = |manager: &mut StatusUpdateManager, task: &str, number, before, data| {
            manager.push(update(task, number, data), before, Origin::Http)
        };
        for number in 0..MAX_UNKNOWN_PER_FRAMEWORK as u64 {
            let task = format!("t{number}");
            assert_eq!(push(&mut manager, &task, number, TaskState::TaskUnknown, 0), PushResult::New);
        }
        assert_eq!(push(&mut manager, "more", 1 << 20, TaskState::TaskUnknown, 0), PushResult::Full);
        assert!(!manager.has(&FrameworkId::new("F"), &TaskId::new("more")), "nothing of it stays");
        // The executor's own tasks continue up to the bound of bytes.
        let large = MAX_BYTES_PER_EXECUTOR / 2;
        assert_eq!(push(&mut manager, "own", 2 << 20, TaskState::TaskStaging, large), PushResult::New);
        assert_eq!(push(&mut manager, "own", 3 << 20, TaskState::TaskRunning, large), PushResult::Full);
        // After an acknowledgement there is room for another update.
        let (framework, own) = (FrameworkId::new("F"), TaskId::new("own"));
        let uuid = update("own", 2 << 20, 0).uuid.clone().unwrap();
        manager.stored(&framework, &own, &uuid);
        assert_eq!(manager.acknowledge(&framework, &own, &uuid), AcknowledgeResult::Next);
        assert_eq!(push(&mut manager, "own", 3 << 20, TaskState::TaskRunning, large), PushResult::New);
        manager.remove_framework(&framework);
        assert!(manager.by_executor.is_empty());
    }
}

//! The agent's resources as operations have made them, and the operations whose final status is not acknowledged.
//!
//! A transition that makes or deletes volumes is written down before the disk is touched and again after it (Mesos'
//! `resources.target`); one that only changes reservations needs the second record alone. There is one transition at a
//! time: a volume that is destroyed and created again at once must lose its data in between, and a restarted agent must
//! not lose it once more. What the master says meanwhile waits its turn, as it does in Mesos, where the agent blocks.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use messages::{Message, internal, v1};
use resources::Resources;
use uuid::Uuid;

use super::volumes::{self, VolumeChange};
use model::agent::Draining;

/// Messages that wait for a transition. At the bound the agent registers again, and the master tells what counts.
const MAX_DEFERRED: usize = 10_000;

/// What a connection holds when it breaks is less.
const MAX_DROPPED: usize = 1000;

/// What recovery finds of operations and draining: the last `Record::Resources`, the operations in such records without
/// an `OperationDone`, and the last `Record::Drain`.
#[derive(Debug, Clone, Default)]
pub struct RecoveredResources {
    pub resources: Vec<v1::Resource>,
    /// Set by the last record: its volumes are brought to the disk before the agent registers.
    pub target: Option<Vec<v1::Resource>>,
    /// Those that are not final (a Mesos agent remembers such) are applied before the agent registers.
    pub operations: Vec<Arc<v1::Operation>>,
    pub draining: Option<Arc<Draining>>,
}

#[derive(Debug)]
pub(crate) struct AgentResources {
    total: Resources,
    pub(super) operations: BTreeMap<Uuid, TrackedOperation>,
    pub(super) transition: Option<Transition>,
    deferred: VecDeque<Message>,
    /// A master was told that they are not here: one that comes after all, on a connection that was believed broken,
    /// comes too late.
    dropped: VecDeque<Uuid>,
    /// Of `deferred`, so many at the front come from recovery and not from a master.
    recovered: usize,
    transitions: u64,
    /// Records of finished transitions on their way to the disk.
    pub(super) writes: u64,
}

#[derive(Debug)]
pub(super) struct TrackedOperation {
    pub operation: Arc<v1::Operation>,
    /// What it did is on the disk: its status may be told.
    pub durable: bool,
    /// The wait before the next repetition of its status; `None` while it is not in flight.
    pub retry: Option<Duration>,
    /// A master was told of it in a report.
    pub reported: bool,
}

/// From the resources of now to others that need other volumes.
#[derive(Debug)]
pub(super) struct Transition {
    pub number: u64,
    pub total: Resources,
    pub changes: Vec<VolumeChange>,
    pub operation: Option<Uuid>,
}

impl AgentResources {
    pub fn new(total: Resources) -> Self {
        AgentResources {
            total,
            operations: BTreeMap::new(),
            transition: None,
            deferred: VecDeque::new(),
            dropped: VecDeque::new(),
            recovered: 0,
            transitions: 0,
            writes: 0,
        }
    }

    /// As the agent left it. `flags` are the resources it is started with; an error when they do not contain what
    /// operations were applied to. A transition that was under way is begun again by `Agent::start`.
    pub fn recovered(work_dir: &Path, flags: &Resources, found: &RecoveredResources) -> Result<Self, resources::Error> {
        let total = flags.with_checkpointed(&Resources::from_proto(&found.resources)?)?;
        let mut agent_resources = AgentResources::new(total);
        for operation in &found.operations {
            let Ok(uuid) = Uuid::from_slice(&operation.uuid.value) else { continue };
            if !is_final(operation) {
                agent_resources.deferred.push_back(apply_message(operation));
                continue;
            }
            agent_resources.operations.insert(
                uuid,
                TrackedOperation { operation: operation.clone(), durable: true, retry: None, reported: false },
            );
        }
        if let Some(target) = &found.target {
            let target = flags.with_checkpointed(&Resources::from_proto(target)?)?;
            let changes = agent_resources.changes(work_dir, &target);
            agent_resources.begin(target, changes, None);
        }
        agent_resources.recovered = agent_resources.deferred.len();
        Ok(agent_resources)
    }

    pub fn total(&self) -> &Resources {
        &self.total
    }

    /// What a master has to know beyond the agent's own description.
    pub fn checkpointed(&self) -> Vec<v1::Resource> {
        self.total.checkpointed().to_proto()
    }

    /// No operation is left to be acknowledged.
    pub fn is_settled(&self) -> bool {
        self.operations.is_empty()
    }

    pub(super) fn drop_operation(&mut self, uuid: Uuid) {
        if self.dropped.len() >= MAX_DROPPED {
            self.dropped.pop_front();
        }
        self.dropped.push_back(uuid);
    }

    pub(super) fn has_dropped(&self, uuid: Uuid) -> bool {
        self.dropped.contains(&uuid)
    }

    /// Everything that has happened is on the disk. A master that hears of less takes the rest for lost.
    pub fn is_durable(&self) -> bool {
        self.transition.is_none() && self.recovered == 0 && self.writes == 0
    }

    /// Whose final status a master has not acknowledged, as far as it may know of them: for a report to it.
    pub fn report_operations(&mut self) -> Vec<v1::Operation> {
        let durable = self.operations.values_mut().filter(|entry| entry.durable);
        let report = |entry: &mut TrackedOperation| {
            entry.reported = true;
            (*entry.operation).clone()
        };
        durable.map(report).collect()
    }

    pub fn all_operations(&self) -> Arc<[Arc<v1::Operation>]> {
        self.operations.values().map(|entry| entry.operation.clone()).collect()
    }

    pub(super) fn changes(&self, work_dir: &Path, next: &Resources) -> Vec<VolumeChange> {
        volumes::changes(work_dir, &self.total.checkpointed(), &next.checkpointed())
    }

    pub(super) fn begin(&mut self, total: Resources, changes: Vec<VolumeChange>, operation: Option<Uuid>) {
        self.transitions += 1;
        self.transition = Some(Transition { number: self.transitions, total, changes, operation });
    }

    /// The volumes are as they should be. `None`: not those of the transition under way.
    pub(super) fn finish(&mut self, number: u64) -> Option<(Resources, Option<Uuid>)> {
        let transition = self.transition.take_if(|transition| transition.number == number)?;
        Some((transition.total, transition.operation))
    }

    pub(super) fn set_total(&mut self, total: Resources) {
        self.total = total;
    }

    /// Takes a message that has to wait; gives it back if it can be attended to now.
    pub fn defer(&mut self, message: Message) -> Result<Deferred, Message> {
        if self.transition.is_none() || !self.must_defer(&message) {
            return Err(message);
        }
        if self.deferred.len() >= MAX_DEFERRED {
            return Ok(Deferred::TooMany);
        }
        self.deferred.push_back(message);
        Ok(Deferred::Queued)
    }

    /// A task may need the volume that is being made, and what follows on it must not overtake it. A kill that does not
    /// follow on such a task must not wait: the task could be over and acknowledged by then, and would be reported again.
    fn must_defer(&self, message: &Message) -> bool {
        match message {
            Message::KillTask(kill) => self.has_deferred_task(&kill.framework_id.value, &kill.task_id.value),
            Message::RunTask(_)
            | Message::RunTaskGroup(_)
            | Message::ShutdownExecutor(_)
            | Message::ShutdownFramework(_)
            | Message::UpdateFramework(_)
            | Message::DrainSlave(_)
            | Message::ApplyOperation(_)
            | Message::CheckpointResources(_)
            | Message::ReconcileOperations(_) => true,
            _ => false,
        }
    }

    /// The task is here, and will be launched when its turn comes.
    pub fn has_deferred_task(&self, framework: &str, task: &str) -> bool {
        let is_it = |of: Option<&v1::FrameworkId>, info: &v1::TaskInfo| {
            of.is_some_and(|id| id.value == framework) && info.task_id.value == task
        };
        self.deferred.iter().any(|message| match message {
            Message::RunTask(run) => is_it(run.framework.id.as_ref(), &run.task),
            Message::RunTaskGroup(run) => {
                run.task_group.tasks.iter().any(|info| is_it(run.framework.id.as_ref(), info))
            }
            _ => false,
        })
    }

    /// The next message whose turn has come.
    pub(super) fn next_deferred(&mut self) -> Option<Message> {
        if self.transition.is_some() {
            return None;
        }
        self.recovered = self.recovered.saturating_sub(1);
        self.deferred.pop_front()
    }

    /// The master that sent them is told the state of things when the agent registers again.
    pub fn drop_deferred(&mut self) {
        self.deferred.truncate(self.recovered);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deferred {
    Queued,
    TooMany,
}

fn is_final(operation: &v1::Operation) -> bool {
    use v1::OperationState::*;
    let state = operation.latest_status.state();
    !matches!(state, OperationPending | OperationUnreachable | OperationRecovering | OperationUnknown)
}

/// As its master sent it.
fn apply_message(operation: &v1::Operation) -> Message {
    let message = internal::ApplyOperationMessage {
        framework_id: operation.framework_id.clone(),
        operation_info: operation.info.clone(),
        operation_uuid: operation.uuid.clone(),
        ..Default::default()
    };
    message.into()
}

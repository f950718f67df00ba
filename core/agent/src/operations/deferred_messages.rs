//! Messages that wait while the volumes they may depend on change.

use std::collections::VecDeque;

use messages::{Message, internal, v1};

use super::recovered_resources::RecoveredResources;

/// The most messages that wait for a transition. At the bound the agent registers again, and the master sends its
/// state.
const MAX_DEFERRED: usize = 10_000;

/// The messages of the master, and operations of an earlier process of the agent, in order.
#[derive(Debug, Default)]
pub(crate) struct DeferredMessages {
    queue: VecDeque<Message>,
    /// The number of messages at the front of `queue` that come from recovery and not from a master.
    recovered: usize,
}

/// The result of deferring a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deferred {
    /// The message waits.
    Queued,
    /// The message was dropped at the bound.
    TooMany,
}

impl DeferredMessages {
    /// Defers the operations that an earlier process of the agent did not finish.
    pub fn recovered(found: &RecoveredResources) -> Self {
        let queue: VecDeque<Message> = found.unfinished().map(|operation| apply_message(operation)).collect();
        DeferredMessages { recovered: queue.len(), queue }
    }

    /// Returns whether operations of an earlier process of the agent are still to be applied.
    pub fn has_recovered(&self) -> bool {
        self.recovered > 0
    }

    /// Takes a message that has to wait while volumes change.
    ///
    /// # Errors
    ///
    /// Returns the message if it need not wait.
    pub fn defer(&mut self, message: Message) -> Result<Deferred, Message> {
        if !self.must_defer(&message) {
            return Err(message);
        }
        if self.queue.len() >= MAX_DEFERRED {
            return Ok(Deferred::TooMany);
        }
        self.queue.push_back(message);
        Ok(Deferred::Queued)
    }

    /// Returns whether a message has to wait. A task may need the volume that is being made, and later messages about
    /// it must not overtake it. A kill without such a task must not wait: the task could have ended and be acknowledged
    /// by then, and would be reported again.
    fn must_defer(&self, message: &Message) -> bool {
        match message {
            Message::KillTask(kill) => self.has_task(&kill.framework_id.value, &kill.task_id.value),
            Message::RunTask(_)
            | Message::RunTaskGroup(_)
            | Message::ShutdownExecutor(_)
            | Message::ShutdownFramework(_)
            | Message::UpdateFramework(_)
            | Message::DrainSlave(_)
            | Message::ApplyOperation(_)
            | Message::CheckpointResources(_)
            | Message::ReconcileOperations(_) => true,
            // These messages do not depend on messages that wait, or no master sends them to an agent.
            Message::SchedulerCall(_)
            | Message::SchedulerEvent(_)
            | Message::Authenticate(_)
            | Message::AuthenticationMechanisms(_)
            | Message::AuthenticationStart(_)
            | Message::AuthenticationStep(_)
            | Message::AuthenticationCompleted(_)
            | Message::AuthenticationFailed(_)
            | Message::AuthenticationError(_)
            | Message::SubmitSchedulerRequest(_)
            | Message::SubmitSchedulerResponse(_)
            | Message::ExecutorToFramework(_)
            | Message::FrameworkToExecutor(_)
            | Message::RegisterFramework(_)
            | Message::ReregisterFramework(_)
            | Message::FrameworkRegistered(_)
            | Message::FrameworkReregistered(_)
            | Message::UnregisterFramework(_)
            | Message::DeactivateFramework(_)
            | Message::ResourceRequest(_)
            | Message::ResourceOffers(_)
            | Message::InverseOffers(_)
            | Message::LaunchTasks(_)
            | Message::RescindResourceOffer(_)
            | Message::RescindInverseOffer(_)
            | Message::ReviveOffers(_)
            | Message::StatusUpdate(_)
            | Message::StatusUpdateAcknowledgement(_)
            | Message::AcknowledgeOperationStatus(_)
            | Message::LostSlave(_)
            | Message::ReconcileTasks(_)
            | Message::FrameworkError(_)
            | Message::RegisterSlave(_)
            | Message::ReregisterSlave(_)
            | Message::SlaveRegistered(_)
            | Message::SlaveReregistered(_)
            | Message::UnregisterSlave(_)
            | Message::PingSlave(_)
            | Message::PongSlave(_)
            | Message::UpdateSlave(_)
            | Message::UpdateOperationStatus(_)
            | Message::RegisterExecutor(_)
            | Message::ExecutorRegistered(_)
            | Message::ExecutorReregistered(_)
            | Message::ExitedExecutor(_)
            | Message::ReconnectExecutor(_)
            | Message::ReregisterExecutor(_)
            | Message::Shutdown(_)
            | Message::AgentUsage(_) => false,
        }
    }

    /// Returns whether a launch of this task waits.
    pub fn has_task(&self, framework: &str, task: &str) -> bool {
        let is_it = |of: Option<&v1::FrameworkId>, info: &v1::TaskInfo| {
            of.is_some_and(|id| id.value == framework) && info.task_id.value == task
        };
        self.queue.iter().any(|message| match message {
            Message::RunTask(run) => is_it(run.framework.id.as_ref(), &run.task),
            Message::RunTaskGroup(run) => {
                run.task_group.tasks.iter().any(|info| is_it(run.framework.id.as_ref(), info))
            }
            // These messages launch no task.
            Message::SchedulerCall(_)
            | Message::SchedulerEvent(_)
            | Message::Authenticate(_)
            | Message::AuthenticationMechanisms(_)
            | Message::AuthenticationStart(_)
            | Message::AuthenticationStep(_)
            | Message::AuthenticationCompleted(_)
            | Message::AuthenticationFailed(_)
            | Message::AuthenticationError(_)
            | Message::SubmitSchedulerRequest(_)
            | Message::SubmitSchedulerResponse(_)
            | Message::ExecutorToFramework(_)
            | Message::FrameworkToExecutor(_)
            | Message::RegisterFramework(_)
            | Message::ReregisterFramework(_)
            | Message::FrameworkRegistered(_)
            | Message::FrameworkReregistered(_)
            | Message::UnregisterFramework(_)
            | Message::DeactivateFramework(_)
            | Message::ResourceRequest(_)
            | Message::ResourceOffers(_)
            | Message::InverseOffers(_)
            | Message::LaunchTasks(_)
            | Message::RescindResourceOffer(_)
            | Message::RescindInverseOffer(_)
            | Message::ReviveOffers(_)
            | Message::KillTask(_)
            | Message::StatusUpdate(_)
            | Message::StatusUpdateAcknowledgement(_)
            | Message::AcknowledgeOperationStatus(_)
            | Message::LostSlave(_)
            | Message::ReconcileTasks(_)
            | Message::ReconcileOperations(_)
            | Message::FrameworkError(_)
            | Message::RegisterSlave(_)
            | Message::ReregisterSlave(_)
            | Message::SlaveRegistered(_)
            | Message::SlaveReregistered(_)
            | Message::UnregisterSlave(_)
            | Message::PingSlave(_)
            | Message::PongSlave(_)
            | Message::ShutdownFramework(_)
            | Message::ShutdownExecutor(_)
            | Message::UpdateFramework(_)
            | Message::CheckpointResources(_)
            | Message::UpdateSlave(_)
            | Message::UpdateOperationStatus(_)
            | Message::ApplyOperation(_)
            | Message::RegisterExecutor(_)
            | Message::ExecutorRegistered(_)
            | Message::ExecutorReregistered(_)
            | Message::ExitedExecutor(_)
            | Message::ReconnectExecutor(_)
            | Message::ReregisterExecutor(_)
            | Message::DrainSlave(_)
            | Message::Shutdown(_)
            | Message::AgentUsage(_) => false,
        })
    }

    /// Removes and returns the oldest message.
    pub fn next(&mut self) -> Option<Message> {
        self.recovered = self.recovered.saturating_sub(1);
        self.queue.pop_front()
    }

    /// Drops the messages of a master, which is sent the state when the agent registers again.
    pub fn clear(&mut self) {
        self.queue.truncate(self.recovered);
    }
}

/// Returns the message with which a master sent the operation.
fn apply_message(operation: &v1::Operation) -> Message {
    let message = internal::ApplyOperationMessage {
        framework_id: operation.framework_id.clone(),
        operation_info: operation.info.clone(),
        operation_uuid: operation.uuid.clone(),
        ..Default::default()
    };
    message.into()
}

//! Task states: updates from agents to frameworks, updates the master makes up itself,
//! acknowledgements, and the end of a task.

use std::sync::Arc;

use messages::{internal, v1};
use model::{AgentId, FrameworkId, TaskId, Timestamp, Upid};
use resources::Resources;

use crate::effects::Context;
use crate::master::Master;
use crate::task::{self, Task};
use model::master::{Change, TaskRemoval};

/// An update that the master makes up, because nobody else will say it. It has no uuid:
/// there is nobody to acknowledge it to.
#[derive(Debug, Clone)]
pub(crate) struct MasterGenerated {
    pub state: v1::TaskState,
    reason: v1::task_status::Reason,
    message: String,
    unreachable_since: Option<v1::TimeInfo>,
}

impl MasterGenerated {
    pub fn new(state: v1::TaskState, reason: v1::task_status::Reason, message: impl Into<String>) -> Self {
        MasterGenerated { state, reason, message: message.into(), unreachable_since: None }
    }

    pub fn unreachable_since(mut self, since: v1::TimeInfo) -> Self {
        self.unreachable_since = Some(since);
        self
    }

    /// The status of a known task.
    pub fn status(&self, task: &v1::Task, at: Timestamp) -> v1::TaskStatus {
        let mut status = self.status_of(task.task_id.clone(), Some(task.agent_id.clone()), at);
        status.executor_id = task.executor_id.clone();
        status
    }

    /// The status of a task of which nothing but its id may be known.
    pub fn status_of(&self, task: v1::TaskId, agent: Option<v1::AgentId>, at: Timestamp) -> v1::TaskStatus {
        v1::TaskStatus {
            task_id: task,
            state: self.state as i32,
            message: Some(self.message.clone()),
            agent_id: agent,
            timestamp: Some(at.secs_f64()),
            source: Some(v1::task_status::Source::Master as i32),
            reason: Some(self.reason as i32),
            unreachable_time: self.unreachable_since,
            ..Default::default()
        }
    }
}

/// The update around a made-up status.
pub(crate) fn master_generated_update(framework: &FrameworkId, status: &v1::TaskStatus) -> internal::StatusUpdate {
    internal::StatusUpdate {
        framework_id: framework.to_proto(),
        executor_id: status.executor_id.clone(),
        slave_id: status.agent_id.clone(),
        timestamp: status.timestamp.unwrap_or_default(),
        status: status.clone(),
        uuid: None,
        latest_state: None,
    }
}

/// The status as its framework sees it: what the envelope knows better is filled in, and
/// the uuid is there exactly if it is to be acknowledged.
fn status_for_framework(update: &internal::StatusUpdate) -> v1::TaskStatus {
    let mut status = update.status.clone();
    if update.slave_id.is_some() {
        status.agent_id.clone_from(&update.slave_id);
    }
    if update.executor_id.is_some() {
        status.executor_id.clone_from(&update.executor_id);
    }
    status.timestamp = Some(update.timestamp);
    status.uuid.clone_from(&update.uuid);
    status
}

/// An update that was read late, from a connection that broke, or the answer to a kill that was: its framework has heard of
/// the task's end already. An agent that still waits for the acknowledgement gets it. (Mesos forwards such updates: the task
/// comes back to life, or ends a second time in another way.)
fn acknowledge_stale_update(cx: &mut Context<'_>, agent: &Upid, update: internal::StatusUpdate) {
    let (Some(slave_id), Some(uuid)) = (update.slave_id, update.uuid) else { return };
    let (framework_id, task_id) = (update.framework_id, update.status.task_id);
    cx.send(agent, internal::StatusUpdateAcknowledgementMessage { slave_id, framework_id, task_id, uuid });
}

impl Master {
    pub(crate) fn status_update(&mut self, cx: &mut Context<'_>, from: &Upid, message: internal::StatusUpdateMessage) {
        self.metrics.messages_status_update.increment();
        let valid = self.forward_from_agent(cx, from, message);
        let counter = if valid { &self.metrics.valid_status_updates } else { &self.metrics.invalid_status_updates };
        counter.increment();
    }

    /// False if the update could not be forwarded, or is of a task that is not known.
    fn forward_from_agent(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        message: internal::StatusUpdateMessage,
    ) -> bool {
        let internal::StatusUpdateMessage { mut update, pid } = message;
        self.rewrite_preempted_status(&mut update);
        let agent = update.slave_id.as_ref().map_or("", |id| id.value.as_str());
        if !self.is_process_of(from, agent) {
            return false;
        }
        // Without uuid or process there is nothing to acknowledge; agents always send both.
        let acknowledgeable = update.uuid.as_ref().is_some_and(|uuid| validation::ids::validate_uuid(uuid).is_ok())
            && pid.as_ref().and_then(|pid| pid.parse::<Upid>().ok()).is_some_and(|pid| !pid.is_none());
        if !acknowledgeable || v1::TaskState::try_from(update.status.state).is_err() {
            return false;
        }
        let Some(framework) = self.frameworks.get_mut(&update.framework_id.value) else { return false };
        let (framework_id, connected) = (framework.id().clone(), framework.state.connected);
        let known = framework.tasks.get_key_value(update.status.task_id.value.as_str());
        let known = known.filter(|(_, task)| task.agent.as_str() == agent);
        let is_end = v1::TaskState::try_from(update.status.state).is_ok_and(model::is_terminal);
        let stale = match known {
            Some((_, task)) => {
                let ended = task.proto.status_update_uuid.is_some() && model::is_terminal(task.forwarded_state());
                // An end that is not acknowledged is repeated.
                ended && !is_end
            }
            None => framework.recently_completed.contains(&update.status.task_id.value, agent),
        };
        let task = known.map(|(id, _)| id.clone());
        if stale {
            acknowledge_stale_update(cx, from, update);
            return true;
        }

        let framework_status = Arc::new(status_for_framework(&update));
        let latest = update.latest_state.and_then(|state| v1::TaskState::try_from(state).ok());
        framework.listener().clone().update(cx, &framework_status, update, pid);
        if let Some(task) = &task {
            self.apply_status(cx, &framework_id, task, framework_status, latest, connected);
        }
        connected && task.is_some()
    }

    /// Enters a status into the books. `forwarded`: its framework has been sent it, and will acknowledge it.
    ///
    /// One with a uuid is what the framework hears next, even if its agent has to repeat it because nobody was there.
    /// (Mesos keeps no state of those, and answers a reconciliation with the end of a task whose beginning comes later.)
    fn apply_status(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        id: &TaskId,
        status: Arc<v1::TaskStatus>,
        latest: Option<v1::TaskState>,
        forwarded: bool,
    ) {
        let entry = self.frameworks.get_mut(framework.as_str()).and_then(|f| f.tasks.get_mut(id));
        let Some(task) = entry else { return };
        let before = task.state();
        let says = v1::TaskState::try_from(status.state).unwrap_or(before);
        let proto = Arc::make_mut(&mut task.proto);
        // A task whose resources have been given back does not come to life again.
        let claimed = latest.unwrap_or(says);
        if !task::is_terminal_or_unreachable(before) || (!model::is_terminal(before) && model::is_terminal(claimed)) {
            proto.state = claimed as i32;
        }
        task::record_status(proto, &status);
        if let Some(uuid) = &status.uuid {
            proto.status_update_state = Some(status.state);
            if forwarded {
                proto.status_update_uuid = Some(uuid.clone());
            }
        }
        let now = task.state();
        let ended = task::is_terminal_or_unreachable(now) && !task::is_terminal_or_unreachable(before);
        let (agent, freed) = (task.agent.clone(), ended.then(|| task.resources.clone()));
        let proto = task.proto.clone();
        cx.publish(Change::TaskUpdated { task: proto.clone(), status: status.clone() });
        self.move_gauge(Some(before), Some(now));
        if let Some(freed) = freed {
            self.metrics.task_ended(now, status.source, status.reason);
            self.recover_used(cx, framework, &agent, &freed);
            self.observe_task_end(cx, &proto, &status);
        }
    }

    fn move_gauge(&self, from: Option<v1::TaskState>, to: Option<v1::TaskState>) {
        if from == to {
            return;
        }
        if let Some(gauge) = from.and_then(|state| self.metrics.tasks_in(state)) {
            gauge.decrement();
        }
        if let Some(gauge) = to.and_then(|state| self.metrics.tasks_in(state)) {
            gauge.increment();
        }
    }

    pub(crate) fn add_task(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        agent: &AgentId,
        proto: v1::Task,
        resources: Resources,
    ) {
        let id = TaskId::from(&proto.task_id);
        let task =
            Task { proto: Arc::new(proto), agent: agent.clone(), resources, kill_requested: false, preempted: None };
        self.move_gauge(None, Some(task.state()));
        if !task::is_terminal_or_unreachable(task.state()) {
            self.metrics.used.add(&task.resources);
        }
        let Some(entry) = self.frameworks.get_mut(framework.as_str()) else { return };
        cx.publish(Change::TaskAdded(task.proto.clone()));
        entry.tasks.insert(id.clone(), task);
        entry.agents.insert(agent.clone());
        if let Some(agent) = self.agents.get_mut(agent.as_str()) {
            agent.uses.entry(framework.clone()).or_default().tasks.insert(id);
        }
    }

    /// Takes a task off the books: into the completed or into the unreachable history.
    pub(crate) fn remove_task(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        id: &TaskId,
        removal: TaskRemoval,
    ) {
        let limit = self.config.max_unreachable_tasks_per_framework;
        let Some(entry) = self.frameworks.get_mut(framework.as_str()) else { return };
        let Some(task) = entry.tasks.remove(id) else { return };
        if removal == TaskRemoval::Completed && model::is_terminal(task.forwarded_state()) {
            entry.recently_completed.add(id.clone(), task.agent.clone());
        }
        if removal == TaskRemoval::Unreachable {
            let forgotten = entry.unreachable.add(id.clone(), task.proto.clone(), limit);
            self.metrics.tasks_unreachable.add(1 - forgotten as i64);
        }
        let state = task.state();
        self.move_gauge(Some(state), None);
        if !task::is_terminal_or_unreachable(state) {
            self.recover_used(cx, framework, &task.agent, &task.resources);
        }
        if let Some(uses) = self.agents.get_mut(task.agent.as_str()).and_then(|a| a.uses.get_mut(framework)) {
            uses.tasks.remove(id);
        }
        self.remove_empty_usage(&task.agent, framework);
        cx.publish(Change::TaskRemoved { framework: framework.clone(), task: id.clone(), removal });
        self.check_drained(cx, &task.agent);
    }

    /// Forgets that a framework uses an agent once it has nothing there.
    pub(crate) fn remove_empty_usage(&mut self, agent: &AgentId, framework: &FrameworkId) {
        let Some(entry) = self.agents.get_mut(agent.as_str()) else { return };
        let Some(uses) = entry.uses.get(framework) else { return };
        if uses.tasks.is_empty() && uses.executors.is_empty() {
            entry.uses.remove(framework);
            if let Some(framework) = self.frameworks.get_mut(framework.as_str()) {
                framework.agents.remove(agent);
            }
        }
    }

    /// Ends a running task by the master's own word, and removes it. One that is over for its framework, which only has
    /// not acknowledged it, stays what it is: Mesos calls it unreachable or lost.
    pub(crate) fn terminate_task(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        id: &TaskId,
        reason: &MasterGenerated,
        removal: TaskRemoval,
    ) -> Option<Arc<v1::TaskStatus>> {
        let task = self.frameworks.get(framework.as_str())?.tasks.get(id)?;
        let forwarded = task.forwarded_state();
        if model::is_terminal(forwarded) {
            let again = MasterGenerated { state: forwarded, unreachable_since: None, ..reason.clone() };
            let status = Arc::new(again.status(&task.proto, cx.now.wall));
            self.remove_task(cx, framework, id, TaskRemoval::Completed);
            return Some(status);
        }
        let status = Arc::new(reason.status(&task.proto, cx.now.wall));
        self.apply_status(cx, framework, id, status.clone(), None, false);
        self.remove_task(cx, framework, id, removal);
        Some(status)
    }

    /// Tells a framework what the master made up about one of its tasks.
    pub(crate) fn forward_master_generated(
        &self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        status: &v1::TaskStatus,
    ) {
        if let Some(framework) = self.frameworks.get(framework.as_str()) {
            let update = master_generated_update(framework.id(), status);
            framework.listener().clone().update(cx, status, update, Some(Upid::none().to_string()));
        }
    }

    /// An update about a task that was never launched.
    pub(crate) fn refuse_task(
        &self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        task: &v1::TaskInfo,
        reason: &MasterGenerated,
    ) {
        let status = reason.status_of(task.task_id.clone(), Some(task.agent_id.clone()), cx.now.wall);
        self.metrics.task_ended(reason.state, status.source, status.reason);
        self.forward_master_generated(cx, framework, &status);
    }

    pub(crate) fn acknowledge(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        call: v1::scheduler::call::Acknowledge,
    ) {
        self.metrics.messages_status_update_acknowledgement.increment();
        let valid = self.acknowledged(cx, framework, call);
        let counter = if valid {
            &self.metrics.valid_status_update_acknowledgements
        } else {
            &self.metrics.invalid_status_update_acknowledgements
        };
        counter.increment();
    }

    fn acknowledged(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        call: v1::scheduler::call::Acknowledge,
    ) -> bool {
        let Some(agent) = self.agents.get(&call.agent_id.value).filter(|agent| agent.state.connected) else {
            return false;
        };
        let pid = agent.state.pid.clone();
        let task = self
            .frameworks
            .get(framework.as_str())
            .and_then(|f| f.tasks.get_key_value(call.task_id.value.as_str()))
            .filter(|(_, task)| task.agent.as_str() == call.agent_id.value);
        let mut over = None;
        if let Some((id, task)) = task {
            // Not forwarded by this master (it failed over meanwhile): it will be, again.
            if task.proto.status_update_uuid.is_none() {
                return false;
            }
            let last = task.proto.status_update_uuid.as_deref() == Some(call.uuid.as_slice());
            over = (last && model::is_terminal(task.forwarded_state())).then(|| id.clone());
        }
        if let Some(id) = over {
            self.remove_task(cx, framework, &id, TaskRemoval::Completed);
        }
        cx.send(
            &pid,
            internal::StatusUpdateAcknowledgementMessage {
                slave_id: call.agent_id,
                framework_id: framework.to_proto(),
                task_id: call.task_id,
                uuid: call.uuid,
            },
        );
        true
    }
}

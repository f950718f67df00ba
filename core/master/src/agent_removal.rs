//! How agents leave: lost links, silence, unregistration.

use messages::v1;
use model::{AgentId, ExecutorId, FrameworkId, TaskId};

use crate::agent::UnreachableAgent;
use crate::agent_removal_limiter::UnreachableReason;
use crate::effects::{Context, Timer};
use crate::master::Master;
use crate::registry::{AgentRemovalReason, Continuation, PendingAgentRemoval, RegistryOperation};
use crate::text::time_info;
use crate::updates::MasterGenerated;
use model::master::{AgentRemoval, Change, TaskRemoval};

impl Master {
    /// Its link broke. Its tasks live on for a while, except those of frameworks that do
    /// not checkpoint: their executors die with the agent process.
    pub(crate) fn agent_disconnected(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get_mut(id.as_str()).filter(|agent| agent.state.connected) else { return };
        let hostname = agent.state.info.hostname.clone();
        let deadline = cx.now.monotonic + self.config.agent_reregister_timeout;
        agent.deadline = Some(deadline);
        let was_active = agent.state.active;
        let state = agent.state_mut();
        state.connected = false;
        state.active = false;
        cx.publish(Change::AgentUpdated(agent.state.clone()));
        self.metrics.slaves_connected.decrement();
        self.metrics.slaves_disconnected.increment();
        if was_active {
            self.metrics.slaves_active.decrement();
            self.metrics.slaves_inactive.increment();
            self.allocator.deactivate_agent(id);
        }
        self.rescind_offers_of_agent(cx, id);

        let reason = MasterGenerated::new(
            v1::TaskState::TaskLost,
            v1::task_status::Reason::AgentDisconnected,
            format!("Agent {hostname} disconnected"),
        );
        for framework in self.frameworks_on(id) {
            if self.frameworks.get(framework.as_str()).is_some_and(|f| !f.info().checkpoint()) {
                self.remove_framework_from_agent(cx, id, &framework, &reason, TaskRemoval::Completed);
            }
        }
        cx.arm(Timer::AgentReregister(id.clone()), deadline);
        self.observe(cx, failures::Event::AgentDisconnected(id.clone()));
    }

    pub(crate) fn reregistration_timed_out(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get(id.as_str()) else { return };
        // It may have returned, and even left again, since this timer was set.
        if agent.state.connected || agent.deadline.is_none_or(|deadline| deadline > cx.now.monotonic) {
            return;
        }
        self.schedule_mark_unreachable(cx, id.clone(), UnreachableReason::ReregistrationTimeout);
    }

    pub(crate) fn mark_unreachable(&mut self, cx: &mut Context<'_>, id: &AgentId, cause: String) {
        if self.agents.get(id.as_str()).is_none() || !self.can_be_removed(id) {
            return;
        }
        self.registry.pending_removals.insert(id.clone(), PendingAgentRemoval::Unreachable);
        let since = time_info(cx.now.wall);
        let operation = RegistryOperation::MarkUnreachable { agent: id.clone(), since };
        self.store(cx, operation, Continuation::Unreachable { agent: id.clone(), since, cause });
    }

    pub(crate) fn marked_unreachable(&mut self, cx: &mut Context<'_>, id: &AgentId, since: v1::TimeInfo, cause: &str) {
        if self.agents.get(id.as_str()).is_none() {
            return;
        }
        self.count_unreachable_removal();
        let mut tasks: Vec<(FrameworkId, TaskId)> = Vec::new();
        for framework in self.frameworks_on(id) {
            let aware = self.frameworks.get(framework.as_str()).is_some_and(|f| f.capabilities.partition_aware);
            let state = if aware { v1::TaskState::TaskUnreachable } else { v1::TaskState::TaskLost };
            let reason =
                MasterGenerated::new(state, v1::task_status::Reason::AgentRemoved, cause).unreachable_since(since);
            tasks.extend(self.tasks_on(id, &framework).into_iter().map(|task| (framework.clone(), task)));
            self.remove_framework_from_agent(cx, id, &framework, &reason, TaskRemoval::Unreachable);
        }
        let unreachable = UnreachableAgent { since, tasks };
        self.agents.add_unreachable(id.clone(), unreachable, self.config.registry_max_agent_count);
        self.finish_agent_removal(cx, id, AgentRemoval::Unreachable);
        let loss = failures::AgentLoss::Unreachable(cause.to_owned());
        self.observe(cx, failures::Event::AgentLost { agent: id.clone(), loss });
    }

    /// An agent that is not registered and did not come back; no task of it is known.
    pub(crate) fn recovered_marked_unreachable(&mut self, cx: &mut Context<'_>, id: &AgentId, since: v1::TimeInfo) {
        self.registry.pending_removals.remove(id);
        if self.recovery.take(id).is_none() {
            return;
        }
        self.count_unreachable_removal();
        self.metrics.recovery_slave_removals.increment();
        let unreachable = UnreachableAgent { since, tasks: Vec::new() };
        self.agents.add_unreachable(id.clone(), unreachable, self.config.registry_max_agent_count);
        self.metrics.slaves_unreachable.set(self.agents.unreachable_count() as i64);
        cx.publish(Change::AgentRemoved { agent: id.clone(), removal: AgentRemoval::Unreachable, at: cx.now.wall });
        self.send_agent_lost(cx, id);
        let loss = failures::AgentLoss::Unreachable("it did not come back after the master failover".to_owned());
        self.observe(cx, failures::Event::AgentLost { agent: id.clone(), loss });
        self.observe_recovery_complete(cx);
    }

    fn count_unreachable_removal(&self) {
        self.metrics.slave_removals.increment();
        self.metrics.slave_removals_reason_unhealthy.increment();
    }

    /// False while another change of its registration is under way.
    pub(crate) fn can_be_removed(&self, id: &AgentId) -> bool {
        !self.registry.reregistering.contains(id) && !self.registry.pending_removals.contains_key(id)
    }

    pub(crate) fn unregister_agent(&mut self, cx: &mut Context<'_>, from: &model::Upid, id: &AgentId) {
        self.metrics.messages_unregister_slave.increment();
        if self.agents.get(id.as_str()).is_some_and(|agent| agent.state.pid == *from) {
            self.remove_agent(cx, id, "the agent unregistered", AgentRemovalReason::Unregistered);
        }
    }

    pub(crate) fn remove_agent(
        &mut self,
        cx: &mut Context<'_>,
        id: &AgentId,
        cause: &'static str,
        reason: AgentRemovalReason,
    ) {
        if self.agents.get(id.as_str()).is_none() || self.registry.pending_removals.contains_key(id) {
            return;
        }
        self.registry.pending_removals.insert(id.clone(), PendingAgentRemoval::Removed);
        let operation = RegistryOperation::RemoveAgent(id.clone());
        self.store(cx, operation, Continuation::Remove { agent: id.clone(), cause, reason });
    }

    /// An agent of the master before, in whose place another has come.
    pub(crate) fn remove_recovered(&mut self, cx: &mut Context<'_>, id: AgentId, cause: &'static str) {
        if !self.can_be_removed(&id) {
            return;
        }
        self.registry.pending_removals.insert(id.clone(), PendingAgentRemoval::Removed);
        let operation = RegistryOperation::RemoveAgent(id.clone());
        self.store(cx, operation, Continuation::Remove { agent: id, cause, reason: AgentRemovalReason::Replaced });
    }

    fn recovered_removed(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        self.registry.pending_removals.remove(id);
        if self.recovery.take(id).is_none() {
            return;
        }
        self.removal_limiter.cancel(id);
        self.metrics.slave_removals.increment();
        self.metrics.slave_removals_reason_registered.increment();
        self.metrics.recovery_slave_removals.increment();
        cx.publish(Change::AgentRemoved { agent: id.clone(), removal: AgentRemoval::Removed, at: cx.now.wall });
        self.send_agent_lost(cx, id);
        self.observe(cx, failures::Event::AgentLost { agent: id.clone(), loss: failures::AgentLoss::Gone });
        self.observe_recovery_complete(cx);
    }

    pub(crate) fn agent_removed(
        &mut self,
        cx: &mut Context<'_>,
        id: &AgentId,
        cause: &str,
        reason: AgentRemovalReason,
    ) {
        let Some(agent) = self.agents.get(id.as_str()) else { return self.recovered_removed(cx, id) };
        let message = format!("Agent {} removed: {cause}", agent.state.info.hostname);
        self.metrics.slave_removals.increment();
        match reason {
            AgentRemovalReason::Replaced => self.metrics.slave_removals_reason_registered.increment(),
            AgentRemovalReason::Unregistered => self.metrics.slave_removals_reason_unregistered.increment(),
            AgentRemovalReason::MachineDown => {}
        }
        let reason = MasterGenerated::new(v1::TaskState::TaskLost, v1::task_status::Reason::AgentRemoved, message);
        for framework in self.frameworks_on(id) {
            self.remove_framework_from_agent(cx, id, &framework, &reason, TaskRemoval::Completed);
        }
        self.finish_agent_removal(cx, id, AgentRemoval::Removed);
    }

    /// Ends everything a framework has on an agent, and tells it.
    pub(crate) fn remove_framework_from_agent(
        &mut self,
        cx: &mut Context<'_>,
        agent: &AgentId,
        framework: &FrameworkId,
        reason: &MasterGenerated,
        removal: TaskRemoval,
    ) {
        for task in self.tasks_on(agent, framework) {
            if let Some(status) = self.terminate_task(cx, framework, &task, reason, removal) {
                self.forward_master_generated(cx, framework, &status);
            }
        }
        for executor in self.executors_on(agent, framework) {
            self.remove_executor(cx, agent, framework, &executor);
        }
    }

    pub(crate) fn frameworks_on(&self, agent: &AgentId) -> Vec<FrameworkId> {
        self.agents.get(agent.as_str()).map(|a| a.uses.keys().cloned().collect()).unwrap_or_default()
    }

    fn tasks_on(&self, agent: &AgentId, framework: &FrameworkId) -> Vec<TaskId> {
        let uses = self.agents.get(agent.as_str()).and_then(|a| a.uses.get(framework));
        uses.map(|uses| uses.tasks.iter().cloned().collect()).unwrap_or_default()
    }

    fn executors_on(&self, agent: &AgentId, framework: &FrameworkId) -> Vec<ExecutorId> {
        let uses = self.agents.get(agent.as_str()).and_then(|a| a.uses.get(framework));
        uses.map(|uses| uses.executors.keys().cloned().collect()).unwrap_or_default()
    }

    /// Last step of every removal: the agent has no tasks any more; frameworks hear that
    /// it is lost, the books forget it.
    pub(crate) fn finish_agent_removal(&mut self, cx: &mut Context<'_>, id: &AgentId, removal: AgentRemoval) {
        self.rescind_offers_of_agent(cx, id);
        self.remove_operations_on_agent(cx, id, removal);
        self.allocator.remove_agent(id);
        let Some(agent) = self.agents.remove(id.as_str()) else { return };
        self.registry.pending_removals.remove(id);
        self.removal_limiter.cancel(id);
        self.stop_pings(cx, &agent);
        if agent.deadline.is_some() {
            cx.disarm(Timer::AgentReregister(id.clone()));
        }
        let address = agent.state.pid.address;
        if self.links.release(address) {
            cx.unlink(address);
        }
        self.decrement_agent_gauges(&agent);
        cx.publish(Change::AgentRemoved { agent: id.clone(), removal, at: cx.now.wall });
        self.send_agent_lost(cx, id);
        if removal != AgentRemoval::Unreachable {
            self.observe(cx, failures::Event::AgentLost { agent: id.clone(), loss: failures::AgentLoss::Gone });
        }
    }

    fn send_agent_lost(&self, cx: &mut Context<'_>, id: &AgentId) {
        for framework in self.frameworks.iter() {
            framework.listener().agent_lost(cx, id.to_proto());
        }
    }

    fn decrement_agent_gauges(&self, agent: &crate::agent::Agent) {
        let metrics = &self.metrics;
        metrics.total.subtract(&agent.state.total);
        let connection = if agent.state.connected { &metrics.slaves_connected } else { &metrics.slaves_disconnected };
        connection.decrement();
        let activity = if agent.state.active { &metrics.slaves_active } else { &metrics.slaves_inactive };
        activity.decrement();
        metrics.slaves_unreachable.set(self.agents.unreachable_count() as i64);
    }
}

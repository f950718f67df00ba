//! The return of a registered agent: its process restarted, its link broke, or it missed
//! the master. What both know is compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use messages::{internal, v1};
use model::{AgentId, ExecutorId, FrameworkId, Upid};
use resources::Resources;

use crate::capabilities::{AgentCapabilities, capability_numbers};
use crate::effects::{Context, Timer};
use crate::master::Master;
use crate::registration::{total_of, upgrade};
use crate::registry::{Continuation, RegistryOperation};
use crate::subscribe::update_framework_message;
use crate::task;
use crate::updates::MasterGenerated;
use model::master::Change;

impl Master {
    pub(crate) fn reregister_agent(
        &mut self,
        cx: &mut Context<'_>,
        from: Upid,
        mut message: Box<internal::ReregisterSlaveMessage>,
    ) {
        self.metrics.messages_reregister_slave.increment();
        let Some(id) = message.slave.id.as_ref().map(AgentId::from) else { return };
        // A retry, or a change of its registration is under way: it will try again.
        if self.registry.reregistering.contains(&id) || self.registry_is_full() {
            return;
        }
        if self.is_being_removed_or_gone(cx, &id, &from) {
            return;
        }
        if let Err(reason) = validation::agent_message::validate_reregister(&message) {
            return tracing::warn!(agent = %from, %reason, "refusing the re-registration of an agent");
        }
        if self.is_machine_down(&message.slave, &from) {
            return crate::connection::shut_down_agent(cx, &from, "Machine is `DOWN`");
        }
        if !self.is_acceptable(&from, message.version.as_deref(), &message.slave) {
            return;
        }
        upgrade(&mut message.slave.resources);
        let Some(agent) = self.agents.get(id.as_str()) else { return self.readmit(cx, id, from, message) };
        if agent.state.pid.address.ip() != from.address.ip() || agent.state.info.hostname != message.slave.hostname {
            return crate::connection::shut_down_agent(
                cx,
                &from,
                "Agent attempted to reregister with different IP / hostname",
            );
        }
        if *agent.state.info == message.slave {
            return self.reregistered(cx, from, *message);
        }
        self.registry.reregistering.insert(id);
        let operation = RegistryOperation::UpdateAgent(Arc::new(message.slave.clone()), from.clone());
        self.store(cx, operation, Continuation::Update { from, message });
    }

    /// A registered agent registers again: its process restarted, or it missed us.
    pub(crate) fn reregistered(&mut self, cx: &mut Context<'_>, from: Upid, message: internal::ReregisterSlaveMessage) {
        let Some(id) = message.slave.id.as_ref().map(AgentId::from) else { return };
        self.registry.reregistering.remove(&id);
        if self.is_being_removed_or_gone(cx, &id, &from) {
            return;
        }
        let Some(agent) = self.agents.get(id.as_str()) else { return };
        let Some(total) = total_of(&message.slave.resources, &message.checkpointed_resources) else {
            return crate::connection::shut_down_agent(cx, &from, "Agent reregistered with invalid resources");
        };
        // Its report may be of before operations that are under way: it knows of those soon.
        let stands = self.has_pending_operations(&id);
        let (total, in_doubt) = if stands {
            let other = *agent.state.info != message.slave;
            (agent.state.total.non_revocable(), agent.total_in_doubt || other)
        } else {
            (total, false)
        };
        let before = agent.state.pid.address;
        let info = self.registry.described(&id, message.slave.clone());
        self.agents.rename(id.as_str(), from.clone());
        self.relink(cx, before, from.address);

        let mut changed = false;
        if let Some(agent) = self.agents.get_mut(id.as_str()) {
            let capabilities = capability_numbers(&message.agent_capabilities);
            agent.capabilities = AgentCapabilities::of(&capabilities);
            agent.resource_version.clone_from(&message.resource_version_uuid);
            agent.total_in_doubt = in_doubt;
            let total = total + agent.state.total.revocable();
            changed = total != agent.state.total;
            self.metrics.total.subtract(&agent.state.total);
            self.metrics.total.add(&total);
            let state = agent.state_mut();
            state.info = info;
            state.version = message.version.clone().unwrap_or_default();
            state.capabilities = capabilities;
            state.total = total;
            state.reregistered = Some(cx.now.wall);
        }
        if changed {
            // What was offered may not be there any more.
            self.rescind_offers_of_agent(cx, &id);
        }
        self.allocator_update_agent(&id);
        self.reconcile_agent(cx, &id, &from, &message);
        self.agent_reconnected(cx, &id);
        if let Some(agent) = self.agents.get(id.as_str()) {
            cx.publish(Change::AgentUpdated(agent.state.clone()));
        }
        self.send_framework_updates(cx, &from, &message.frameworks);
        self.send_checkpointed_resources(cx, &id);
        self.send_drain(cx, &id);
        self.check_drained(cx, &id);
    }

    fn relink(&mut self, cx: &mut Context<'_>, before: std::net::SocketAddrV4, now: std::net::SocketAddrV4) {
        if before == now {
            if self.links.renew(now) {
                cx.link(now);
            }
            return;
        }
        if self.links.acquire(now) {
            cx.link(now);
        }
        if self.links.release(before) {
            cx.unlink(before);
        }
    }

    fn agent_reconnected(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get_mut(id.as_str()).filter(|agent| !agent.state.connected) else { return };
        agent.deadline = None;
        agent.missed_pings = 0;
        let state = agent.state_mut();
        state.connected = true;
        let active = !state.deactivated && !self.monitor.holds(id);
        state.active = active;
        cx.disarm(Timer::AgentReregister(id.clone()));
        self.metrics.slaves_connected.increment();
        self.metrics.slaves_disconnected.decrement();
        if active {
            self.metrics.slaves_active.increment();
            self.metrics.slaves_inactive.decrement();
            self.allocator.activate_agent(id);
        }
        self.observe(cx, failures::Event::AgentReconnected(id.clone()));
    }

    /// Compares the agent's books with ours. Tasks it does not know are asked about in the
    /// answer, executors it does not know are gone, kills it may have missed are repeated.
    fn reconcile_agent(
        &mut self,
        cx: &mut Context<'_>,
        id: &AgentId,
        pid: &Upid,
        message: &internal::ReregisterSlaveMessage,
    ) {
        let listed: BTreeSet<(&str, &str)> =
            message.tasks.iter().map(|t| (t.framework_id.value.as_str(), t.task_id.value.as_str())).collect();
        cx.send(
            pid,
            internal::SlaveReregisteredMessage {
                slave_id: id.to_proto(),
                reconciliations: self.missing_tasks(cx, id, &listed),
                connection: Some(self.connection()),
            },
        );
        let executors: BTreeSet<(&str, &str)> = message
            .executor_infos
            .iter()
            .map(|e| (e.framework_id.as_ref().map_or("", |f| f.value.as_str()), e.executor_id.value.as_str()))
            .collect();
        for (framework, executor) in self.executors_of_agent(id) {
            if !executors.contains(&(framework.as_str(), executor.as_str())) {
                self.remove_executor(cx, id, &framework, &executor);
            }
        }
        let mut completed = BTreeSet::new();
        for task in &message.tasks {
            let framework = self.frameworks.get(&task.framework_id.value);
            let known = framework.and_then(|f| f.tasks.get(task.task_id.value.as_str()));
            if known.is_some_and(|t| t.kill_requested) && !model::is_terminal(task::state_of(task)) {
                cx.send(
                    pid,
                    internal::KillTaskMessage {
                        framework_id: task.framework_id.clone(),
                        task_id: task.task_id.clone(),
                        kill_policy: None,
                    },
                );
            }
            if framework.is_none() && self.frameworks.is_completed(&task.framework_id.value) {
                completed.insert(task.framework_id.value.as_str());
            }
        }
        for framework in completed {
            let framework_id = v1::FrameworkId { value: framework.to_owned() };
            cx.send(pid, internal::ShutdownFrameworkMessage { framework_id });
        }
    }

    fn missing_tasks(
        &self,
        cx: &Context<'_>,
        id: &AgentId,
        listed: &BTreeSet<(&str, &str)>,
    ) -> Vec<internal::ReconcileTasksMessage> {
        let Some(agent) = self.agents.get(id.as_str()) else { return Vec::new() };
        let mut missing = Vec::new();
        for (framework_id, uses) in &agent.uses {
            let Some(framework) = self.frameworks.get(framework_id.as_str()) else { continue };
            let statuses: Vec<v1::TaskStatus> = uses
                .tasks
                .iter()
                .filter(|task| !listed.contains(&(framework_id.as_str(), task.as_str())))
                .filter_map(|task| framework.tasks.get(task))
                .map(|task| {
                    let reason = v1::task_status::Reason::Reconciliation;
                    let asked = MasterGenerated::new(task.forwarded_state(), reason, "Reconciliation request");
                    asked.status_of(task.proto.task_id.clone(), Some(id.to_proto()), cx.now.wall)
                })
                .collect();
            if !statuses.is_empty() {
                missing.push(internal::ReconcileTasksMessage {
                    framework_id: framework_id.to_proto(),
                    statuses,
                    framework: Some(Box::new(framework.info().clone())),
                });
            }
        }
        missing
    }

    fn executors_of_agent(&self, id: &AgentId) -> Vec<(FrameworkId, ExecutorId)> {
        let Some(agent) = self.agents.get(id.as_str()) else { return Vec::new() };
        let of = |(framework, uses): (&FrameworkId, &crate::agent::AgentUsage)| {
            uses.executors.keys().map(|executor| (framework.clone(), executor.clone())).collect::<Vec<_>>()
        };
        agent.uses.iter().flat_map(of).collect()
    }

    /// Where the schedulers of its frameworks are now. Frameworks it names that the
    /// master does not know become known.
    pub(crate) fn send_framework_updates(&mut self, cx: &mut Context<'_>, pid: &Upid, infos: &[v1::FrameworkInfo]) {
        for info in infos {
            let Some(id) = &info.id else { continue };
            if self.frameworks.is_completed(&id.value) {
                continue;
            }
            match self.frameworks.get(&id.value) {
                Some(framework) if !framework.state.recovered => {
                    cx.send(pid, update_framework_message(framework));
                }
                Some(_) => {}
                None => self.recover_framework(cx, info.clone()),
            }
        }
    }

    /// Agents without resource providers are told what to checkpoint, each time.
    pub(crate) fn send_checkpointed_resources(&self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get(id.as_str()).filter(|a| !a.capabilities.resource_provider) else { return };
        let checkpointed = agent.state.total.checkpointed();
        let resources = if agent.capabilities.reservation_refinement {
            checkpointed.to_proto()
        } else {
            crate::allocation::pre_refinement(&checkpointed)
        };
        cx.send(&agent.state.pid, internal::CheckpointResourcesMessage { resources });
    }

    /// UpdateSlaveMessage: oversubscribed resources and the version of its resources.
    pub(crate) fn update_agent(&mut self, cx: &mut Context<'_>, from: &Upid, message: internal::UpdateSlaveMessage) {
        self.metrics.messages_update_slave.increment();
        if !self.is_process_of(from, &message.slave_id.value) {
            return;
        }
        let oversubscribes = message.update_oversubscribed_resources.unwrap_or(true);
        let Ok(revocable) = Resources::from_proto(&message.oversubscribed_resources) else { return };
        let id = AgentId::from(&message.slave_id);
        let Some(agent) = self.agents.get_mut(id.as_str()) else { return };
        if message.resource_version_uuid.is_some() {
            agent.resource_version.clone_from(&message.resource_version_uuid);
        }
        self.reconcile_operations_with(cx, &id, &message);
        self.check_drained(cx, &id);
        let Some(agent) = self.agents.get_mut(id.as_str()) else { return };
        if !oversubscribes || agent.state.total.revocable() == revocable {
            return;
        }
        let total = agent.state.total.non_revocable() + revocable;
        self.metrics.total.subtract(&agent.state.total);
        self.metrics.total.add(&total);
        agent.state_mut().total = total;
        let offers = agent.offers.clone();
        cx.publish(Change::AgentUpdated(agent.state.clone()));
        self.allocator_update_agent(&id);
        for offer in offers {
            if self.offers.get(offer.as_str()).is_some_and(|offer| !offer.resources.revocable().is_empty()) {
                self.rescind_offer(cx, offer.as_str());
            }
        }
    }
}

/// The state of a task that its framework is told next, with the details of its last status. What happened to it since
/// follows as updates: told here, it would seem to go back.
pub(crate) fn current_status(
    task: &v1::Task,
    message: &str,
    reason: v1::task_status::Reason,
    cx: &Context<'_>,
) -> v1::TaskStatus {
    let mut status = MasterGenerated::new(task::forwarded_state_of(task), reason, message).status(task, cx.now.wall);
    if let Some(last) = task.statuses.last() {
        status.healthy = last.healthy;
        status.check_status.clone_from(&last.check_status);
        status.container_status.clone_from(&last.container_status);
    }
    status
}

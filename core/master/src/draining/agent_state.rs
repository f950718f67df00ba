//! Deactivation and draining of an agent: set by an operator, told to the agent, ended when it is empty or when the
//! operator wants it back.

use machine::{CallResponse, Status};
use messages::{internal, v1};
use model::AgentId;

use crate::effects::Context;
use crate::master::Master;
use crate::registry::{Continuation, RegistryOperation};
use model::master::Change;

/// What an operator made of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentStateChange {
    Draining,
    Deactivated,
    Reactivated,
}

impl Master {
    /// As the registry has it: whether it drains, and whether it is deactivated.
    pub(crate) fn drain_state_of(&self, id: &AgentId) -> (Option<v1::DrainInfo>, bool) {
        let state = &self.registry.state;
        let unreachable = || state.unreachable.get(id).map(|record| (record.drain, record.deactivated));
        state.agents.get(id).map(|record| (record.drain, record.deactivated)).or_else(unreachable).unwrap_or_default()
    }

    /// The record is durable. An agent that is away is told when it returns.
    pub(crate) fn agent_state_stored(
        &mut self,
        cx: &mut Context<'_>,
        id: &AgentId,
        change: AgentStateChange,
    ) -> CallResponse {
        let is_registered = self.agents.get(id.as_str()).is_some();
        match change {
            AgentStateChange::Draining if is_registered => {
                self.apply_operator_decision(cx, id);
                self.send_drain(cx, id);
                self.check_drained(cx, id);
            }
            AgentStateChange::Deactivated if is_registered => self.apply_operator_decision(cx, id),
            AgentStateChange::Reactivated if is_registered => self.apply_operator_decision(cx, id),
            AgentStateChange::Reactivated => {
                return CallResponse::new(Status::Conflict, "Agent removed while processing the call");
            }
            AgentStateChange::Draining | AgentStateChange::Deactivated => {}
        }
        CallResponse::ok()
    }

    fn apply_operator_decision(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        self.update_agent_activity(cx, id);
        let (_, keeps_out) = self.drain_state_of(id);
        self.observe(cx, failures::Event::OperatorDecided { agent: id.clone(), keeps_out });
    }

    /// Brings the registered agent, its offers and the allocator to what the registry and the recovery policies say.
    pub(crate) fn update_agent_activity(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let (drain, deactivated) = self.drain_state_of(id);
        let is_held = self.monitor.holds(id);
        let Some(agent) = self.agents.get_mut(id.as_str()) else { return };
        let was_active = agent.state.active;
        let state = agent.state_mut();
        state.deactivated = deactivated;
        state.drain = drain;
        state.drain_started = drain.and(state.drain_started.or(Some(cx.now.wall)));
        state.active = state.connected && !deactivated && !is_held;
        let is_active = state.active;
        cx.publish(Change::AgentUpdated(agent.state.clone()));
        if was_active && !is_active {
            self.metrics.slaves_active.decrement();
            self.metrics.slaves_inactive.increment();
            self.allocator.deactivate_agent(id);
            self.rescind_offers_of_agent(cx, id);
        } else if is_active && !was_active {
            self.metrics.slaves_active.increment();
            self.metrics.slaves_inactive.decrement();
            self.allocator.activate_agent(id);
        }
    }

    /// A draining agent is told so, again each time it registers: the message may have been lost, and an agent that is
    /// told twice does nothing new.
    pub(crate) fn send_drain(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get(id.as_str()) else { return };
        let Some(drain) = agent.state.drain else { return };
        cx.send(&agent.state.pid, internal::DrainSlaveMessage { config: drain.config });
    }

    /// An agent that is to be emptied may be empty now.
    pub(crate) fn check_drained(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        let Some(agent) = self.agents.get(id.as_str()) else { return };
        let Some(drain) = agent.state.drain.filter(|drain| drain.state() == v1::DrainState::Draining) else { return };
        let has_tasks = agent.uses.values().any(|uses| !uses.tasks.is_empty());
        let is_empty = !has_tasks && self.operations.on_agent(id.as_str()).is_empty();
        if !is_empty || !self.can_be_removed(id) {
            return;
        }
        if drain.config.mark_gone() {
            tracing::info!(agent = %id, "it is drained: marking it gone");
            return self.mark_gone(cx, id.clone(), None);
        }
        tracing::info!(agent = %id, "it is drained");
        self.store(cx, RegistryOperation::MarkDrained(id.clone()), Continuation::Drained(id.clone()));
    }

    pub(crate) fn marked_drained(&mut self, cx: &mut Context<'_>, id: &AgentId) {
        self.update_agent_activity(cx, id);
    }
}

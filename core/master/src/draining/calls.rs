//! MARK_AGENT_GONE, DRAIN_AGENT, DEACTIVATE_AGENT and REACTIVATE_AGENT: what each is refused for, in Mesos' words.

use machine::{CallResponse, Status};
use messages::v1;
use messages::v1::master::call;
use model::{AgentId, ReplyId};

use super::AgentStateChange;
use crate::effects::Context;
use crate::master::Master;
use crate::registry::{Continuation, MachineKey, PendingAgentRemoval, RegistryOperation};

impl Master {
    /// True if it is one of these calls: it is answered, or will be once its record is durable.
    pub(crate) fn agent_state_call(&mut self, cx: &mut Context<'_>, reply: ReplyId, call: &v1::master::Call) -> bool {
        if let (call::Type::MarkAgentGone, Some(call)) = (call.r#type(), &call.mark_agent_gone) {
            self.mark_agent_gone(cx, reply, call);
        } else if let (call::Type::DrainAgent, Some(call)) = (call.r#type(), &call.drain_agent) {
            self.drain_agent(cx, reply, call);
        } else if let (call::Type::DeactivateAgent, Some(call)) = (call.r#type(), &call.deactivate_agent) {
            self.deactivate_agent(cx, reply, call);
        } else if let (call::Type::ReactivateAgent, Some(call)) = (call.r#type(), &call.reactivate_agent) {
            self.reactivate_agent(cx, reply, call);
        } else {
            return false;
        }
        true
    }

    fn mark_agent_gone(&mut self, cx: &mut Context<'_>, reply: ReplyId, call: &call::MarkAgentGone) {
        let id = AgentId::from(&call.agent_id);
        if self.registry.state.gone.contains_key(&id) {
            return cx.reply(reply, CallResponse::ok());
        }
        if let Some(pending) = self.registry.pending_removals.get(&id) {
            let how = match pending {
                PendingAgentRemoval::Gone => "already being transitioned to gone",
                PendingAgentRemoval::Removed => "being transitioned to removed",
                PendingAgentRemoval::Unreachable => "being transitioned to unreachable",
            };
            return cx.reply(reply, CallResponse::new(Status::ServiceUnavailable, format!("Agent '{id}' is {how}")));
        }
        if !self.is_known(&id) {
            return cx.reply(reply, CallResponse::new(Status::NotFound, format!("Agent '{id}' not found")));
        }
        self.mark_gone(cx, id, Some(reply));
    }

    fn drain_agent(&mut self, cx: &mut Context<'_>, reply: ReplyId, call: &call::DrainAgent) {
        let id = AgentId::from(&call.agent_id);
        if let Some(refusal) = self.cannot_drain(&id) {
            return cx.reply(reply, refusal);
        }
        let max_grace_period = call.max_grace_period.as_ref().map(|period| {
            let seconds = period.seconds.saturating_mul(1_000_000_000);
            v1::DurationInfo { nanoseconds: seconds.saturating_add(i64::from(period.nanos)) }
        });
        let config = v1::DrainConfig { max_grace_period, mark_gone: Some(call.mark_gone()) };
        let operation = RegistryOperation::DrainAgent { agent: id.clone(), config };
        self.store(
            cx,
            operation,
            Continuation::AgentStateChange { agent: id, reply, change: AgentStateChange::Draining },
        );
    }

    pub(crate) fn cannot_drain(&self, id: &AgentId) -> Option<CallResponse> {
        if let Some(agent) = self.agents.get(id.as_str()) {
            let machine = MachineKey {
                hostname: agent.state.info.hostname.to_lowercase(),
                ip: agent.state.pid.address.ip().to_string(),
            };
            let scheduled = self.registry.state.schedule.windows.iter().flat_map(|window| &window.machine_ids);
            if let Some(machine) = scheduled.into_iter().find(|id| MachineKey::from(*id) == machine) {
                let (hostname, ip) = (machine.hostname(), machine.ip());
                return Some(CallResponse::bad_request(format!(
                    "Agent {id} is part of a maintenance schedule under Machine {hostname} ({ip})"
                )));
            }
            if !agent.capabilities.draining {
                return Some(CallResponse::bad_request(format!("Agent {id} is not capable of draining")));
            }
        }
        if !self.is_known(id) {
            return Some(CallResponse::bad_request("Unknown agent"));
        }
        (self.registry.pending_removals.get(id) == Some(&PendingAgentRemoval::Gone))
            .then(|| CallResponse::new(Status::Conflict, "Agent is currently being marked gone"))
    }

    fn deactivate_agent(&mut self, cx: &mut Context<'_>, reply: ReplyId, call: &call::DeactivateAgent) {
        let id = AgentId::from(&call.agent_id);
        if !self.is_known(&id) {
            return cx.reply(reply, CallResponse::bad_request("Unknown agent"));
        }
        let operation = RegistryOperation::DeactivateAgent(id.clone());
        self.store(
            cx,
            operation,
            Continuation::AgentStateChange { agent: id, reply, change: AgentStateChange::Deactivated },
        );
    }

    fn reactivate_agent(&mut self, cx: &mut Context<'_>, reply: ReplyId, call: &call::ReactivateAgent) {
        let id = AgentId::from(&call.agent_id);
        let (drain, deactivated) = self.drain_state_of(&id);
        if !deactivated && self.monitor.holds(&id) {
            return self.reactivate_held(cx, id, reply);
        }
        if !deactivated {
            return cx.reply(reply, CallResponse::bad_request("Agent is not deactivated"));
        }
        if drain.is_some_and(|drain| drain.state() == v1::DrainState::Draining) {
            return cx.reply(reply, CallResponse::bad_request("Agent is still in the DRAINING state"));
        }
        let operation = RegistryOperation::ReactivateAgent(id.clone());
        self.store(
            cx,
            operation,
            Continuation::AgentStateChange { agent: id, reply, change: AgentStateChange::Reactivated },
        );
    }

    /// Registered, awaited after a failover, or unreachable.
    pub(crate) fn is_known(&self, id: &AgentId) -> bool {
        let id = id.as_str();
        self.agents.get(id).is_some() || self.recovery.contains(id) || self.agents.unreachable(id).is_some()
    }
}

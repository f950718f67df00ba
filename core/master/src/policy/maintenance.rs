//! The maintenance schedule: machines drain, are taken down and brought up again; their agents have a window of
//! unavailability.

use std::collections::BTreeSet;
use std::sync::Arc;

use allocator::Allocator;
use machine::CallResponse;
use messages::v1::machine_info::Mode;
use messages::v1::maintenance::Schedule;
use messages::v1::{MachineId, Unavailability};
use model::AgentId;
use model::master::{AgentSnapshot, Change, MaintenanceSnapshot, RemovalReason};

use super::PolicyChange;
use super::change::Policy;
use super::machines::{self, machine_of};
use crate::agents::{Agent, Agents, remove_agent};
use crate::interface::Context;
use crate::offers::rescind_offers_of_agent;
use crate::registry::{MachineKey, Registry};
use crate::state::State;
use model::master::Metrics;

/// The message to agents of a machine that is taken down, and the cause of their removal.
const DOWN: &str = "Operator initiated 'Machine DOWN'";

pub(super) fn check_schedule(policy: &Policy, schedule: Schedule) -> Result<PolicyChange, CallResponse> {
    machines::check_schedule(&schedule, &policy.intended().machines).map_err(CallResponse::bad_request)?;
    Ok(PolicyChange::Schedule(schedule))
}

pub(super) fn check_machines_down(policy: &Policy, ids: Vec<MachineId>) -> Result<PolicyChange, CallResponse> {
    machines::check_machines(&ids, &policy.intended().machines, Mode::Draining).map_err(CallResponse::bad_request)?;
    Ok(PolicyChange::MachinesDown(ids))
}

pub(super) fn check_machines_up(policy: &Policy, ids: Vec<MachineId>) -> Result<PolicyChange, CallResponse> {
    machines::check_machines(&ids, &policy.intended().machines, Mode::Down).map_err(CallResponse::bad_request)?;
    Ok(PolicyChange::MachinesUp(ids))
}

/// Returns whether the agent's machine is down or being taken down: no agent may register from it then.
pub(crate) fn is_machine_down(policy: &Policy, agent: &messages::v1::AgentInfo, pid: &model::Upid) -> bool {
    let machines = &policy.intended().machines;
    // Most clusters have no maintenance most of the time, so this check comes first.
    !machines.is_empty() && {
        machines.get(&MachineKey::of_agent(&agent.hostname, pid)).is_some_and(|machine| machine.mode() == Mode::Down)
    }
}

/// Tells the allocator the window of unavailability of an agent that was just added to it.
pub(crate) fn set_window_of_new_agent(registry: &Registry, allocator: &mut Allocator, agent: &Agent) {
    if let Some(window) = window_of(registry, agent.snapshot()) {
        allocator.update_unavailability(agent.id(), Some(window));
    }
}

fn window_of(registry: &Registry, agent: &AgentSnapshot) -> Option<Unavailability> {
    let machines = &registry.durable().machines;
    if machines.is_empty() {
        return None;
    }
    machines.get(&machine_of(agent))?.unavailability.as_deref().copied()
}

/// Updates windows after a change. Frameworks learn of a changed window from new offers and inverse offers, so those
/// from before are rescinded.
pub(super) fn maintenance_changed(state: &mut State, cx: &mut Context<'_>) {
    for id in state.agents.ids() {
        let Some(agent) = state.agents.get(id.as_str()) else { continue };
        let window = window_of(&state.registry, agent.snapshot());
        if window.as_ref() != state.allocator.unavailability(&id) {
            rescind_offers_of_agent(state, cx, &id);
            state.allocator.update_unavailability(&id, window);
            cx.publish(Change::InverseOfferStatusesCleared(id));
        }
    }
    publish_maintenance(&state.registry, cx);
}

pub(super) fn machines_went_down(
    agents: &Agents,
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    machines: &[MachineId],
) {
    let machines: BTreeSet<MachineKey> = machines.iter().map(MachineKey::from).collect();
    for id in agents_on(agents, &machines) {
        if let Some(agent) = agents.get(id.as_str()) {
            crate::agents::shut_down_agent(cx, &agent.snapshot().pid, DOWN);
        }
        remove_agent(agents, registry, metrics, cx, &id, DOWN, RemovalReason::MachineDown);
    }
    publish_maintenance(registry, cx);
}

fn agents_on(agents: &Agents, machines: &BTreeSet<MachineKey>) -> Vec<AgentId> {
    let is_there =
        |id: &AgentId| agents.get(id.as_str()).is_some_and(|agent| machines.contains(&machine_of(agent.snapshot())));
    agents.ids().into_iter().filter(is_there).collect()
}

pub(super) fn publish_maintenance(registry: &Registry, cx: &mut Context<'_>) {
    cx.publish(Change::MaintenanceUpdated(Arc::new(maintenance(registry))));
}

pub(crate) fn maintenance(registry: &Registry) -> MaintenanceSnapshot {
    let registry = registry.durable();
    MaintenanceSnapshot { schedule: registry.schedule.clone(), machines: registry.machines.values().cloned().collect() }
}

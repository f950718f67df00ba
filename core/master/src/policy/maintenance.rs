//! The maintenance schedule: machines drain, go down and come up again; their agents have a window of unavailability.

use std::collections::BTreeSet;
use std::sync::Arc;

use machine::CallResponse;
use messages::v1::machine_info::Mode;
use messages::v1::maintenance::Schedule;
use messages::v1::{MachineId, Unavailability};
use model::AgentId;

use super::PolicyChange;
use super::machines::{self, machine_of};
use crate::agent::Agent;
use crate::effects::Context;
use crate::master::Master;
use crate::registry::{AgentRemovalReason, MachineKey};
use model::master::{AgentSnapshot, Change, MaintenanceSnapshot};

/// What agents of a machine that goes down are told, and the cause of their removal.
const DOWN: &str = "Operator initiated 'Machine DOWN'";

impl Master {
    pub(super) fn check_schedule(&self, schedule: Schedule) -> Result<PolicyChange, CallResponse> {
        machines::check_schedule(&schedule, &self.policy.intended.machines).map_err(CallResponse::bad_request)?;
        Ok(PolicyChange::Schedule(schedule))
    }

    pub(super) fn check_machines_down(&self, ids: Vec<MachineId>) -> Result<PolicyChange, CallResponse> {
        machines::check_machines(&ids, &self.policy.intended.machines, Mode::Draining)
            .map_err(CallResponse::bad_request)?;
        Ok(PolicyChange::MachinesDown(ids))
    }

    pub(super) fn check_machines_up(&self, ids: Vec<MachineId>) -> Result<PolicyChange, CallResponse> {
        machines::check_machines(&ids, &self.policy.intended.machines, Mode::Down)
            .map_err(CallResponse::bad_request)?;
        Ok(PolicyChange::MachinesUp(ids))
    }

    /// No agent may register from a machine that is down, nor from one that is going down.
    pub(crate) fn is_machine_down(&self, agent: &messages::v1::AgentInfo, pid: &model::Upid) -> bool {
        let machines = &self.policy.intended.machines;
        // Nearly always, there is no maintenance.
        !machines.is_empty() && {
            let key = MachineKey { hostname: agent.hostname.to_lowercase(), ip: pid.address.ip().to_string() };
            machines.get(&key).is_some_and(|machine| machine.mode() == Mode::Down)
        }
    }

    /// Of an agent that the allocator has just been told of.
    pub(crate) fn set_window_of_new_agent(&mut self, agent: &Agent) {
        if let Some(window) = self.window_of(&agent.state) {
            self.allocator.update_unavailability(agent.id(), Some(window));
        }
    }

    fn window_of(&self, agent: &AgentSnapshot) -> Option<Unavailability> {
        let machines = &self.registry.state.machines;
        if machines.is_empty() {
            return None;
        }
        machines.get(&machine_of(agent))?.unavailability.as_deref().copied()
    }

    /// Frameworks learn of another window from new offers and inverse offers: those of before are rescinded.
    pub(super) fn maintenance_changed(&mut self, cx: &mut Context<'_>) {
        for id in self.agents.ids() {
            let Some(agent) = self.agents.get(id.as_str()) else { continue };
            let window = self.window_of(&agent.state);
            if window.as_ref() != self.allocator.unavailability(&id) {
                self.rescind_offers_of_agent(cx, &id);
                self.allocator.update_unavailability(&id, window);
                cx.publish(Change::InverseOfferStatusesCleared(id));
            }
        }
        self.publish_maintenance(cx);
    }

    pub(super) fn machines_went_down(&mut self, cx: &mut Context<'_>, machines: &[MachineId]) {
        let machines: BTreeSet<MachineKey> = machines.iter().map(MachineKey::from).collect();
        for id in self.agents_on(&machines) {
            if let Some(agent) = self.agents.get(id.as_str()) {
                crate::connection::shut_down_agent(cx, &agent.state.pid, DOWN);
            }
            self.remove_agent(cx, &id, DOWN, AgentRemovalReason::MachineDown);
        }
        self.publish_maintenance(cx);
    }

    fn agents_on(&self, machines: &BTreeSet<MachineKey>) -> Vec<AgentId> {
        let is_there = |id: &AgentId| {
            self.agents.get(id.as_str()).is_some_and(|agent| machines.contains(&machine_of(&agent.state)))
        };
        self.agents.ids().into_iter().filter(is_there).collect()
    }

    pub(super) fn publish_maintenance(&self, cx: &mut Context<'_>) {
        cx.publish(Change::MaintenanceUpdated(Arc::new(self.maintenance())));
    }

    pub(crate) fn maintenance(&self) -> MaintenanceSnapshot {
        let state = &self.registry.state;
        MaintenanceSnapshot { schedule: state.schedule.clone(), machines: state.machines.values().cloned().collect() }
    }
}

//! The machine of an agent, and the checks of machines that an operator names, with Mesos' order and words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use messages::v1::machine_info::Mode;
use messages::v1::maintenance::Schedule;
use messages::v1::{MachineId, MachineInfo};
use model::master::AgentSnapshot;

use crate::registry::MachineKey;

pub(super) type Machines = BTreeMap<MachineKey, MachineInfo>;

/// Returns the machine whose maintenance concerns this agent.
pub(super) fn machine_of(agent: &AgentSnapshot) -> MachineKey {
    MachineKey::of_agent(&agent.info.hostname, &agent.pid)
}

pub(super) fn check_schedule(schedule: &Schedule, machines: &Machines) -> Result<(), String> {
    let mut scheduled = BTreeSet::new();
    for window in &schedule.windows {
        if window.machine_ids.is_empty() {
            return Err("List of machines in the maintenance window is empty".to_owned());
        }
        if window.unavailability.duration.is_some_and(|duration| duration.nanoseconds < 0) {
            return Err("Unavailability 'duration' is negative".to_owned());
        }
        window.machine_ids.iter().try_for_each(|id| check_new(id, &mut scheduled))?;
    }
    let is_lost =
        |(key, machine): &(&MachineKey, &MachineInfo)| machine.mode() == Mode::Down && !scheduled.contains(key);
    match machines.iter().find(is_lost) {
        Some((_, machine)) => {
            Err(format!("Machine '{}' is deactivated and cannot be removed from the schedule", text(&machine.id)))
        }
        None => Ok(()),
    }
}

/// Checks machines that are to change their mode: all have to be in the mode before it.
pub(super) fn check_machines(ids: &[MachineId], machines: &Machines, from: Mode) -> Result<(), String> {
    if ids.is_empty() {
        return Err("List of machines is empty".to_owned());
    }
    let mut named = BTreeSet::new();
    ids.iter().try_for_each(|id| check_new(id, &mut named))?;
    ids.iter().try_for_each(|id| match machines.get(&MachineKey::from(id)) {
        None => Err(format!("Machine '{}' is not part of a maintenance schedule", text(id))),
        Some(machine) if machine.mode() != from => {
            let step = if from == Mode::Draining { "down" } else { "up" };
            let mode = from.as_str_name();
            Err(format!("Machine '{}' is not in {mode} mode and cannot be brought {step}", text(id)))
        }
        Some(_) => Ok(()),
    })
}

fn check_new(id: &MachineId, named: &mut BTreeSet<MachineKey>) -> Result<(), String> {
    if id.hostname().is_empty() && id.ip().is_empty() {
        return Err("Both 'hostname' and 'ip' for a machine are empty".to_owned());
    }
    if !id.ip().is_empty() && id.ip().parse::<Ipv4Addr>().is_err() {
        return Err(format!("Failed to parse IPv4: {}", id.ip()));
    }
    if !named.insert(MachineKey::from(id)) {
        return Err(format!("Machine '{}' appears more than once in the schedule", text(id)));
    }
    Ok(())
}

fn text(id: &MachineId) -> String {
    String::from_utf8_lossy(&wire::json::encode(id)).into_owned()
}

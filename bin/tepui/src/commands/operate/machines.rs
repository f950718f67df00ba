//! Finds the machines that arguments name. Maintenance applies to machines, which have a host name, an address, and any
//! number of agents.

use std::collections::BTreeSet;

use messages::v1::MachineId;
use messages::v1::maintenance::Schedule;
use messages::v1::master::response::get_agents::Agent;
use tepui_client::Address;

use crate::commands::cli::CommandError;
use crate::commands::find;
use crate::commands::state::State;

/// The known machines: those of agents, and those of the schedule, whose agents may not be registered.
pub struct Machines<'a> {
    pub state: &'a State,
    pub schedule: &'a Schedule,
}

impl Machines<'_> {
    pub fn find_all(&self, given: &[String]) -> Result<Vec<MachineId>, CommandError> {
        let mut found = Vec::new();
        for given in given {
            let machine = self.find(given)?;
            if !found.iter().any(|other| same(other, &machine)) {
                found.push(machine);
            }
        }
        Ok(found)
    }

    /// Finds a machine. `host@ip` is taken as it is; other text is a host name, an address, or an agent on the machine.
    fn find(&self, given: &str) -> Result<MachineId, CommandError> {
        if let Some((host, ip)) = given.split_once('@') {
            return Ok(machine(host, ip));
        }
        let of_agents = self.state.agents.agents.iter().filter_map(machine_of);
        let scheduled = self.schedule.windows.iter().flat_map(|window| window.machine_ids.iter().cloned());
        let named = |id: &MachineId| id.hostname().eq_ignore_ascii_case(given) || id.ip() == given;
        let fitting: BTreeSet<String> = of_agents.chain(scheduled).filter(named).map(|id| text(&id)).collect();
        match Vec::from_iter(fitting).as_slice() {
            [] => {}
            [one] => return one.split_once('@').map(|(host, ip)| machine(host, ip)).ok_or_else(|| unknown(given)),
            several => {
                return Err(CommandError::message(format!(
                    "'{given}' could be {}: name one of them so",
                    several.join(" or ")
                )));
            }
        }
        let agent = find::agent(self.state, given).ok().and_then(machine_of);
        agent.ok_or_else(|| unknown(given))
    }
}

fn unknown(given: &str) -> CommandError {
    CommandError::message(format!(
        "no agent runs on '{given}': `tepui agents` lists them; name a machine without agents as HOST@IP"
    ))
}

fn machine(host: &str, ip: &str) -> MachineId {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    MachineId { hostname: given(host), ip: given(ip) }
}

/// Returns the machine of an agent as the master sees it: the agent's host name and the address from which it connects.
fn machine_of(agent: &Agent) -> Option<MachineId> {
    let address: Address = agent.pid.as_deref()?.parse().ok()?;
    Some(machine(&agent.agent_info.hostname, &address.host))
}

/// Compares two machines; the case of host names does not matter.
pub fn same(a: &MachineId, b: &MachineId) -> bool {
    a.hostname().eq_ignore_ascii_case(b.hostname()) && a.ip() == b.ip()
}

/// Formats a machine as `node7@10.0.0.7`.
pub fn text(id: &MachineId) -> String {
    format!("{}@{}", id.hostname(), id.ip())
}

pub fn texts(ids: &[MachineId]) -> String {
    ids.iter().map(text).collect::<Vec<_>>().join(", ")
}

//! Reservations, volumes and operations: what a framework was told to have is there until somebody gives it up.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use model::{AgentId, FrameworkId};
use resources::Resources;
use v1::OperationState;

use crate::hosts::{RESERVED, is_final, label, persistence};

/// What an operation does, by the label of a reservation or the name of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceChange {
    Reserve(String),
    Unreserve(String),
    Create(String),
    Destroy(String),
}

#[derive(Debug, Default)]
pub struct OperationCheck {
    operations: BTreeMap<(FrameworkId, String), Operation>,
    /// What must be there, by agent: labels and volumes.
    expected: BTreeMap<AgentId, BTreeSet<ResourceChange>>,
    /// What somebody has given up: it may go at any time, or stay, if that was lost on the way.
    given_up: BTreeSet<ResourceChange>,
    /// The volumes on the disk of each machine.
    disks: BTreeMap<usize, BTreeSet<String>>,
    /// The machine that each agent is on.
    machines: BTreeMap<AgentId, usize>,
    first: Option<String>,
}

#[derive(Debug)]
struct Operation {
    agent: AgentId,
    change: ResourceChange,
    told: Option<OperationState>,
    applied: bool,
}

impl OperationCheck {
    fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    pub fn found(&self) -> Option<String> {
        self.first.clone()
    }

    /// Somebody asks for it; by name when a framework wants to hear of it.
    pub fn begun(&mut self, framework: &FrameworkId, name: Option<&str>, agent: &AgentId, change: ResourceChange) {
        self.gives_up(&change);
        if let Some(name) = name {
            let operation = Operation { agent: agent.clone(), change, told: None, applied: false };
            self.operations.insert((framework.clone(), name.to_owned()), operation);
        }
    }

    pub fn gives_up(&mut self, change: &ResourceChange) {
        let given_up = match change {
            ResourceChange::Unreserve(label) => ResourceChange::Reserve(label.clone()),
            ResourceChange::Destroy(volume) => ResourceChange::Create(volume.clone()),
            ResourceChange::Reserve(_) | ResourceChange::Create(_) => return,
        };
        for expected in self.expected.values_mut() {
            expected.remove(&given_up);
        }
        self.given_up.insert(given_up);
    }

    /// The framework hears what has become of it.
    pub fn told(&mut self, framework: &FrameworkId, name: &str, state: OperationState) {
        let Some(operation) = self.operations.get_mut(&(framework.clone(), name.to_owned())) else { return };
        if !is_final(state) {
            return;
        }
        let before = operation.told.replace(state);
        if let Some(before) = before.filter(|before| *before != state && !is_word(*before) && !is_word(state)) {
            let what = format!("operation {name} was {} and is now {}", before.as_str_name(), state.as_str_name());
            return self.violation(what);
        }
        if before.is_some() {
            return;
        }
        let (agent, change) = (operation.agent.clone(), operation.change.clone());
        let never = matches!(state, OperationState::OperationDropped | OperationState::OperationError);
        if never && operation.applied {
            return self.violation(format!("operation {name} is {} for its framework, and done", state.as_str_name()));
        }
        // The machine of an agent that is no more took everything with it.
        let Some(machine) = self.machines.get(&agent).copied() else { return };
        let lasts = matches!(change, ResourceChange::Reserve(_) | ResourceChange::Create(_))
            && !self.given_up.contains(&change);
        if state != OperationState::OperationFinished || !lasts {
            return;
        }
        if let ResourceChange::Create(volume) = &change
            && !self.disks.get(&machine).is_some_and(|disk| disk.contains(volume))
        {
            return self.violation(format!("{framework} is told of volume {volume}, which is not on agent-{machine}"));
        }
        self.expected.entry(agent).or_default().insert(change);
    }

    /// An agent has done it, and may have said so.
    pub fn applied(&mut self, framework: &FrameworkId, name: &str) {
        let Some(operation) = self.operations.get_mut(&(framework.clone(), name.to_owned())) else { return };
        operation.applied = true;
        let never =
            |told: &OperationState| matches!(told, OperationState::OperationDropped | OperationState::OperationError);
        if let Some(told) = operation.told.filter(never) {
            self.violation(format!("operation {name} is done, and was {} for its framework", told.as_str_name()));
        }
    }

    /// The agent on this machine has got its id.
    pub fn identified(&mut self, machine: usize, agent: &AgentId) {
        self.machines.insert(agent.clone(), machine);
    }

    pub fn made(&mut self, machine: usize, volume: &str) {
        self.disks.entry(machine).or_default().insert(volume.to_owned());
    }

    pub fn removed(&mut self, machine: usize, volume: &str) {
        let existed = self.disks.entry(machine).or_default().remove(volume);
        let on_it = |(agent, changes): (&AgentId, &BTreeSet<ResourceChange>)| {
            self.machines.get(agent) == Some(&machine) && changes.contains(&ResourceChange::Create(volume.to_owned()))
        };
        if existed && self.expected.iter().any(on_it) {
            self.violation(format!("agent-{machine} removes volume {volume}, which nobody has destroyed"));
        }
    }

    /// A task is about to use it.
    pub fn used(&mut self, machine: usize, volume: &str) {
        if !self.disks.get(&machine).is_some_and(|disk| disk.contains(volume)) {
            self.violation(format!("a task is started on agent-{machine} with volume {volume}, which is not there"));
        }
    }

    /// Its disk is empty.
    pub fn machine_lost(&mut self, machine: usize) {
        self.disks.remove(&machine);
        let expected = &mut self.expected;
        self.machines.retain(|agent, on| {
            let stays = *on != machine;
            if !stays {
                expected.remove(agent);
            }
            stays
        });
    }

    /// What is missing on an agent that has come to rest.
    pub fn missing(&self, agent: &AgentId, total: &Resources) -> Option<String> {
        let resources = total.checkpointed().to_proto();
        let disk = self.machines.get(agent).and_then(|machine| self.disks.get(machine));
        let missing = self.expected.get(agent)?.iter().find(|change| match change {
            ResourceChange::Create(volume) => {
                !resources.iter().any(|resource| persistence(resource).as_ref() == Some(volume))
                    || !disk.is_some_and(|disk| disk.contains(volume))
            }
            ResourceChange::Reserve(wanted) => RESERVED.iter().any(|(name, amount)| {
                let of_label = resources.iter().filter(|r| r.name == *name && label(r).as_ref() == Some(wanted));
                let held: f64 = of_label.filter_map(|r| r.scalar.as_ref()).map(|scalar| scalar.value).sum();
                held != *amount
            }),
            ResourceChange::Unreserve(_) | ResourceChange::Destroy(_) => false,
        })?;
        Some(format!("agent {agent} has lost what {missing:?} made: it has {total}"))
    }
}

/// Said of what nobody can know.
fn is_word(state: OperationState) -> bool {
    state == OperationState::OperationGoneByOperator
}

//! Checks reservations, volumes and operations: every resource that the master has confirmed to a framework exists
//! until a client releases it.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use model::{AgentId, FrameworkId};
use resources::Resources;
use v1::OperationState;

use crate::hosts::{RESERVED, is_final, label, persistence};

/// The change that an operation makes, identified by the label of a reservation or the name of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceChange {
    Reserve(String),
    Unreserve(String),
    Create(String),
    Destroy(String),
}

/// The expected results of all operations, and the volumes that exist on each machine.
#[derive(Debug, Default)]
pub struct OperationCheck {
    operations: BTreeMap<(FrameworkId, String), Operation>,
    /// The reservations and volumes that must exist on each agent.
    expected: BTreeMap<AgentId, BTreeSet<ResourceChange>>,
    /// The changes that a client has asked to release. They may be gone, or remain if the request was lost.
    released: BTreeSet<ResourceChange>,
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
    delivered: Option<OperationState>,
    applied: bool,
}

impl OperationCheck {
    fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    pub fn found(&self) -> Option<String> {
        self.first.clone()
    }

    /// Records that a client asks for an operation. `name` is the operation id if the framework wants feedback.
    pub fn begin(&mut self, framework: &FrameworkId, name: Option<&str>, agent: &AgentId, change: ResourceChange) {
        self.release(&change);
        if let Some(name) = name {
            let operation = Operation { agent: agent.clone(), change, delivered: None, applied: false };
            self.operations.insert((framework.clone(), name.to_owned()), operation);
        }
    }

    /// Records that a client asks to release the resource of `change`, which may be gone from now on.
    pub fn release(&mut self, change: &ResourceChange) {
        let released = match change {
            ResourceChange::Unreserve(label) => ResourceChange::Reserve(label.clone()),
            ResourceChange::Destroy(volume) => ResourceChange::Create(volume.clone()),
            ResourceChange::Reserve(_) | ResourceChange::Create(_) => return,
        };
        for expected in self.expected.values_mut() {
            expected.remove(&released);
        }
        self.released.insert(released);
    }

    /// Records an operation status that was delivered to its framework.
    pub fn delivered(&mut self, framework: &FrameworkId, name: &str, state: OperationState) {
        let Some(operation) = self.operations.get_mut(&(framework.clone(), name.to_owned())) else { return };
        if !is_final(state) {
            return;
        }
        let before = operation.delivered.replace(state);
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
        // A machine whose agent has been removed has lost everything that was on it.
        let Some(machine) = self.machines.get(&agent).copied() else { return };
        let lasts = matches!(change, ResourceChange::Reserve(_) | ResourceChange::Create(_))
            && !self.released.contains(&change);
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

    /// Records that an agent has made the operation durable. The agent may have reported it already.
    pub fn applied(&mut self, framework: &FrameworkId, name: &str) {
        let Some(operation) = self.operations.get_mut(&(framework.clone(), name.to_owned())) else { return };
        operation.applied = true;
        let never = |delivered: &OperationState| {
            matches!(delivered, OperationState::OperationDropped | OperationState::OperationError)
        };
        if let Some(delivered) = operation.delivered.filter(never) {
            self.violation(format!("operation {name} is done, and was {} for its framework", delivered.as_str_name()));
        }
    }

    /// Records the id of the agent on this machine.
    pub fn identified(&mut self, machine: usize, agent: &AgentId) {
        self.machines.insert(agent.clone(), machine);
    }

    /// Records that the directory of a volume was created.
    pub fn made(&mut self, machine: usize, volume: &str) {
        self.disks.entry(machine).or_default().insert(volume.to_owned());
    }

    /// Records that the directory of a volume was removed. A client must have destroyed the volume.
    pub fn removed(&mut self, machine: usize, volume: &str) {
        let existed = self.disks.entry(machine).or_default().remove(volume);
        let on_it = |(agent, changes): (&AgentId, &BTreeSet<ResourceChange>)| {
            self.machines.get(agent) == Some(&machine) && changes.contains(&ResourceChange::Create(volume.to_owned()))
        };
        if existed && self.expected.iter().any(on_it) {
            self.violation(format!("agent-{machine} removes volume {volume}, which nobody has destroyed"));
        }
    }

    /// Checks that a volume exists when a task that uses it is started.
    pub fn used(&mut self, machine: usize, volume: &str) {
        if !self.disks.get(&machine).is_some_and(|disk| disk.contains(volume)) {
            self.violation(format!("a task is started on agent-{machine} with volume {volume}, which is not there"));
        }
    }

    /// Records that the disk of a machine was erased.
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

    /// Returns the resources that are missing on an agent once the cluster is quiescent.
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

/// Returns true for a state that the master sets without knowing whether the operation was applied.
fn is_word(state: OperationState) -> bool {
    state == OperationState::OperationGoneByOperator
}

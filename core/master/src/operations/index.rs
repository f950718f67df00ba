//! The operations that are in progress or not acknowledged, found by agent, by framework and by the framework's name
//! for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use messages::v1;
use model::master::OperationUuid;
use model::{AgentId, FrameworkId, Random};
use resources::{Conversion, Resources};

use super::spec::{consumed, is_speculative, is_terminal, provider_of};
use crate::support::remove_from_index;

/// The most statuses that are kept, so that repeated updates do not fill the master's memory.
const MAX_STATUSES: usize = 64;

#[derive(Debug)]
pub(crate) struct Operation {
    pub proto: Arc<v1::Operation>,
    pub uuid: OperationUuid,
    /// The framework of the operation; `None` if an operator made it.
    pub framework: Option<FrameworkId>,
    pub agent: AgentId,
    /// The resource provider of the resources; `None` if they are the agent's own.
    pub provider: Option<v1::ResourceProviderId>,
    /// The resources that it has until it ends, allocated to its framework; empty for a speculative operation.
    held: Resources,
    orphan: bool,
}

impl Operation {
    pub fn new(uuid: OperationUuid, proto: v1::Operation, agent: AgentId) -> Self {
        let held = if is_speculative(&proto.info) || is_terminal(proto.latest_status.state()) {
            Resources::new()
        } else {
            consumed(&proto.info)
        };
        Operation {
            uuid,
            framework: proto.framework_id.as_ref().map(FrameworkId::from),
            agent,
            provider: provider_of(&proto.info),
            held,
            orphan: false,
            proto: Arc::new(proto),
        }
    }

    /// Returns the resources that the operation has until it ends, allocated to its framework.
    pub fn held(&self) -> &Resources {
        &self.held
    }

    /// Removes and returns the resources of an operation that has ended.
    pub fn take_held(&mut self) -> Resources {
        std::mem::take(&mut self.held)
    }

    /// Returns whether the framework of the operation is unknown. The resources of such an operation are accounted to
    /// nobody (the agent's total is without them), and its end is not acknowledged.
    pub fn is_orphan(&self) -> bool {
        self.orphan
    }

    /// Marks the framework of the operation as unknown.
    pub fn make_orphan(&mut self) {
        self.orphan = true;
    }

    /// Marks the framework of the operation as known again.
    pub fn adopt(&mut self) {
        self.orphan = false;
    }

    /// Returns the name of the operation, with which its framework asked for feedback.
    pub fn name(&self) -> Option<&v1::OperationId> {
        self.proto.info.id.as_ref()
    }

    pub fn state(&self) -> v1::OperationState {
        self.proto.latest_status.state()
    }

    /// Returns the status that was last forwarded to its framework; the latest one if none was.
    pub fn forwarded_status(&self) -> &v1::OperationStatus {
        self.proto.statuses.last().unwrap_or(&self.proto.latest_status)
    }

    /// Records a status; the first terminal state stays. Returns whether this status ends the operation.
    pub fn record(&mut self, status: &v1::OperationStatus) -> bool {
        let was_terminal = is_terminal(self.state());
        let proto = Arc::make_mut(&mut self.proto);
        if !was_terminal {
            proto.latest_status = status.clone();
        }
        if proto.statuses.last() != Some(status) {
            if proto.statuses.len() >= MAX_STATUSES {
                proto.statuses.remove(0);
            }
            proto.statuses.push(status.clone());
        }
        !was_terminal && is_terminal(status.state())
    }
}

/// The resources of an agent that a resource provider manages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provider {
    pub total: Resources,
    pub version: v1::Uuid,
}

impl Provider {
    /// Applies a conversion to its total.
    pub fn convert(&mut self, step: &Conversion) {
        let Conversion { consumed, converted } = step.unallocated();
        self.total -= consumed;
        self.total += converted;
    }
}

#[derive(Debug)]
pub(crate) struct Operations {
    random: Random,
    map: BTreeMap<OperationUuid, Operation>,
    agents: BTreeMap<AgentId, BTreeSet<OperationUuid>>,
    frameworks: BTreeMap<FrameworkId, BTreeSet<OperationUuid>>,
    names: BTreeMap<FrameworkId, BTreeMap<String, OperationUuid>>,
}

impl Operations {
    pub fn new(random: Random) -> Self {
        Operations {
            random,
            map: BTreeMap::new(),
            agents: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    pub fn next_uuid(&mut self) -> OperationUuid {
        OperationUuid::new(self.random.uuid())
    }

    pub fn get(&self, uuid: OperationUuid) -> Option<&Operation> {
        self.map.get(&uuid)
    }

    pub fn get_mut(&mut self, uuid: OperationUuid) -> Option<&mut Operation> {
        self.map.get_mut(&uuid)
    }

    pub fn by_name(&self, framework: &str, name: &str) -> Option<&Operation> {
        self.map.get(self.names.get(framework)?.get(name)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.map.values()
    }

    /// Returns the operations of an agent that have not ended or are not acknowledged.
    pub fn on_agent(&self, agent: &str) -> Vec<OperationUuid> {
        self.agents.get(agent).map(|uuids| uuids.iter().copied().collect()).unwrap_or_default()
    }

    pub fn of_framework(&self, framework: &str) -> Vec<OperationUuid> {
        self.frameworks.get(framework).map(|uuids| uuids.iter().copied().collect()).unwrap_or_default()
    }

    pub fn insert(&mut self, operation: Operation) {
        let uuid = operation.uuid;
        self.agents.entry(operation.agent.clone()).or_default().insert(uuid);
        if let Some(framework) = &operation.framework {
            self.frameworks.entry(framework.clone()).or_default().insert(uuid);
            if let Some(name) = operation.name() {
                self.names.entry(framework.clone()).or_default().insert(name.value.clone(), uuid);
            }
        }
        self.map.insert(uuid, operation);
    }

    pub fn remove(&mut self, uuid: OperationUuid) -> Option<Operation> {
        let operation = self.map.remove(&uuid)?;
        remove_from_index(&mut self.agents, &operation.agent, &uuid);
        if let Some(framework) = &operation.framework {
            remove_from_index(&mut self.frameworks, framework, &uuid);
            self.forget_name(framework, &operation);
        }
        Some(operation)
    }

    fn forget_name(&mut self, framework: &FrameworkId, operation: &Operation) {
        let Some(name) = operation.name() else { return };
        let Some(names) = self.names.get_mut(framework) else { return };
        // The framework may have used the name again meanwhile.
        if names.get(&name.value) == Some(&operation.uuid) {
            names.remove(&name.value);
        }
        if names.is_empty() {
            self.names.remove(framework);
        }
    }
}

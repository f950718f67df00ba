//! All that a master knows, told from the beginning: for whoever compares what readers were told with what is so.

use std::sync::Arc;

use crate::master::Master;
use crate::registry::RegistryState;
use model::master::{Change, TaskRemoval};

impl Master {
    /// Changes that bring an empty view to where one is that has seen every change so far. What is over (completed
    /// tasks and frameworks) and the answers to inverse offers are left out: the core does not keep them.
    pub fn dump(&self) -> Vec<Change> {
        let mut changes = self.dump_policy();
        self.dump_agents(&mut changes);
        self.dump_frameworks(&mut changes);
        changes.extend(self.operations.iter().map(|operation| Change::OperationAdded(operation.proto.clone())));
        changes
    }

    /// What it takes for durable.
    pub fn registry(&self) -> &RegistryState {
        &self.registry.state
    }

    fn dump_policy(&self) -> Vec<Change> {
        let state = &self.registry.state;
        vec![
            Change::QuotasUpdated(Arc::new(state.quotas.clone())),
            Change::PartitionsUpdated(Arc::new(state.partitions.clone())),
            Change::WeightsUpdated(Arc::new(state.weights.clone())),
            Change::MaintenanceUpdated(Arc::new(self.maintenance())),
        ]
    }

    fn dump_agents(&self, changes: &mut Vec<Change>) {
        changes.push(Change::UnreachableRecovered(self.agents.unreachable_ids()));
        changes.push(Change::AgentsRecovered(self.recovery.recovered().cloned().collect()));
        for id in self.agents.ids() {
            changes.extend(self.agents.get(id.as_str()).map(|agent| Change::AgentAdded(agent.state.clone())));
        }
    }

    fn dump_frameworks(&self, changes: &mut Vec<Change>) {
        for framework in self.frameworks.iter() {
            changes.push(Change::FrameworkAdded(framework.state.clone()));
            for (id, task) in framework.unreachable.iter() {
                changes.push(Change::TaskAdded(task.clone()));
                changes.push(Change::TaskRemoved {
                    framework: framework.id().clone(),
                    task: id.clone(),
                    removal: TaskRemoval::Unreachable,
                });
            }
            changes.extend(framework.tasks.values().map(|task| Change::TaskAdded(task.proto.clone())));
            for agent in framework.agents.iter().filter_map(|agent| self.agents.get(agent.as_str())) {
                let uses = agent.uses.get(framework.id()).into_iter();
                let executors = uses.flat_map(|uses| uses.executors.values());
                changes.extend(executors.map(|executor| Change::ExecutorAdded(executor.snapshot.clone())));
            }
            let offers = framework.offers.iter().filter_map(|offer| self.offers.get(offer.as_str()));
            changes.extend(offers.map(|offer| Change::OfferAdded(offer.clone())));
        }
    }
}

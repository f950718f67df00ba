//! The state of a master as changes from the beginning, for tests that compare the views of readers with the state.

use std::sync::Arc;

use model::master::{Change, TaskRemoval};

use crate::frameworks::Frameworks;
use crate::offers::Offers;
use crate::policy::maintenance;
use crate::registry::Registry;
use crate::state::State;
use crate::tasks::Tasks;

/// Returns the changes that bring an empty view to the state of one that has applied every change so far. Completed
/// tasks and frameworks and the answers to inverse offers are left out, since the core does not keep them.
pub(crate) fn dump(state: &State) -> Vec<Change> {
    let mut changes = dump_policy(&state.registry);
    dump_agents(state, &mut changes);
    dump_frameworks(&state.frameworks, &state.offers, &state.tasks, &mut changes);
    changes.extend(state.operations.iter().map(|operation| Change::OperationAdded(operation.proto.clone())));
    changes
}

fn dump_policy(registry: &Registry) -> Vec<Change> {
    let durable = registry.durable();
    vec![
        Change::QuotasUpdated(Arc::new(durable.quotas.clone())),
        Change::PartitionsUpdated(Arc::new(durable.partitions.clone())),
        Change::WeightsUpdated(Arc::new(durable.weights.clone())),
        Change::MaintenanceUpdated(Arc::new(maintenance(registry))),
    ]
}

fn dump_agents(state: &State, changes: &mut Vec<Change>) {
    changes.push(Change::UnreachableRecovered(state.agents.unreachable_ids()));
    changes.push(Change::AgentsRecovered(state.recovery.recovered().cloned().collect()));
    for id in state.agents.ids() {
        changes.extend(state.agents.get(id.as_str()).map(|agent| Change::AgentAdded(agent.snapshot().clone())));
    }
}

fn dump_frameworks(frameworks: &Frameworks, offers: &Offers, tasks: &Tasks, changes: &mut Vec<Change>) {
    for framework in frameworks.iter() {
        changes.push(Change::FrameworkAdded(framework.snapshot().clone()));
        for (id, task) in tasks.unreachable_of(framework.id().as_str()) {
            changes.push(Change::TaskAdded(task.clone()));
            changes.push(Change::TaskRemoved {
                framework: framework.id().clone(),
                task: id.clone(),
                removal: TaskRemoval::Unreachable,
            });
        }
        let own = tasks.of_framework(framework.id().as_str());
        changes.extend(own.map(|(_, task)| Change::TaskAdded(task.snapshot().clone())));
        for agent in tasks.agents_of(framework.id().as_str()) {
            let usage = tasks.usage(agent.as_str(), framework.id().as_str());
            let executors = usage.into_iter().flat_map(|usage| usage.executors());
            changes.extend(executors.map(|(_, executor)| Change::ExecutorAdded(executor.snapshot.clone())));
        }
        let ids = offers.of_framework(framework.id().as_str());
        let own = ids.iter().filter_map(|offer| offers.get(offer.as_str()));
        changes.extend(own.map(|offer| Change::OfferAdded(offer.clone())));
    }
}

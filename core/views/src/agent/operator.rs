//! The reads of an agent's operator API (`GET_*`).

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::v1;
use messages::v1::agent::response::{
    GetAgent, GetContainers, GetExecutors, GetFrameworks, GetOperations, GetResourceProviders, GetState, GetTasks,
    Type, get_executors, get_frameworks,
};
use messages::v1::agent::{Call, Response, call};
use model::ContainerId;
use model::agent::Draining;

use super::Snapshot;
use super::containers::{self, Usage};
use super::entity::{Executor, Framework};
use super::task::Task;

pub(super) fn answer(snapshot: &Snapshot, call: &Call, usage: &BTreeMap<ContainerId, Usage>) -> Option<Response> {
    let mut response = Response::default();
    let kind = match call.r#type() {
        call::Type::GetState => {
            response.get_state = Some(Box::new(state(snapshot)));
            Type::GetState
        }
        call::Type::GetContainers => {
            // Mesos leaves the member out if there is no container.
            let containers = containers::protos(snapshot, usage);
            response.get_containers = (!containers.is_empty()).then(|| Box::new(GetContainers { containers }));
            Type::GetContainers
        }
        call::Type::GetFrameworks => {
            response.get_frameworks = Some(Box::new(frameworks(snapshot)));
            Type::GetFrameworks
        }
        call::Type::GetExecutors => {
            response.get_executors = Some(Box::new(executors(snapshot)));
            Type::GetExecutors
        }
        call::Type::GetTasks => {
            response.get_tasks = Some(Box::new(tasks(snapshot)));
            Type::GetTasks
        }
        call::Type::GetAgent => {
            response.get_agent = Some(Box::new(agent(snapshot)));
            Type::GetAgent
        }
        call::Type::GetOperations => {
            let operations = snapshot.visible_operations().map(|operation| (**operation).clone()).collect();
            response.get_operations = Some(Box::new(GetOperations { operations }));
            Type::GetOperations
        }
        // Tepui has no resource providers yet.
        call::Type::GetResourceProviders => {
            response.get_resource_providers = Some(Box::new(GetResourceProviders::default()));
            Type::GetResourceProviders
        }
        _ => return None,
    };
    response.r#type = Some(kind as i32);
    Some(response)
}

fn agent(snapshot: &Snapshot) -> GetAgent {
    let Some(agent) = snapshot.agent.as_deref() else { return GetAgent::default() };
    let draining = agent.draining.as_deref();
    GetAgent {
        agent_info: Some(Box::new(snapshot.visible_info(&agent.info).into_owned())),
        drain_config: draining.map(|draining| Box::new(draining.config)),
        estimated_drain_start_time: draining
            .map(|draining| v1::TimeInfo { nanoseconds: whole_seconds(draining) * 1_000_000_000 }),
    }
}

/// Returns the time of the drain in whole seconds, as Mesos does.
pub(super) fn whole_seconds(draining: &Draining) -> i64 {
    i64::try_from(draining.since.nanos() / 1_000_000_000).unwrap_or(i64::MAX)
}

fn state(snapshot: &Snapshot) -> GetState {
    GetState {
        get_tasks: Some(Box::new(tasks(snapshot))),
        get_executors: Some(Box::new(executors(snapshot))),
        get_frameworks: Some(Box::new(frameworks(snapshot))),
    }
}

fn frameworks(snapshot: &Snapshot) -> GetFrameworks {
    GetFrameworks {
        frameworks: snapshot.visible_frameworks().map(framework).collect(),
        completed_frameworks: snapshot.visible_completed().map(framework).collect(),
    }
}

pub(super) fn framework(framework: &Framework) -> get_frameworks::Framework {
    get_frameworks::Framework { framework_info: (*framework.snapshot.info).clone() }
}

fn executors(snapshot: &Snapshot) -> GetExecutors {
    GetExecutors {
        executors: live_executors(snapshot).map(executor).collect(),
        completed_executors: completed_executors(snapshot).map(executor).collect(),
    }
}

pub(super) fn executor(executor: &Executor) -> get_executors::Executor {
    get_executors::Executor { executor_info: (*executor.snapshot.info).clone() }
}

pub(super) fn live_executors(snapshot: &Snapshot) -> impl Iterator<Item = &Executor> {
    snapshot
        .visible_frameworks()
        .flat_map(|framework| snapshot.visible_executors(framework, framework.executors.iter()))
}

pub(super) fn completed_executors(snapshot: &Snapshot) -> impl Iterator<Item = &Executor> {
    let frameworks = snapshot.visible_frameworks().chain(snapshot.visible_completed());
    frameworks.flat_map(|framework| snapshot.visible_executors(framework, framework.completed.iter()))
}

/// Returns the tasks that `of` selects of each executor. Completed executors have tasks as well: those whose last
/// updates were not acknowledged.
pub(super) fn tasks_of<'a, I: Iterator<Item = &'a Arc<Task>> + 'a>(
    snapshot: &'a Snapshot,
    of: impl Fn(&'a Executor) -> I + Copy + 'a,
) -> impl Iterator<Item = &'a Arc<Task>> {
    let live = snapshot
        .visible_frameworks()
        .flat_map(move |framework| snapshot.visible_tasks(framework, framework.executors.iter().flat_map(of)));
    let completed = snapshot
        .visible_frameworks()
        .chain(snapshot.visible_completed())
        .flat_map(move |framework| snapshot.visible_tasks(framework, framework.completed.iter().flat_map(of)));
    live.chain(completed)
}

fn tasks(snapshot: &Snapshot) -> GetTasks {
    GetTasks {
        queued_tasks: protos(tasks_of(snapshot, Executor::queued)),
        launched_tasks: protos(tasks_of(snapshot, Executor::launched)),
        terminated_tasks: protos(tasks_of(snapshot, Executor::terminated)),
        completed_tasks: protos(tasks_of(snapshot, |executor| executor.completed.iter())),
        ..GetTasks::default()
    }
}

fn protos<'a>(tasks: impl Iterator<Item = &'a Arc<Task>>) -> Vec<v1::Task> {
    tasks.map(|task| (*task.task).clone()).collect()
}

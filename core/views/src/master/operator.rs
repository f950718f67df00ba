//! The reads of the operator API (`GET_*`).

use messages::v1;
use messages::v1::master::response::{
    GetAgents, GetExecutors, GetFrameworks, GetMaintenanceSchedule, GetMaintenanceStatus, GetMaster, GetOperations,
    GetQuota, GetRoles, GetState, GetTasks, Type, get_agents, get_executors, get_frameworks,
};
use messages::v1::master::{Call, Response, call};
use model::Timestamp;
use model::master::{AgentSnapshot, FrameworkSnapshot, OfferFormat};

use super::entity::{Agent, Executor, Framework};
use super::task::Task;
use super::{Snapshot, policy, roles};

pub(super) fn answer(snapshot: &Snapshot, call: &Call) -> Option<Response> {
    let mut response = Response::default();
    let kind = match call.r#type() {
        call::Type::GetState => {
            response.get_state = Some(Box::new(state(snapshot)));
            Type::GetState
        }
        call::Type::GetAgents => {
            response.get_agents = Some(Box::new(agents(snapshot)));
            Type::GetAgents
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
        call::Type::GetRoles => {
            response.get_roles = Some(Box::new(GetRoles { roles: roles::protos(snapshot) }));
            Type::GetRoles
        }
        call::Type::GetMaster => {
            response.get_master = Some(Box::new(this_master(snapshot)));
            Type::GetMaster
        }
        call::Type::GetOperations => {
            response.get_operations = Some(Box::new(GetOperations {
                operations: snapshot.visible_operations().map(|operation| (**operation).clone()).collect(),
            }));
            Type::GetOperations
        }
        // Mesos leaves the member out if no weight was ever set.
        call::Type::GetWeights => {
            response.get_weights = policy::weights(snapshot).map(Box::new);
            Type::GetWeights
        }
        call::Type::GetQuota => {
            response.get_quota = Some(Box::new(GetQuota { status: policy::quota(snapshot) }));
            Type::GetQuota
        }
        call::Type::GetMaintenanceStatus => {
            response.get_maintenance_status = Some(Box::new(GetMaintenanceStatus { status: policy::status(snapshot) }));
            Type::GetMaintenanceStatus
        }
        call::Type::GetMaintenanceSchedule => {
            response.get_maintenance_schedule =
                Some(Box::new(GetMaintenanceSchedule { schedule: snapshot.policy.maintenance.schedule.clone() }));
            Type::GetMaintenanceSchedule
        }
        _ => return None,
    };
    response.r#type = Some(kind as i32);
    Some(response)
}

pub(super) fn state(snapshot: &Snapshot) -> GetState {
    GetState {
        get_tasks: Some(Box::new(tasks(snapshot))),
        get_executors: Some(Box::new(executors(snapshot))),
        get_frameworks: Some(Box::new(frameworks(snapshot))),
        get_agents: Some(Box::new(agents(snapshot))),
    }
}

fn agents(snapshot: &Snapshot) -> GetAgents {
    let recovered_agents = snapshot.visible_recovered().map(|info| (**info).clone()).collect();
    GetAgents { agents: snapshot.visible_agents().map(|one| agent(&one)).collect(), recovered_agents }
}

pub(super) fn agent(agent: &Agent) -> get_agents::Agent {
    get_agents::Agent {
        allocated_resources: agent.total_used().to_proto_endpoint(),
        offered_resources: agent.offered.to_proto_endpoint(),
        ..described_agent(&agent.snapshot)
    }
}

/// Returns an agent without its allocated and offered resources.
pub(super) fn described_agent(snapshot: &AgentSnapshot) -> get_agents::Agent {
    get_agents::Agent {
        agent_info: (*snapshot.info).clone(),
        active: snapshot.active,
        version: snapshot.version.clone(),
        pid: Some(snapshot.pid.to_string()),
        registered_time: Some(time(snapshot.registered)),
        reregistered_time: snapshot.reregistered.map(time),
        total_resources: snapshot.total.to_proto_endpoint(),
        allocated_resources: Vec::new(),
        offered_resources: Vec::new(),
        capabilities: snapshot
            .capabilities
            .iter()
            .map(|kind| v1::agent_info::Capability { r#type: Some(*kind) })
            .collect(),
        resource_providers: Vec::new(),
        deactivated: Some(snapshot.deactivated),
        drain_info: snapshot.drain.map(Box::new),
        estimated_drain_start_time: snapshot.drain_started.map(time),
    }
}

fn frameworks(snapshot: &Snapshot) -> GetFrameworks {
    GetFrameworks {
        frameworks: snapshot.visible_frameworks().map(framework).collect(),
        completed_frameworks: snapshot.visible_completed().map(framework).collect(),
        ..GetFrameworks::default()
    }
}

/// Returns a framework with the resources that it uses and is offered.
pub(super) fn framework(framework: &Framework) -> get_frameworks::Framework {
    let offers = framework.offers.iter().map(|shown| shown.offer.to_proto(OfferFormat::FULL));
    get_frameworks::Framework { offers: offers.collect(), ..framework_without_offers(framework) }
}

pub(super) fn framework_without_offers(framework: &Framework) -> get_frameworks::Framework {
    get_frameworks::Framework {
        unregistered_time: framework.snapshot.unregistered.map(time),
        allocated_resources: framework.used.to_proto_endpoint(),
        offered_resources: framework.offered.to_proto_endpoint(),
        offer_constraints: Some(
            framework.snapshot.offer_constraints.as_deref().cloned().map(Box::new).unwrap_or_default(),
        ),
        ..announced(&framework.snapshot)
    }
}

/// Returns a framework as events describe it, without tasks and offers.
pub(super) fn announced(snapshot: &FrameworkSnapshot) -> get_frameworks::Framework {
    get_frameworks::Framework {
        framework_info: (*snapshot.info).clone(),
        active: snapshot.active,
        connected: snapshot.connected,
        recovered: snapshot.recovered,
        registered_time: Some(time(snapshot.registered)),
        reregistered_time: Some(time(snapshot.reregistered.unwrap_or(snapshot.registered))),
        // Mesos prints the Unix epoch for "not yet".
        unregistered_time: Some(snapshot.unregistered.map_or(v1::TimeInfo { nanoseconds: 0 }, time)),
        ..get_frameworks::Framework::default()
    }
}

fn executors(snapshot: &Snapshot) -> GetExecutors {
    let all = snapshot.visible_frameworks().flat_map(|framework| snapshot.visible_executors(framework));
    GetExecutors { executors: all.map(|one| executor(one)).collect(), ..GetExecutors::default() }
}

pub(super) fn executor(executor: &Executor) -> get_executors::Executor {
    get_executors::Executor {
        executor_info: (*executor.snapshot.info).clone(),
        agent_id: executor.snapshot.agent.to_proto(),
    }
}

fn tasks(snapshot: &Snapshot) -> GetTasks {
    let everywhere = || snapshot.visible_frameworks().chain(snapshot.visible_completed());
    GetTasks {
        tasks: protos(everywhere().flat_map(|framework| snapshot.visible_tasks(framework, framework.tasks.iter()))),
        completed_tasks: protos(
            everywhere().flat_map(|framework| snapshot.visible_tasks(framework, framework.completed.iter())),
        ),
        unreachable_tasks: protos(
            everywhere().flat_map(|framework| snapshot.visible_tasks(framework, framework.unreachable.iter())),
        ),
        ..GetTasks::default()
    }
}

fn protos<'a>(tasks: impl Iterator<Item = &'a std::sync::Arc<Task>>) -> Vec<v1::Task> {
    tasks.map(|task| task.snapshot.message()).collect()
}

fn this_master(snapshot: &Snapshot) -> GetMaster {
    let static_info = &snapshot.static_info;
    GetMaster {
        master_info: Some(Box::new(static_info.info.clone())),
        start_time: Some(static_info.started.secs_f64()),
        elected_time: static_info.elected.map(Timestamp::secs_f64),
    }
}

fn time(at: Timestamp) -> v1::TimeInfo {
    v1::TimeInfo { nanoseconds: i64::try_from(at.nanos()).unwrap_or(i64::MAX) }
}

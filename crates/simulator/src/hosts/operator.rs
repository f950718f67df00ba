//! The operator: calls at the leading master, and what is to be remembered of its answers.

use messages::v1;
use messages::v1::master::{Call, call};
use v1::maintenance;
use v1::quota::QuotaConfig;
use vocabulary::{AgentId, FrameworkId};

use crate::faults::Wish;
use crate::node::Node;

/// The call for a wish; nothing while there is nobody whom it is about.
pub fn call(
    wish: Wish,
    agent: impl Fn(usize) -> Option<AgentId>,
    framework: impl Fn(usize) -> Option<FrameworkId>,
) -> Option<Call> {
    let agent = |index: usize| Some(agent(index)?.to_proto());
    let role = |index: usize| format!("role-{index}");
    Some(match wish {
        Wish::Drain { agent: index, mark_gone } => {
            let drain = call::DrainAgent { agent_id: agent(index)?, mark_gone: Some(mark_gone), ..Default::default() };
            Call { drain_agent: Some(Box::new(drain)), ..of(call::Type::DrainAgent) }
        }
        Wish::Deactivate { agent: index } => {
            let deactivate = call::DeactivateAgent { agent_id: agent(index)? };
            Call { deactivate_agent: Some(Box::new(deactivate)), ..of(call::Type::DeactivateAgent) }
        }
        Wish::Reactivate { agent: index } => {
            let reactivate = call::ReactivateAgent { agent_id: agent(index)? };
            Call { reactivate_agent: Some(Box::new(reactivate)), ..of(call::Type::ReactivateAgent) }
        }
        Wish::MarkGone { agent: index } => {
            let gone = call::MarkAgentGone { agent_id: agent(index)? };
            Call { mark_agent_gone: Some(Box::new(gone)), ..of(call::Type::MarkAgentGone) }
        }
        Wish::Limit { role: index, cpus } => {
            let cpus = cpus.map(|cpus| ("cpus".to_owned(), v1::value::Scalar { value: f64::from(cpus) }));
            let config = QuotaConfig { role: role(index), limits: cpus.into_iter().collect(), ..Default::default() };
            let update = call::UpdateQuota { force: Some(true), quota_configs: vec![config] };
            Call { update_quota: Some(Box::new(update)), ..of(call::Type::UpdateQuota) }
        }
        Wish::Weight { role: index, weight } => {
            let info = v1::WeightInfo { role: Some(role(index)), weight: f64::from(weight) };
            let update = call::UpdateWeights { weight_infos: vec![info] };
            Call { update_weights: Some(Box::new(update)), ..of(call::Type::UpdateWeights) }
        }
        Wish::Maintenance { agent: index } => {
            let machine = v1::MachineId {
                hostname: Some(format!("agent-{index}")),
                ip: Some(Node::Agent(index).address().ip().to_string()),
            };
            let unavailability =
                v1::Unavailability { start: v1::TimeInfo { nanoseconds: i64::MAX / 2 }, duration: None };
            let window = maintenance::Window { machine_ids: vec![machine], unavailability };
            let update = call::UpdateMaintenanceSchedule { schedule: maintenance::Schedule { windows: vec![window] } };
            Call { update_maintenance_schedule: Some(Box::new(update)), ..of(call::Type::UpdateMaintenanceSchedule) }
        }
        Wish::TearDown { scheduler } => {
            let teardown = call::Teardown { framework_id: framework(scheduler)?.to_proto() };
            Call { teardown: Some(Box::new(teardown)), ..of(call::Type::Teardown) }
        }
    })
}

fn of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}

//! Builders of operator calls about agents.

use messages::v1;
use v1::master::{Call, call};

fn agent_id(id: &str) -> v1::AgentId {
    v1::AgentId { value: id.to_owned() }
}

fn call_of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}

pub fn mark_agent_gone(id: &str) -> Call {
    Call {
        mark_agent_gone: Some(Box::new(call::MarkAgentGone { agent_id: agent_id(id) })),
        ..call_of(call::Type::MarkAgentGone)
    }
}

pub fn teardown_framework(id: &str) -> Call {
    let framework_id = v1::FrameworkId { value: id.to_owned() };
    Call { teardown: Some(Box::new(call::Teardown { framework_id })), ..call_of(call::Type::Teardown) }
}

pub fn drain_agent(id: &str, mark_gone: bool) -> Call {
    let drain = call::DrainAgent { agent_id: agent_id(id), max_grace_period: None, mark_gone: Some(mark_gone) };
    Call { drain_agent: Some(Box::new(drain)), ..call_of(call::Type::DrainAgent) }
}

pub fn deactivate_agent(id: &str) -> Call {
    Call {
        deactivate_agent: Some(Box::new(call::DeactivateAgent { agent_id: agent_id(id) })),
        ..call_of(call::Type::DeactivateAgent)
    }
}

pub fn reactivate_agent(id: &str) -> Call {
    Call {
        reactivate_agent: Some(Box::new(call::ReactivateAgent { agent_id: agent_id(id) })),
        ..call_of(call::Type::ReactivateAgent)
    }
}

//! Volumes, and the reports of agents about operations on resources.

use messages::{internal, v1};
use testkit::builders::{agent_id, persistent_volume, uuid};

use super::AgentPeer;

pub fn volume(role: &str, megabytes: u32, id: &str) -> v1::Resource {
    persistent_volume(role, megabytes, id, "path")
}

fn status_of(
    agent: &AgentPeer,
    applied: &internal::ApplyOperationMessage,
    state: v1::OperationState,
    number: Option<u8>,
) -> v1::OperationStatus {
    v1::OperationStatus {
        operation_id: applied.operation_info.id.clone(),
        state: state as i32,
        uuid: number.map(|number| v1::Uuid { value: uuid(number) }),
        agent_id: Some(agent_id(&agent.id)),
        ..Default::default()
    }
}

pub fn operation_update(
    agent: &AgentPeer,
    applied: &internal::ApplyOperationMessage,
    state: v1::OperationState,
    number: Option<u8>,
) -> internal::UpdateOperationStatusMessage {
    internal::UpdateOperationStatusMessage {
        framework_id: applied.framework_id.clone(),
        slave_id: Some(agent_id(&agent.id)),
        status: status_of(agent, applied, state, number),
        latest_status: None,
        operation_uuid: Some(applied.operation_uuid.clone()),
    }
}

pub fn known_operation(
    agent: &AgentPeer,
    applied: &internal::ApplyOperationMessage,
    state: v1::OperationState,
    number: Option<u8>,
) -> v1::Operation {
    let status = status_of(agent, applied, state, number);
    v1::Operation {
        framework_id: applied.framework_id.clone(),
        agent_id: Some(agent_id(&agent.id)),
        info: applied.operation_info.clone(),
        latest_status: status.clone(),
        statuses: vec![status],
        uuid: applied.operation_uuid.clone(),
    }
}

pub fn report(agent: &AgentPeer, operations: Vec<v1::Operation>) -> internal::UpdateSlaveMessage {
    internal::UpdateSlaveMessage {
        slave_id: agent_id(&agent.id),
        update_oversubscribed_resources: Some(false),
        operations: Some(Box::new(internal::update_slave_message::Operations { operations })),
        ..Default::default()
    }
}

//! Builders of operations on resources.

use messages::{internal, v1};
use v1::master::Call as OperatorCall;
use v1::master::call::{self as operator, Type as OperatorType};
use v1::offer::{Operation, operation};
use v1::resource::ReservationInfo;
use v1::scheduler::{Call, call};

use super::AgentPeer;
use super::calls::uuid;

/// Returns resources that are dynamically reserved for a role.
pub fn reserved(role: &str, text: &str) -> Vec<v1::Resource> {
    let mut resources = super::resources(text);
    for resource in &mut resources {
        resource.reservations.push(ReservationInfo {
            r#type: Some(2),
            role: Some(role.to_owned()),
            ..Default::default()
        });
    }
    resources
}

pub fn volume(role: &str, megabytes: u32, id: &str) -> v1::Resource {
    let mut disk = reserved(role, &format!("disk:{megabytes}")).remove(0);
    disk.disk = Some(Box::new(v1::resource::DiskInfo {
        persistence: Some(v1::resource::disk_info::Persistence { id: id.to_owned(), principal: None }),
        volume: Some(Box::new(v1::Volume {
            container_path: "path".to_owned(),
            mode: v1::volume::Mode::Rw as i32,
            ..Default::default()
        })),
        ..Default::default()
    }));
    disk
}

pub fn shared_volume(role: &str, megabytes: u32, id: &str) -> v1::Resource {
    v1::Resource { shared: Some(v1::resource::SharedInfo {}), ..volume(role, megabytes, id) }
}

fn of(kind: operation::Type, id: Option<&str>) -> Operation {
    let id = id.map(|id| v1::OperationId { value: id.to_owned() });
    Operation { r#type: Some(kind as i32), id, ..Default::default() }
}

pub fn reserve_for(role: &str, text: &str, id: Option<&str>) -> Operation {
    let reserve = operation::Reserve { resources: reserved(role, text), source: Vec::new() };
    Operation { reserve: Some(Box::new(reserve)), ..of(operation::Type::Reserve, id) }
}

pub fn exchange(from: &str, to: &str, text: &str, id: Option<&str>) -> Operation {
    let reserve = operation::Reserve { resources: reserved(to, text), source: reserved(from, text) };
    Operation { reserve: Some(Box::new(reserve)), ..of(operation::Type::Reserve, id) }
}

pub fn unreserve_of(role: &str, text: &str) -> Operation {
    let unreserve = operation::Unreserve { resources: reserved(role, text) };
    Operation { unreserve: Some(Box::new(unreserve)), ..of(operation::Type::Unreserve, None) }
}

pub fn create(volumes: Vec<v1::Resource>) -> Operation {
    Operation { create: Some(Box::new(operation::Create { volumes })), ..of(operation::Type::Create, None) }
}

pub fn destroy_named(volumes: Vec<v1::Resource>, id: &str) -> Operation {
    Operation { destroy: Some(Box::new(operation::Destroy { volumes })), ..of(operation::Type::Destroy, Some(id)) }
}

pub fn grow(volume: v1::Resource, addition: v1::Resource, id: Option<&str>) -> Operation {
    let grow = operation::GrowVolume { volume, addition };
    Operation { grow_volume: Some(Box::new(grow)), ..of(operation::Type::GrowVolume, id) }
}

pub fn shrink(volume: v1::Resource, megabytes: f64, id: Option<&str>) -> Operation {
    let shrink = operation::ShrinkVolume { volume, subtract: v1::value::Scalar { value: megabytes } };
    Operation { shrink_volume: Some(Box::new(shrink)), ..of(operation::Type::ShrinkVolume, id) }
}

pub fn create_disk(source: v1::Resource, id: &str) -> Operation {
    let create = operation::CreateDisk {
        source,
        target_type: v1::resource::disk_info::source::Type::Mount as i32,
        target_profile: None,
    };
    Operation { create_disk: Some(Box::new(create)), ..of(operation::Type::CreateDisk, Some(id)) }
}

// ---- calls of frameworks

/// Asks for operations by id, with or without their agent; an empty list asks for all.
pub fn reconcile_operations(operations: &[(&str, Option<&str>)]) -> Call {
    let operation = |(id, agent): &(&str, Option<&str>)| call::reconcile_operations::Operation {
        operation_id: v1::OperationId { value: (*id).to_owned() },
        agent_id: agent.map(|id| v1::AgentId { value: id.to_owned() }),
        resource_provider_id: None,
    };
    let operations = operations.iter().map(operation).collect();
    Call {
        r#type: Some(call::Type::ReconcileOperations as i32),
        reconcile_operations: Some(Box::new(call::ReconcileOperations { operations })),
        ..Default::default()
    }
}

pub fn acknowledge_operation(agent: &str, operation: &str, number: u8) -> Call {
    Call {
        r#type: Some(call::Type::AcknowledgeOperationStatus as i32),
        acknowledge_operation_status: Some(Box::new(call::AcknowledgeOperationStatus {
            agent_id: Some(v1::AgentId { value: agent.to_owned() }),
            resource_provider_id: None,
            uuid: uuid(number),
            operation_id: v1::OperationId { value: operation.to_owned() },
        })),
        ..Default::default()
    }
}

// ---- messages of agents

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
        agent_id: Some(v1::AgentId { value: agent.id.clone() }),
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
        slave_id: Some(v1::AgentId { value: agent.id.clone() }),
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
        agent_id: Some(v1::AgentId { value: agent.id.clone() }),
        info: applied.operation_info.clone(),
        latest_status: status.clone(),
        statuses: vec![status],
        uuid: applied.operation_uuid.clone(),
    }
}

pub fn report(agent: &AgentPeer, operations: Vec<v1::Operation>) -> internal::UpdateSlaveMessage {
    internal::UpdateSlaveMessage {
        slave_id: v1::AgentId { value: agent.id.clone() },
        update_oversubscribed_resources: Some(false),
        operations: Some(Box::new(internal::update_slave_message::Operations { operations })),
        ..Default::default()
    }
}

// ---- calls of operators

fn operators(kind: OperatorType) -> OperatorCall {
    OperatorCall { r#type: Some(kind as i32), ..Default::default() }
}

fn agent_id(agent: &str) -> v1::AgentId {
    v1::AgentId { value: agent.to_owned() }
}

pub fn reserve_call(agent: &str, role: &str, text: &str) -> OperatorCall {
    let reserve =
        operator::ReserveResources { agent_id: agent_id(agent), source: Vec::new(), resources: reserved(role, text) };
    OperatorCall { reserve_resources: Some(Box::new(reserve)), ..operators(OperatorType::ReserveResources) }
}

pub fn exchange_call(agent: &str, from: &str, to: &str, text: &str) -> OperatorCall {
    let mut call = reserve_call(agent, to, text);
    if let Some(reserve) = &mut call.reserve_resources {
        reserve.source = reserved(from, text);
    }
    call
}

pub fn unreserve_call(agent: &str, role: &str, text: &str) -> OperatorCall {
    let unreserve = operator::UnreserveResources { agent_id: agent_id(agent), resources: reserved(role, text) };
    OperatorCall { unreserve_resources: Some(Box::new(unreserve)), ..operators(OperatorType::UnreserveResources) }
}

pub fn create_call(agent: &str, volumes: Vec<v1::Resource>) -> OperatorCall {
    let create = operator::CreateVolumes { agent_id: agent_id(agent), volumes };
    OperatorCall { create_volumes: Some(Box::new(create)), ..operators(OperatorType::CreateVolumes) }
}

pub fn destroy_call(agent: &str, volumes: Vec<v1::Resource>) -> OperatorCall {
    let destroy = operator::DestroyVolumes { agent_id: agent_id(agent), volumes };
    OperatorCall { destroy_volumes: Some(Box::new(destroy)), ..operators(OperatorType::DestroyVolumes) }
}

pub fn grow_call(agent: &str, volume: v1::Resource, role: &str, megabytes: u32) -> OperatorCall {
    let addition = reserved(role, &format!("disk:{megabytes}")).remove(0);
    let grow = operator::GrowVolume { agent_id: Some(agent_id(agent)), volume, addition };
    OperatorCall { grow_volume: Some(Box::new(grow)), ..operators(OperatorType::GrowVolume) }
}

pub fn shrink_call(agent: &str, volume: v1::Resource, megabytes: f64) -> OperatorCall {
    let subtract = v1::value::Scalar { value: megabytes };
    let shrink = operator::ShrinkVolume { agent_id: Some(agent_id(agent)), volume, subtract };
    OperatorCall { shrink_volume: Some(Box::new(shrink)), ..operators(OperatorType::ShrinkVolume) }
}

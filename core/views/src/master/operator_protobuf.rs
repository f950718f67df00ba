//! The larger reads of the operator API as protobuf, from the encoded parts of entities.

use messages::v1;
use messages::v1::master::response::Type;
use messages::v1::master::{Call, call, event};
use model::master::OfferFormat;
use wire::MessageParts;

use super::entity::{Agent, Framework};
use super::{Snapshot, events, operator};

/// The numbers of fields in `mesos.v1.master.proto`; tests decode what is made of them.
mod field {
    pub const TYPE: u32 = 1;

    pub const RESPONSE_GET_STATE: u32 = 9;
    pub const RESPONSE_GET_AGENTS: u32 = 10;
    pub const RESPONSE_GET_FRAMEWORKS: u32 = 11;
    pub const RESPONSE_GET_EXECUTORS: u32 = 12;
    pub const RESPONSE_GET_TASKS: u32 = 13;

    pub const EVENT_SUBSCRIBED: u32 = 2;
    pub const SUBSCRIBED_GET_STATE: u32 = 1;
    pub const SUBSCRIBED_HEARTBEAT_INTERVAL_SECONDS: u32 = 2;

    pub const STATE_GET_TASKS: u32 = 1;
    pub const STATE_GET_EXECUTORS: u32 = 2;
    pub const STATE_GET_FRAMEWORKS: u32 = 3;
    pub const STATE_GET_AGENTS: u32 = 4;

    pub const AGENTS_AGENTS: u32 = 1;
    pub const AGENTS_RECOVERED_AGENTS: u32 = 2;
    pub const AGENT_ALLOCATED_RESOURCES: u32 = 8;
    pub const AGENT_OFFERED_RESOURCES: u32 = 9;

    pub const FRAMEWORKS_FRAMEWORKS: u32 = 1;
    pub const FRAMEWORKS_COMPLETED_FRAMEWORKS: u32 = 2;
    pub const FRAMEWORK_OFFERS: u32 = 7;

    pub const EXECUTORS_EXECUTORS: u32 = 1;

    pub const TASKS_TASKS: u32 = 2;
    pub const TASKS_COMPLETED_TASKS: u32 = 3;
    pub const TASKS_UNREACHABLE_TASKS: u32 = 5;
}

/// Returns the response to a call. The encoded parts hide nothing, so the response to a reader who may not see everything
/// is encoded anew.
pub(super) fn answer(snapshot: &Snapshot, call: &Call) -> Option<Vec<u8>> {
    if !snapshot.visibility.is_everything() {
        return Some(wire::encode(&operator::answer(snapshot, call)?));
    }
    let (kind, field, value) = match call.r#type() {
        call::Type::GetState => (Type::GetState, field::RESPONSE_GET_STATE, state(snapshot)),
        call::Type::GetAgents => (Type::GetAgents, field::RESPONSE_GET_AGENTS, agents(snapshot)),
        call::Type::GetFrameworks => (Type::GetFrameworks, field::RESPONSE_GET_FRAMEWORKS, frameworks(snapshot)),
        call::Type::GetExecutors => (Type::GetExecutors, field::RESPONSE_GET_EXECUTORS, executors(snapshot)),
        call::Type::GetTasks => (Type::GetTasks, field::RESPONSE_GET_TASKS, tasks(snapshot)),
        _ => return Some(wire::encode(&operator::answer(snapshot, call)?)),
    };
    let mut response = MessageParts::new();
    response.varint(field::TYPE, kind as u64);
    response.message(field, value);
    Some(response.encode())
}

/// Returns the first event of an operator's stream.
pub(super) fn subscribed(snapshot: &Snapshot) -> Vec<u8> {
    if !snapshot.visibility.is_everything() {
        return wire::encode(&events::subscribed(snapshot));
    }
    let mut subscribed = MessageParts::new();
    subscribed.message(field::SUBSCRIBED_GET_STATE, state(snapshot));
    let interval = snapshot.static_info.heartbeat_interval.as_secs_f64();
    subscribed.double(field::SUBSCRIBED_HEARTBEAT_INTERVAL_SECONDS, interval);
    let mut event = MessageParts::new();
    event.varint(field::TYPE, event::Type::Subscribed as u64);
    event.message(field::EVENT_SUBSCRIBED, subscribed);
    event.encode()
}

fn state(snapshot: &Snapshot) -> MessageParts<'_> {
    let mut state = MessageParts::new();
    state.message(field::STATE_GET_TASKS, tasks(snapshot));
    state.message(field::STATE_GET_EXECUTORS, executors(snapshot));
    state.message(field::STATE_GET_FRAMEWORKS, frameworks(snapshot));
    state.message(field::STATE_GET_AGENTS, agents(snapshot));
    state
}

fn agents(snapshot: &Snapshot) -> MessageParts<'_> {
    let mut agents = MessageParts::new();
    snapshot.agents.iter().for_each(|one| agents.message(field::AGENTS_AGENTS, agent(one)));
    snapshot.recovered.iter().for_each(|info| agents.bytes(field::AGENTS_RECOVERED_AGENTS, wire::encode(&**info)));
    agents
}

fn agent(agent: &Agent) -> MessageParts<'_> {
    let mut parts = MessageParts::new();
    parts.fields(agent.description.protobuf.get(|| wire::encode(&operator::described_agent(&agent.snapshot))));
    parts.fields(agent.usage.protobuf.get(|| {
        let mut usage = MessageParts::new();
        add_resources(&mut usage, field::AGENT_ALLOCATED_RESOURCES, agent.total_used().to_proto_endpoint());
        add_resources(&mut usage, field::AGENT_OFFERED_RESOURCES, agent.offered.to_proto_endpoint());
        usage.encode()
    }));
    parts
}

fn add_resources(parts: &mut MessageParts<'_>, field: u32, resources: Vec<v1::Resource>) {
    resources.iter().for_each(|resource| parts.bytes(field, wire::encode(resource)));
}

fn frameworks(snapshot: &Snapshot) -> MessageParts<'_> {
    let mut frameworks = MessageParts::new();
    for one in snapshot.visible_frameworks() {
        frameworks.message(field::FRAMEWORKS_FRAMEWORKS, framework(one));
    }
    for one in snapshot.visible_completed() {
        frameworks.message(field::FRAMEWORKS_COMPLETED_FRAMEWORKS, framework(one));
    }
    frameworks
}

fn framework(framework: &Framework) -> MessageParts<'_> {
    let mut parts = MessageParts::new();
    parts.fields(wire::encode(&operator::framework_without_offers(framework)));
    for shown in framework.offers.iter() {
        let encoded = shown.protobuf.get(|| wire::encode(&shown.offer.to_proto(OfferFormat::FULL)));
        parts.bytes(field::FRAMEWORK_OFFERS, encoded);
    }
    parts
}

fn executors(snapshot: &Snapshot) -> MessageParts<'_> {
    let mut executors = MessageParts::new();
    for one in snapshot.visible_frameworks().flat_map(|framework| framework.executors.iter()) {
        let encoded = one.protobuf.get(|| wire::encode(&operator::executor(one)));
        executors.bytes(field::EXECUTORS_EXECUTORS, encoded);
    }
    executors
}

fn tasks(snapshot: &Snapshot) -> MessageParts<'_> {
    let mut tasks = MessageParts::new();
    for framework in snapshot.visible_frameworks().chain(snapshot.visible_completed()) {
        framework.tasks.iter().for_each(|task| tasks.bytes(field::TASKS_TASKS, task.snapshot.encoded()));
        framework.completed.iter().for_each(|task| tasks.bytes(field::TASKS_COMPLETED_TASKS, task.snapshot.encoded()));
        framework
            .unreachable
            .iter()
            .for_each(|task| tasks.bytes(field::TASKS_UNREACHABLE_TASKS, task.snapshot.encoded()));
    }
    tasks
}

//! The libprocess messages that agents send to a master.

use ids::Upid;
use machine::PeerMessage;
use messages::{Message, internal, v1};

use super::{agent_id, executor_id, framework_id};

/// Returns a message as a machine receives it, from a peer that nobody has authenticated.
pub fn peer_message(from: Upid, to: &str, message: impl Into<Message>) -> PeerMessage {
    PeerMessage { from, caller: model::Caller::default(), to: to.to_owned(), message: message.into() }
}

/// Returns an agent at port 5051 that has no id yet.
pub fn agent(hostname: &str, resources: Vec<v1::Resource>) -> v1::AgentInfo {
    v1::AgentInfo { hostname: hostname.to_owned(), resources, port: Some(5051), ..Default::default() }
}

/// Returns all capabilities that an agent of Mesos 1.11 has.
pub fn all_agent_capabilities() -> Vec<v1::agent_info::Capability> {
    (1..=8).map(|number| v1::agent_info::Capability { r#type: Some(number) }).collect()
}

/// Returns the registration of an agent of Mesos 1.11.
pub fn register_agent(slave: v1::AgentInfo) -> internal::RegisterSlaveMessage {
    internal::RegisterSlaveMessage {
        slave,
        version: Some("1.11.0".to_owned()),
        agent_capabilities: all_agent_capabilities(),
        resource_version_uuid: Some(v1::Uuid { value: vec![9; 16] }),
        ..Default::default()
    }
}

/// Returns the re-registration of an agent on which nothing runs.
pub fn reregister_agent(id: &str, mut slave: v1::AgentInfo) -> internal::ReregisterSlaveMessage {
    slave.id = Some(agent_id(id));
    let registered = register_agent(slave);
    internal::ReregisterSlaveMessage {
        slave: registered.slave,
        version: registered.version,
        agent_capabilities: registered.agent_capabilities,
        resource_version_uuid: registered.resource_version_uuid,
        ..Default::default()
    }
}

/// Returns a status update in its envelope. `executor` is `None` for drivers that leave it to the agent; the
/// acknowledgement goes to `pid`.
pub fn status_update(
    framework: &str,
    agent: &str,
    executor: Option<&str>,
    status: v1::TaskStatus,
    pid: &str,
) -> internal::StatusUpdateMessage {
    internal::StatusUpdateMessage {
        update: internal::StatusUpdate {
            framework_id: framework_id(framework),
            slave_id: Some(agent_id(agent)),
            executor_id: executor.map(executor_id),
            timestamp: 1000.5,
            uuid: status.uuid.clone(),
            status,
            latest_state: None,
        },
        pid: Some(pid.to_owned()),
    }
}

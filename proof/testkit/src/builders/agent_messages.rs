//! What agents tell a master, over libprocess.

use ids::Upid;
use machine::PeerMessage;
use messages::{Message, internal, v1};

use super::{agent_id, executor_id, framework_id};

/// A message as a machine receives it, from a peer that nobody has authenticated.
pub fn peer_message(from: Upid, to: &str, message: impl Into<Message>) -> PeerMessage {
    PeerMessage { from, caller: model::Caller::default(), to: to.to_owned(), message: message.into() }
}

/// An agent at port 5051 that has no id yet.
pub fn agent(hostname: &str, resources: Vec<v1::Resource>) -> v1::AgentInfo {
    v1::AgentInfo { hostname: hostname.to_owned(), resources, port: Some(5051), ..Default::default() }
}

/// All that an agent of Mesos 1.11 can do.
pub fn all_agent_capabilities() -> Vec<v1::agent_info::Capability> {
    (1..=8).map(|number| v1::agent_info::Capability { r#type: Some(number) }).collect()
}

/// The registration of an agent of Mesos 1.11.
pub fn register_agent(slave: v1::AgentInfo) -> internal::RegisterSlaveMessage {
    internal::RegisterSlaveMessage {
        slave,
        version: Some("1.11.0".to_owned()),
        agent_capabilities: all_agent_capabilities(),
        resource_version_uuid: Some(v1::Uuid { value: vec![9; 16] }),
        ..Default::default()
    }
}

/// What an agent says when it returns with nothing running.
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

/// A status update in its envelope. `executor` is `None` for drivers that leave it to the agent; `pid` is acknowledged to.
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

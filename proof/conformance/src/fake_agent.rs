//! An agent that the suite simulates with libprocess messages.

use messages::internal::{
    ApplyOperationMessage, RegisterSlaveMessage, ReregisterSlaveMessage, RunTaskMessage, SlaveRegisteredMessage,
    StatusUpdate, StatusUpdateMessage, UnregisterSlaveMessage, UpdateOperationStatusMessage,
};
use messages::v1::agent_info::{Capability, capability};
use messages::v1::{
    AgentId, AgentInfo, ExecutorId, FrameworkId, OperationState, OperationStatus, Resource, TaskId, TaskState,
    TaskStatus, Uuid, task_status, value,
};

use crate::case_error::Checked;
use crate::peer::{Peer, Pings};
use crate::world::{SOON, World};

pub struct FakeAgent {
    pub peer: Peer,
    pub info: AgentInfo,
    registered: bool,
}

impl FakeAgent {
    /// Registers with 4 cpus, 4 GB of memory and some ports.
    pub fn register(world: &World) -> Checked<Self> {
        Self::register_with(world, Pings::Answered)
    }

    pub fn register_with(world: &World, pings: Pings) -> Checked<Self> {
        let mut agent = Self::unregistered(world, pings)?;
        agent.peer.send("mesos.internal.RegisterSlaveMessage", &agent.registration())?;
        let (_, answer) = agent.peer.expect::<SlaveRegisteredMessage>("mesos.internal.SlaveRegisteredMessage", SOON)?;
        agent.info.id = Some(answer.slave_id);
        agent.registered = true;
        Ok(agent)
    }

    pub fn unregistered(world: &World, pings: Pings) -> Checked<Self> {
        let peer = Peer::new("slave(1)", world.master_pid()?, pings)?;
        let info = AgentInfo {
            hostname: world.fresh("host"),
            port: Some(i32::from(peer.pid.address.port())),
            resources: vec![scalar("cpus", 4.0), scalar("mem", 4096.0), scalar("disk", 4096.0), ports(31000, 31009)],
            ..Default::default()
        };
        Ok(FakeAgent { peer, info, registered: false })
    }

    pub fn id(&self) -> &str {
        self.info.id.as_ref().map_or("", |id| &id.value)
    }

    pub fn agent_id(&self) -> AgentId {
        AgentId { value: self.id().to_owned() }
    }

    pub fn registration(&self) -> RegisterSlaveMessage {
        RegisterSlaveMessage {
            slave: self.info.clone(),
            version: Some("1.11.0".into()),
            agent_capabilities: capabilities(),
            resource_version_uuid: Some(random_uuid()),
            ..Default::default()
        }
    }

    pub fn reregistration(&self) -> ReregisterSlaveMessage {
        ReregisterSlaveMessage {
            slave: self.info.clone(),
            version: Some("1.11.0".into()),
            agent_capabilities: capabilities(),
            resource_version_uuid: Some(random_uuid()),
            ..Default::default()
        }
    }

    pub fn expect_run_task(&self) -> Checked<RunTaskMessage> {
        Ok(self.peer.expect("mesos.internal.RunTaskMessage", SOON)?.1)
    }

    /// Reports a state of a task of this framework, as its executor would. Returns the uuid of the update.
    pub fn update(&mut self, framework: &str, task: &str, state: TaskState) -> Checked<Vec<u8>> {
        let uuid = uuid::Uuid::new_v4().into_bytes().to_vec();
        let status = TaskStatus {
            task_id: TaskId { value: task.into() },
            state: state as i32,
            agent_id: Some(self.agent_id()),
            executor_id: Some(ExecutorId { value: task.into() }),
            source: Some(task_status::Source::Executor as i32),
            timestamp: Some(1_600_000_000.5),
            uuid: Some(uuid.clone()),
            ..Default::default()
        };
        let update = StatusUpdate {
            framework_id: FrameworkId { value: framework.into() },
            executor_id: Some(ExecutorId { value: task.into() }),
            slave_id: Some(self.agent_id()),
            timestamp: 1_600_000_000.5,
            uuid: Some(uuid.clone()),
            latest_state: Some(status.state),
            status,
        };
        let message = StatusUpdateMessage { update, pid: Some(self.peer.pid.to_string()) };
        self.peer.send("mesos.internal.StatusUpdateMessage", &message)?;
        Ok(uuid)
    }

    /// Reports the state of an operation. Returns the uuid with which it is to be acknowledged.
    pub fn report(&mut self, applied: &ApplyOperationMessage, state: OperationState) -> Checked<Vec<u8>> {
        let uuid = random_uuid();
        let status = OperationStatus {
            operation_id: applied.operation_info.id.clone(),
            state: state as i32,
            uuid: Some(uuid.clone()),
            agent_id: Some(self.agent_id()),
            ..Default::default()
        };
        let message = UpdateOperationStatusMessage {
            framework_id: applied.framework_id.clone(),
            slave_id: Some(self.agent_id()),
            status,
            latest_status: None,
            operation_uuid: Some(applied.operation_uuid.clone()),
        };
        self.peer.send("mesos.internal.UpdateOperationStatusMessage", &message)?;
        Ok(uuid.value)
    }

    /// Unregisters, as an agent does on SIGUSR1.
    pub fn unregister(&mut self) -> Checked {
        self.registered = false;
        let goodbye = UnregisterSlaveMessage { slave_id: self.agent_id() };
        self.peer.send("mesos.internal.UnregisterSlaveMessage", &goodbye)
    }

    /// Records that the master has removed this agent in another way.
    pub fn mark_removed(&mut self) {
        self.registered = false;
    }
}

impl Drop for FakeAgent {
    /// Unregisters, so that the next case is not offered an agent that does not exist.
    fn drop(&mut self) {
        if self.registered {
            let _ = self.unregister();
        }
    }
}

fn capabilities() -> Vec<Capability> {
    use capability::Type::*;
    [
        MultiRole,
        HierarchicalRole,
        ReservationRefinement,
        ResourceProvider,
        ResizeVolume,
        AgentOperationFeedback,
        AgentDraining,
        TaskResourceLimits,
    ]
    .map(|kind| Capability { r#type: Some(kind as i32) })
    .to_vec()
}

fn random_uuid() -> Uuid {
    Uuid { value: uuid::Uuid::new_v4().into_bytes().to_vec() }
}

fn scalar(name: &str, value: f64) -> Resource {
    Resource {
        name: name.into(),
        r#type: value::Type::Scalar as i32,
        scalar: Some(value::Scalar { value }),
        ..Default::default()
    }
}

fn ports(begin: u64, end: u64) -> Resource {
    Resource {
        name: "ports".into(),
        r#type: value::Type::Ranges as i32,
        ranges: Some(Box::new(value::Ranges { range: vec![value::Range { begin, end }] })),
        ..Default::default()
    }
}

//! How agents come: registration of new ones.

use std::sync::Arc;

use messages::{internal, v1};
use model::{AgentId, FrameworkId, Upid};
use resources::Resources;

use crate::agent::Agent;
use crate::capabilities::capability_numbers;
use crate::effects::Context;
use crate::master::Master;
use crate::registry::{AgentRemovalReason, Continuation, RegistryOperation};
use crate::text::Version;
use model::master::{AgentSnapshot, Change};

/// Mesos' words.
const REPLACED: &str = "a new agent registered at the same address";

impl Master {
    /// Refusals are silent, as in Mesos: the agent keeps trying.
    pub(crate) fn register_agent(
        &mut self,
        cx: &mut Context<'_>,
        from: Upid,
        mut message: Box<internal::RegisterSlaveMessage>,
    ) {
        self.metrics.messages_register_slave.increment();
        if let Err(reason) = validation::agent_message::validate_register(&message) {
            return tracing::warn!(agent = %from, %reason, "refusing the registration of an agent");
        }
        // A retry: the answer is on its way.
        if self.registry.registering.contains(&from) || self.registry_is_full() {
            return;
        }
        if self.is_machine_down(&message.slave, &from) {
            return crate::connection::shut_down_agent(cx, &from, "Machine is `DOWN`");
        }
        if !self.is_acceptable(&from, message.version.as_deref(), &message.slave) {
            return;
        }
        if let Some(known) = self.agents.by_pid(&from).cloned()
            && let Some(agent) = self.agents.get(known.as_str())
        {
            if agent.state.connected {
                let answer = self.registered_message(&known);
                return cx.send(&from, answer);
            }
            self.remove_agent(cx, &known, REPLACED, AgentRemovalReason::Replaced);
        }
        // It was killed before its id was on its disk, or its disk is new: the agent it was does not come any more.
        if let Some(known) = self.recovery.at(&from).cloned() {
            self.remove_recovered(cx, known, REPLACED);
        }
        let id = self.ids.agent();
        message.slave.id = Some(id.to_proto());
        upgrade(&mut message.slave.resources);
        self.registry.registering.insert(from.clone());
        // A burst of registrations waits for the disk: one copy of each serves the record and, later, the agent.
        let info = Arc::new(std::mem::take(&mut message.slave));
        let operation = RegistryOperation::AdmitAgent(info.clone(), from.clone());
        self.store(cx, operation, Continuation::Admit { from, info, message });
    }

    /// What has to hold of every agent that wants to be one.
    pub(crate) fn is_acceptable(&self, from: &Upid, version: Option<&str>, info: &v1::AgentInfo) -> bool {
        let version = version.unwrap_or_default();
        let refusal = if Version::parse(version).is_none_or(|version| version < Version::OLDEST_AGENT) {
            "its version is too old or unreadable"
        } else if info.domain.is_some() && self.config.domain.is_none() {
            "it has a domain, but the master has none"
        } else if self.config.require_agent_domain && info.domain.is_none() {
            "it has no domain, but --require_agent_domain is set"
        } else {
            return true;
        };
        tracing::warn!(agent = %from, version, reason = refusal, "refusing the registration of an agent");
        false
    }

    /// `message` says everything but `info`.
    pub(crate) fn admitted(
        &mut self,
        cx: &mut Context<'_>,
        from: Upid,
        info: Arc<v1::AgentInfo>,
        message: internal::RegisterSlaveMessage,
    ) {
        self.registry.registering.remove(&from);
        let internal::RegisterSlaveMessage {
            slave: _,
            version,
            checkpointed_resources,
            agent_capabilities,
            resource_version_uuid,
        } = message;
        let Some(id) = info.id.as_ref().map(AgentId::from) else { return };
        let Some(total) = total_of(&info.resources, &checkpointed_resources) else { return };
        self.metrics.slave_registrations.increment();
        let state = AgentSnapshot {
            id: id.clone(),
            info,
            pid: from.clone(),
            version: version.unwrap_or_default(),
            capabilities: capability_numbers(&agent_capabilities),
            registered: cx.now.wall,
            reregistered: None,
            active: true,
            connected: true,
            deactivated: false,
            drain: None,
            drain_started: None,
            total,
        };
        self.add_agent(cx, state, resource_version_uuid, &[]);
        let answer = self.registered_message(&id);
        cx.send(&from, answer);
        self.start_pings(cx, &id);
    }

    /// Enters an agent into all books; `used` is what its tasks and executors hold.
    pub(crate) fn add_agent(
        &mut self,
        cx: &mut Context<'_>,
        state: AgentSnapshot,
        resource_version: Option<v1::Uuid>,
        used: &[(FrameworkId, Resources)],
    ) {
        let address = state.pid.address;
        let agent = Agent::new(state, resource_version, self.ids.observer());
        if self.links.acquire(address) {
            cx.link(address);
        }
        self.allocator_add_agent(&agent, used);
        self.set_window_of_new_agent(&agent);
        self.metrics.total.add(&agent.state.total);
        self.metrics.slaves_connected.increment();
        let activity = if agent.state.active { &self.metrics.slaves_active } else { &self.metrics.slaves_inactive };
        activity.increment();
        cx.publish(Change::AgentAdded(agent.state.clone()));
        let (id, hostname) = (agent.id().clone(), agent.state.info.hostname.clone());
        let operators = agent.state.deactivated;
        self.agents.insert(agent);
        self.observe(cx, failures::Event::AgentAdded { agent: id, hostname, operators });
    }

    fn registered_message(&self, id: &AgentId) -> internal::SlaveRegisteredMessage {
        internal::SlaveRegisteredMessage { slave_id: id.to_proto(), connection: Some(self.connection()) }
    }

    pub(crate) fn connection(&self) -> internal::MasterSlaveConnection {
        internal::MasterSlaveConnection {
            total_ping_timeout_seconds: Some(self.config.total_ping_timeout().as_secs_f64()),
        }
    }
}

/// Brings resources of an older peer into the format with a stack of reservations.
#[allow(deprecated, reason = "the old format is the point")]
pub(crate) fn upgrade(resources: &mut Vec<v1::Resource>) {
    if resources.iter().any(|r| r.role.is_some() || r.reservation.is_some())
        && let Ok(upgraded) = Resources::from_proto(resources)
    {
        *resources = upgraded.to_proto();
    }
}

/// An agent's resources with what was reserved and created on it since: each
/// checkpointed resource takes the place of the plain one it was made from.
pub(crate) fn total_of(info: &[v1::Resource], checkpointed: &[v1::Resource]) -> Option<Resources> {
    let checkpointed = Resources::from_proto(checkpointed).ok()?;
    Resources::from_proto(info).ok()?.with_checkpointed(&checkpointed).ok()
}

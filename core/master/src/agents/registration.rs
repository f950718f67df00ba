//! The registration of new agents.

use std::sync::Arc;

use messages::{internal, v1};
use model::master::{AgentSnapshot, Change, RemovalReason};
use model::{AgentId, FrameworkId, Upid};
use resources::Resources;

use super::agent::Agent;
use super::capabilities::capability_numbers;
use super::pings::start_pings;
use super::removal::{remove_agent, remove_recovered};
use super::version::Version;
use crate::allocation::allocator_add_agent;
use crate::failures::observe;
use crate::interface::{Config, Context};
use crate::policy::{is_machine_down, set_window_of_new_agent};
use crate::registry::{Continuation, RegistryOperation, registry_is_full, store};
use crate::state::State;

/// The text is that of Mesos.
const REPLACED: &str = "a new agent registered at the same address";

/// Registers a new agent. A refusal is silent, as in Mesos: the agent tries again.
pub(crate) fn register_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    mut message: Box<internal::RegisterSlaveMessage>,
) {
    state.metrics.messages_register_slave.increment();
    if let Err(reason) = validation::agent_message::validate_register(&message) {
        return tracing::warn!(agent = %from, %reason, "refusing the registration of an agent");
    }
    // This is a retry: the response is about to be sent.
    if state.registry.is_registering(&from) || registry_is_full(&state.config, &state.registry) {
        return;
    }
    if is_machine_down(&state.policy, &message.slave, &from) {
        return crate::agents::shut_down_agent(cx, &from, "Machine is `DOWN`");
    }
    if !is_acceptable(&state.config, &from, message.version.as_deref(), &message.slave) {
        return;
    }
    if let Some(known) = state.agents.by_pid(&from).cloned()
        && let Some(agent) = state.agents.get(known.as_str())
    {
        if agent.snapshot().connected {
            let answer = registered_message(&state.config, &known);
            return cx.send(&from, answer);
        }
        remove_agent(&state.agents, &mut state.registry, &state.metrics, cx, &known, REPLACED, RemovalReason::Replaced);
    }
    // The agent was killed before its id was durable, or its disk is new: it will not return as the recovered agent.
    if let Some(known) = state.recovery.at(&from).cloned() {
        remove_recovered(&mut state.registry, &state.metrics, cx, known, REPLACED);
    }
    let id = state.ids.agent();
    message.slave.id = Some(id.to_proto());
    upgrade(&mut message.slave.resources);
    state.registry.begin_registration(from.clone());
    // A burst of registrations waits for the disk: one copy of each description serves the record and, later, the
    // agent.
    let info = Arc::new(std::mem::take(&mut message.slave));
    let operation = RegistryOperation::AdmitAgent(info.clone(), from.clone());
    store(&state.metrics, &mut state.registry, cx, operation, Continuation::Admit { from, info, message });
}

/// Returns whether an agent may register, by its version and its domain.
pub(crate) fn is_acceptable(config: &Config, from: &Upid, version: Option<&str>, info: &v1::AgentInfo) -> bool {
    let version = version.unwrap_or_default();
    let refusal = if Version::parse(version).is_none_or(|version| version < Version::OLDEST_AGENT) {
        "its version is too old or unreadable"
    } else if info.domain.is_some() && config.domain.is_none() {
        "it has a domain, but the master has none"
    } else if config.require_agent_domain && info.domain.is_none() {
        "it has no domain, but --require_agent_domain is set"
    } else {
        return true;
    };
    tracing::warn!(agent = %from, version, reason = refusal, "refusing the registration of an agent");
    false
}

/// Continues once the agent is admitted. `message` has everything except `info`.
pub(crate) fn admitted(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    info: Arc<v1::AgentInfo>,
    message: internal::RegisterSlaveMessage,
) {
    state.registry.end_registration(&from);
    let internal::RegisterSlaveMessage {
        slave: _,
        version,
        checkpointed_resources,
        agent_capabilities,
        resource_version_uuid,
    } = message;
    let Some(id) = info.id.as_ref().map(AgentId::from) else { return };
    let Some(total) = total_of(&info.resources, &checkpointed_resources) else { return };
    state.metrics.slave_registrations.increment();
    let snapshot = AgentSnapshot {
        version: version.unwrap_or_default(),
        capabilities: capability_numbers(&agent_capabilities),
        registered: cx.now.wall,
        ..AgentSnapshot::new(id.clone(), info, from.clone(), total)
    };
    add_agent(state, cx, snapshot, resource_version_uuid, &[]);
    let answer = registered_message(&state.config, &id);
    cx.send(&from, answer);
    start_pings(&mut state.agents, &mut state.pings, cx, &id);
}

/// Adds an agent to every index; `used` are the resources of its tasks and executors.
pub(crate) fn add_agent(
    state: &mut State,
    cx: &mut Context<'_>,
    snapshot: AgentSnapshot,
    resource_version: Option<v1::Uuid>,
    used: &[(FrameworkId, Resources)],
) {
    let address = snapshot.pid.address;
    let agent = Agent::new(snapshot, resource_version, state.ids.observer());
    if state.links.acquire(address) {
        cx.link(address);
    }
    allocator_add_agent(&mut state.allocator, &agent, used);
    set_window_of_new_agent(&state.registry, &mut state.allocator, &agent);
    state.metrics.total.add(&agent.snapshot().total);
    state.metrics.slaves_connected.increment();
    let activity = if agent.snapshot().active { &state.metrics.slaves_active } else { &state.metrics.slaves_inactive };
    activity.increment();
    cx.publish(Change::AgentAdded(agent.snapshot().clone()));
    let (id, hostname) = (agent.id().clone(), agent.snapshot().info.hostname.clone());
    let operators = agent.snapshot().deactivated;
    state.agents.insert(agent);
    observe(state, cx, failures::Event::AgentAdded { agent: id, hostname, operators });
}

fn registered_message(config: &Config, id: &AgentId) -> internal::SlaveRegisteredMessage {
    internal::SlaveRegisteredMessage { slave_id: id.to_proto(), connection: Some(connection(config)) }
}

pub(crate) fn connection(config: &Config) -> internal::MasterSlaveConnection {
    internal::MasterSlaveConnection { total_ping_timeout_seconds: Some(config.total_ping_timeout().as_secs_f64()) }
}

/// Converts resources of an older peer into the format with a stack of reservations.
#[allow(deprecated, reason = "the old format is the point")]
pub(crate) fn upgrade(resources: &mut Vec<v1::Resource>) {
    if resources.iter().any(|r| r.role.is_some() || r.reservation.is_some())
        && let Ok(upgraded) = Resources::from_proto(resources)
    {
        *resources = upgraded.to_proto();
    }
}

/// Returns an agent's resources with later reservations and volumes: each checkpointed resource takes the place of the
/// plain one it was made from.
pub(crate) fn total_of(info: &[v1::Resource], checkpointed: &[v1::Resource]) -> Option<Resources> {
    let checkpointed = Resources::from_proto(checkpointed).ok()?;
    Resources::from_proto(info).ok()?.with_checkpointed(&checkpointed).ok()
}

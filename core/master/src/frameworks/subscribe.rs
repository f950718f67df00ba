//! The subscription of frameworks and its changes: SUBSCRIBE over HTTP and from drivers, failover between connections,
//! and UPDATE_FRAMEWORK.

use std::collections::BTreeSet;
use std::sync::Arc;

use machine::CallResponse;
use messages::v1::scheduler::call::Type;
use messages::{internal, v1};
use model::master::{Change, FrameworkSnapshot};
use model::{AgentId, FrameworkId, Role, StreamId, Upid};
use validation::ValidationError;

use super::constraints::Constraints;
use super::event_counts::framework_metrics;
use super::framework::{Connection, Framework, roles_of};
use super::heartbeats::{heartbeat_seconds, start_heartbeats};
use super::index::Frameworks;
use crate::agents::Agents;
use crate::allocation::{allocator_add_framework, allocator_update_framework};
use crate::failures::observe;
use crate::interface::{Config, Context, SchedulerSubscribe, Timer};
use crate::offers::{discard_offers, rescind_offers_of_framework, rescind_offers_of_unsubscribed_roles};
use crate::operations::{Operations, adopt_operations_of};
use crate::peers::Links;
use crate::state::State;
use crate::tasks::Tasks;
use model::master::Metrics;

/// A subscription that has passed the checks of its content.
struct Subscription {
    info: v1::FrameworkInfo,
    suppressed: BTreeSet<String>,
    constraints: Option<Constraints>,
}

/// The two ways in which a known framework subscribes again; they differ in the old connection and the response.
enum Resubscription {
    /// The new connection replaces the old one, and starts without offers.
    Failover,
    /// The same driver registers again: its state is kept, its offers are rescinded.
    SameDriver,
}

pub(crate) fn subscribe_http(state: &mut State, cx: &mut Context<'_>, request: SchedulerSubscribe) {
    let SchedulerSubscribe { stream, caller, subscribe } = request;
    let mut info = subscribe.framework_info;
    count_subscription(&state.metrics, &info);
    if let Some(principal) = &caller.principal
        && info.principal.is_none()
    {
        info.principal = Some(principal.as_str().to_owned());
    }
    let connection = Connection::Http(stream);
    let result = check_subscription(
        &state.config,
        &state.frameworks,
        info,
        subscribe.suppressed_roles,
        subscribe.offer_constraints,
    )
    .and_then(|subscription| subscribed_http(state, cx, stream, subscription));
    if let Err(refusal) = result {
        connection.error(cx, refusal.reason());
        cx.close_stream(stream);
    }
}

fn subscribed_http(
    state: &mut State,
    cx: &mut Context<'_>,
    stream: StreamId,
    subscription: Subscription,
) -> Result<(), ValidationError> {
    let connection = Connection::Http(stream);
    match known_id(&subscription.info) {
        None => add_framework(state, cx, connection, subscription),
        Some(id) => {
            let subscription = validate_resubscription(state, cx, &id, subscription)?;
            resubscribe_framework(state, cx, &id, connection, subscription, Resubscription::Failover);
        }
    }
    Ok(())
}

/// Subscribes a driver. `force` is the v0 way to say that this driver replaces another one.
pub(crate) fn subscribe_driver(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    subscribe: v1::scheduler::call::Subscribe,
    force: bool,
) {
    count_subscription(&state.metrics, &subscribe.framework_info);
    let result = check_subscription(
        &state.config,
        &state.frameworks,
        subscribe.framework_info,
        subscribe.suppressed_roles,
        subscribe.offer_constraints,
    )
    .and_then(|subscription| subscribed_driver(state, cx, &from, subscription, force));
    if let Err(refusal) = result {
        Connection::Driver(from).error(cx, refusal.reason());
    }
}

fn subscribed_driver(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    subscription: Subscription,
    force: bool,
) -> Result<(), ValidationError> {
    let connection = Connection::Driver(from.clone());
    let framework_of_driver =
        framework_of_driver(&mut state.frameworks, &mut state.links, cx, from, known_id(&subscription.info).as_ref());
    let Some(id) = known_id(&subscription.info) else {
        match framework_of_driver {
            // The response was lost, or crossed a retry.
            Some(id) => connection.subscribed(cx, id.to_proto(), state.info.clone(), heartbeat_seconds(&state.config)),
            None => add_framework(state, cx, connection, subscription),
        }
        return Ok(());
    };
    if framework_of_driver.is_some_and(|other| other != id) {
        tracing::warn!(framework = %id, driver = %from, "ignoring a driver that speaks for another framework");
        return Ok(());
    }
    let subscription = validate_resubscription(state, cx, &id, subscription)?;
    let Some(framework) = state.frameworks.get(id.as_str()) else { return Ok(()) };
    let same = framework.driver() == Some(from);
    if !framework.snapshot().recovered && !same && !force {
        return Err(ValidationError::new("Framework failed over"));
    }
    let kind = if same && !force { Resubscription::SameDriver } else { Resubscription::Failover };
    resubscribe_framework(state, cx, &id, connection, subscription, kind);
    Ok(())
}

/// Returns the framework of a driver. A disconnected framework that is not meant now loses the address: its driver is
/// gone, and another one runs there.
fn framework_of_driver(
    frameworks: &mut Frameworks,
    links: &mut Links,
    cx: &mut Context<'_>,
    from: &Upid,
    meant: Option<&FrameworkId>,
) -> Option<FrameworkId> {
    let id = frameworks.by_driver(from)?.clone();
    let connected = frameworks.get(id.as_str()).is_some_and(|framework| framework.state().is_connected());
    if connected || meant == Some(&id) {
        return Some(id);
    }
    if let Some(before) = frameworks.connect(id.as_str(), Connection::None) {
        close(links, cx, &before);
    }
    None
}

fn count_subscribed(frameworks: &Frameworks, id: &FrameworkId) {
    if let Some(framework_metrics) = framework_metrics(frameworks, id) {
        framework_metrics.increment_call(Type::Subscribe);
    }
}

fn count_subscription(metrics: &Metrics, info: &v1::FrameworkInfo) {
    match known_id(info) {
        None => metrics.messages_register_framework.increment(),
        Some(_) => metrics.messages_reregister_framework.increment(),
    }
}

/// Checks whether the content of a subscription is acceptable to this master.
fn check_subscription(
    config: &Config,
    frameworks: &Frameworks,
    info: v1::FrameworkInfo,
    suppressed: Vec<String>,
    constraints: Option<Box<v1::scheduler::OfferConstraints>>,
) -> Result<Subscription, ValidationError> {
    check_info(config, frameworks, &info)?;
    check_options(config, info, suppressed, constraints)
}

fn check_options(
    config: &Config,
    info: v1::FrameworkInfo,
    suppressed: Vec<String>,
    constraints: Option<Box<v1::scheduler::OfferConstraints>>,
) -> Result<Subscription, ValidationError> {
    let roles = validation::framework::roles(&info);
    let suppressed: BTreeSet<String> = suppressed.into_iter().collect();
    validation::framework::validate_suppressed_roles(&roles, &suppressed)?;
    if let Some(constraints) = &constraints {
        validation::framework::validate_offer_constraints_roles(&roles, constraints)?;
    }
    let limits = config.offer_constraints_limits;
    let constraints = constraints.map(|message| Constraints::new(*message, limits)).transpose()?;
    Ok(Subscription { info, suppressed, constraints })
}

fn check_info(config: &Config, frameworks: &Frameworks, info: &v1::FrameworkInfo) -> Result<(), ValidationError> {
    validation::framework::validate(info)?;
    let foreign: Vec<String> =
        validation::framework::roles(info).into_iter().filter(|role| !config.role_allowed(role)).collect();
    if !foreign.is_empty() {
        return Err(ValidationError::new(format!(
            "Roles {{ {} }} are not present in the master's --roles",
            foreign.join(", ")
        )));
    }
    if info.user == "root" && !config.root_submissions {
        return Err(ValidationError::new(
            "User 'root' is not allowed to run frameworks without --root_submissions set",
        ));
    }
    if known_id(info).is_some_and(|id| frameworks.is_completed(id.as_str())) {
        return Err(ValidationError::new("Framework has been removed"));
    }
    Ok(())
}

/// Checks whether a framework may return with this info. One that this master has never seen (it failed over from
/// another master) is first added as recovered.
fn validate_resubscription(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    mut subscription: Subscription,
) -> Result<Subscription, ValidationError> {
    if state.frameworks.get(id.as_str()).is_none() {
        recover_framework(state, cx, subscription.info.clone());
    }
    if let Some(framework) = state.frameworks.get(id.as_str()) {
        validation::framework::validate_resubscribe(framework.info(), &mut subscription.info)?;
    }
    Ok(subscription)
}

fn add_framework(state: &mut State, cx: &mut Context<'_>, connection: Connection, subscription: Subscription) {
    let id = state.ids.framework();
    let mut info = subscription.info;
    info.id = Some(id.to_proto());
    let roles = roles_of(&info);
    let snapshot = FrameworkSnapshot {
        suppressed: subscription.suppressed.iter().map(Role::new).collect(),
        pid: match &connection {
            Connection::Driver(pid) => Some(pid.clone()),
            Connection::None | Connection::Http(_) => None,
        },
        registered: cx.now.wall,
        ..FrameworkSnapshot::new(id.clone(), Arc::new(info), roles)
    };
    let framework = Framework::subscribed(snapshot, connection.clone(), subscription.constraints);
    allocator_add_framework(&mut state.allocator, &framework);
    cx.publish(Change::FrameworkAdded(framework.snapshot().clone()));
    state.frameworks.insert(framework);
    state.metrics.frameworks_connected.increment();
    state.metrics.frameworks_active.increment();
    count_subscribed(&state.frameworks, &id);
    open(&mut state.links, cx, &connection);
    connection.subscribed(cx, id.to_proto(), state.info.clone(), heartbeat_seconds(&state.config));
    start_heartbeats(&mut state.frameworks, &mut state.heartbeats, cx, &id);
}

/// Adds a framework that is known only from its agents (or from its own subscription): it has tasks, but no scheduler
/// is connected yet. In Mesos no failover timeout runs for it, so that it may stay for ever. Here it has its own
/// failover timeout, but at least the re-registration timeout of agents, since its scheduler has lost its master as
/// well.
pub(crate) fn recover_framework(state: &mut State, cx: &mut Context<'_>, info: v1::FrameworkInfo) {
    let Some(id) = known_id(&info) else { return };
    let roles = roles_of(&info);
    let snapshot = FrameworkSnapshot {
        active: false,
        connected: false,
        recovered: true,
        ..FrameworkSnapshot::new(id.clone(), Arc::new(info), roles)
    };
    let framework = Framework::recovered(snapshot, cx.now.monotonic, state.config.agent_reregister_timeout);
    if let Some(deadline) = framework.state().deadline() {
        cx.arm(Timer::FrameworkFailover(id.clone()), deadline);
    }
    allocator_add_framework(&mut state.allocator, &framework);
    cx.publish(Change::FrameworkAdded(framework.snapshot().clone()));
    state.frameworks.insert(framework);
    state.metrics.frameworks_disconnected.increment();
    state.metrics.frameworks_inactive.increment();
    adopt_operations_of(state, cx, &id);
}

fn resubscribe_framework(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    connection: Connection,
    subscription: Subscription,
    kind: Resubscription,
) {
    let Some(framework) = state.frameworks.get(id.as_str()) else { return };
    let (before, listener) = (framework.connection().clone(), framework.listener().clone());
    update_framework(state, cx, id, subscription);
    match kind {
        Resubscription::Failover => {
            if before != connection {
                listener.error(cx, "Framework failed over");
            }
            discard_offers(state, cx, id);
        }
        Resubscription::SameDriver => rescind_offers_of_framework(state, cx, id),
    }
    if before != connection {
        state.frameworks.connect(id.as_str(), connection.clone());
        open(&mut state.links, cx, &connection);
        close(&mut state.links, cx, &before);
    } else if let Connection::Driver(pid) = &connection
        && state.links.renew(pid.address)
    {
        cx.link(pid.address);
    }
    count_subscribed(&state.frameworks, id);
    mark_connected(state, cx, id);
    let again = matches!(kind, Resubscription::SameDriver);
    match &connection {
        Connection::Driver(pid) if again => cx.send(
            pid,
            internal::FrameworkReregisteredMessage { framework_id: id.to_proto(), master_info: state.info.clone() },
        ),
        Connection::None | Connection::Http(_) | Connection::Driver(_) => {
            connection.subscribed(cx, id.to_proto(), state.info.clone(), heartbeat_seconds(&state.config))
        }
    }
    start_heartbeats(&mut state.frameworks, &mut state.heartbeats, cx, id);
    send_framework_update_to_agents(&state.agents, &state.frameworks, &state.operations, &state.tasks, cx, id);
}

fn mark_connected(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let Some(framework) = state.frameworks.get_mut(id.as_str()) else { return };
    let before = framework.resubscribe(cx.now.wall);
    if before.deadline().is_some() {
        cx.disarm(Timer::FrameworkFailover(id.clone()));
    }
    if !before.is_connected() {
        state.metrics.frameworks_connected.increment();
        state.metrics.frameworks_disconnected.decrement();
    }
    if !before.is_active() {
        state.metrics.frameworks_active.increment();
        state.metrics.frameworks_inactive.decrement();
        state.allocator.activate_framework(id);
    }
    observe(state, cx, failures::Event::FrameworkConnected(id.clone()));
    publish_framework(&state.frameworks, cx, id);
}

/// Handles UPDATE_FRAMEWORK, which is answered with 200 where other calls are answered with 202.
pub(crate) fn update_framework_call(
    state: &mut State,
    cx: &mut Context<'_>,
    id: &FrameworkId,
    call: v1::scheduler::call::UpdateFramework,
) -> CallResponse {
    let Some(framework) = state.frameworks.get(id.as_str()) else {
        return CallResponse::bad_request("Framework cannot be found");
    };
    let info = call.framework_info;
    if let Err(reason) = check_info(&state.config, &state.frameworks, &info) {
        return CallResponse::bad_request(format!("Supplied FrameworkInfo is not valid: {reason}"));
    }
    if let Err(reason) = validation::framework::validate_update(framework.info(), &info) {
        return CallResponse::bad_request(format!("FrameworkInfo update is not valid: {reason}"));
    }
    let changed = *framework.info() != info;
    let subscription = match check_options(&state.config, info, call.suppressed_roles, call.offer_constraints) {
        Ok(subscription) => subscription,
        Err(reason) => return CallResponse::bad_request(format!("'UpdateFramework' call is not valid: {reason}")),
    };
    update_framework(state, cx, id, subscription);
    publish_framework(&state.frameworks, cx, id);
    if changed {
        send_framework_update_to_agents(&state.agents, &state.frameworks, &state.operations, &state.tasks, cx, id);
    }
    CallResponse::ok()
}

/// Replaces the description of a framework; offers of roles that it has left are rescinded.
fn update_framework(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId, subscription: Subscription) {
    let Subscription { info, suppressed, constraints } = subscription;
    if let Some(framework) = state.frameworks.get_mut(id.as_str()) {
        framework.update(info, suppressed.iter().map(Role::new).collect(), constraints);
    }
    allocator_update_framework(&mut state.allocator, &state.frameworks, id);
    rescind_offers_of_unsubscribed_roles(state, cx, id);
}

/// Sends the framework's new address to the agents that run something of it or have feedback about its operations.
/// Mesos sends it to every agent; the others would ignore it.
fn send_framework_update_to_agents(
    agents: &Agents,
    frameworks: &Frameworks,
    operations: &Operations,
    tasks: &Tasks,
    cx: &mut Context<'_>,
    id: &FrameworkId,
) {
    let Some(framework) = frameworks.get(id.as_str()) else { return };
    let of_framework = operations.of_framework(id.as_str()).into_iter().filter_map(|uuid| operations.get(uuid));
    let concerned: BTreeSet<&AgentId> =
        tasks.agents_of(id.as_str()).chain(of_framework.map(|operation| &operation.agent)).collect();
    for agent in concerned {
        if let Some(agent) = agents.get(agent.as_str()) {
            cx.send(&agent.snapshot().pid, update_framework_message(framework));
        }
    }
}

pub(crate) fn publish_framework(frameworks: &Frameworks, cx: &mut Context<'_>, id: &FrameworkId) {
    if let Some(framework) = frameworks.get(id.as_str()) {
        cx.publish(Change::FrameworkUpdated(framework.snapshot().clone()));
    }
}

/// Opens a connection; the address of a driver is linked.
fn open(links: &mut Links, cx: &mut Context<'_>, connection: &Connection) {
    if let Connection::Driver(pid) = connection
        && links.acquire(pid.address)
    {
        cx.link(pid.address);
    }
}

/// Closes a connection on the master's side.
pub(crate) fn close(links: &mut Links, cx: &mut Context<'_>, connection: &Connection) {
    match connection {
        Connection::None => {}
        Connection::Http(stream) => cx.close_stream(*stream),
        Connection::Driver(pid) => {
            if links.release(pid.address) {
                cx.unlink(pid.address);
            }
        }
    }
}

/// Returns the id of a known framework; an unset or empty id asks for a new one.
pub(crate) fn known_id(info: &v1::FrameworkInfo) -> Option<FrameworkId> {
    info.id.as_ref().filter(|id| !id.value.is_empty()).map(FrameworkId::from)
}

pub(crate) fn update_framework_message(framework: &Framework) -> internal::UpdateFrameworkMessage {
    internal::UpdateFrameworkMessage {
        framework_id: framework.id().to_proto(),
        pid: Some(framework.pid_text()),
        framework_info: Some(Box::new(framework.info().clone())),
    }
}

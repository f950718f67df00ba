//! How frameworks come, return and change: SUBSCRIBE over HTTP and from drivers, failover
//! between connections, UPDATE_FRAMEWORK.

use std::collections::BTreeSet;
use std::sync::Arc;

use allocator::{OfferConstraintsFilter, PatternLimits};
use machine::CallResponse;
use messages::v1::scheduler::call::Type;
use messages::{internal, v1};
use model::{AgentId, FrameworkId, Role, StreamId, Timestamp, Upid};
use validation::Invalid;

use crate::effects::{Context, Timer};
use crate::framework::{Connection, Framework, roles_of};
use crate::input::SchedulerSubscribe;
use crate::master::Master;
use model::master::FrameworkMetrics;
use model::master::{Change, FrameworkSnapshot};

/// A subscription that has passed the checks of its content.
struct Subscription {
    info: v1::FrameworkInfo,
    suppressed: BTreeSet<String>,
    constraints: Option<Constraints>,
}

/// As they were sent, and ready to be asked.
struct Constraints {
    message: Arc<v1::scheduler::OfferConstraints>,
    compiled: Arc<OfferConstraintsFilter>,
}

/// A known framework returns; what about its old connection and its answer differs.
enum Resubscription {
    /// It takes over from whoever spoke for it, and starts with no offers.
    Failover,
    /// The same driver registers again: it keeps its standing, its offers are rescinded.
    SameDriver,
}

impl Master {
    pub(crate) fn subscribe_http(&mut self, cx: &mut Context<'_>, request: SchedulerSubscribe) {
        let SchedulerSubscribe { stream, caller, subscribe } = request;
        let mut info = subscribe.framework_info;
        self.count_subscription(&info);
        if let Some(principal) = &caller.principal
            && info.principal.is_none()
        {
            info.principal = Some(principal.as_str().to_owned());
        }
        let connection = Connection::Http(stream);
        let result = self
            .check_subscription(info, subscribe.suppressed_roles, subscribe.offer_constraints)
            .and_then(|subscription| self.subscribed_http(cx, stream, subscription));
        if let Err(refusal) = result {
            connection.error(cx, refusal.reason());
            cx.close_stream(stream);
        }
    }

    fn subscribed_http(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        subscription: Subscription,
    ) -> Result<(), Invalid> {
        let connection = Connection::Http(stream);
        match known_id(&subscription.info) {
            None => self.add_framework(cx, connection, subscription),
            Some(id) => {
                let subscription = self.validate_resubscription(cx, &id, subscription)?;
                self.resubscribe_framework(cx, &id, connection, subscription, Resubscription::Failover);
            }
        }
        Ok(())
    }

    /// `force` is the v0 way to say that this driver takes over from another one.
    pub(crate) fn subscribe_driver(
        &mut self,
        cx: &mut Context<'_>,
        from: Upid,
        subscribe: v1::scheduler::call::Subscribe,
        force: bool,
    ) {
        self.count_subscription(&subscribe.framework_info);
        let result = self
            .check_subscription(subscribe.framework_info, subscribe.suppressed_roles, subscribe.offer_constraints)
            .and_then(|subscription| self.subscribed_driver(cx, &from, subscription, force));
        if let Err(refusal) = result {
            Connection::Driver(from).error(cx, refusal.reason());
        }
    }

    fn subscribed_driver(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        subscription: Subscription,
        force: bool,
    ) -> Result<(), Invalid> {
        let connection = Connection::Driver(from.clone());
        let framework_of_driver = self.framework_of_driver(cx, from, known_id(&subscription.info).as_ref());
        let Some(id) = known_id(&subscription.info) else {
            match framework_of_driver {
                // The answer was lost, or crossed with a retry.
                Some(id) => connection.subscribed(cx, id.to_proto(), self.info.clone(), self.heartbeat_seconds()),
                None => self.add_framework(cx, connection, subscription),
            }
            return Ok(());
        };
        if framework_of_driver.is_some_and(|other| other != id) {
            tracing::warn!(framework = %id, driver = %from, "ignoring a driver that speaks for another framework");
            return Ok(());
        }
        let subscription = self.validate_resubscription(cx, &id, subscription)?;
        let Some(framework) = self.frameworks.get(id.as_str()) else { return Ok(()) };
        let same = framework.driver() == Some(from);
        if !framework.state.recovered && !same && !force {
            return Err(Invalid::new("Framework failed over"));
        }
        let kind = if same && !force { Resubscription::SameDriver } else { Resubscription::Failover };
        self.resubscribe_framework(cx, &id, connection, subscription, kind);
        Ok(())
    }

    /// The framework a driver speaks for. One that was disconnected and is not meant now
    /// gives the address up: its driver is gone, and another one runs there.
    fn framework_of_driver(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        meant: Option<&FrameworkId>,
    ) -> Option<FrameworkId> {
        let id = self.frameworks.by_driver(from)?.clone();
        let connected = self.frameworks.get(id.as_str()).is_some_and(|framework| framework.state.connected);
        if connected || meant == Some(&id) {
            return Some(id);
        }
        if let Some(before) = self.frameworks.connect(id.as_str(), Connection::None) {
            self.close(cx, &before);
        }
        None
    }

    fn count_subscribed(&self, id: &FrameworkId) {
        if let Some(framework_metrics) = self.framework_metrics(id) {
            framework_metrics.increment_call(Type::Subscribe);
        }
    }

    fn count_subscription(&self, info: &v1::FrameworkInfo) {
        match known_id(info) {
            None => self.metrics.messages_register_framework.increment(),
            Some(_) => self.metrics.messages_reregister_framework.increment(),
        }
    }

    /// Whether the content of a subscription is acceptable to this master.
    fn check_subscription(
        &self,
        info: v1::FrameworkInfo,
        suppressed: Vec<String>,
        constraints: Option<Box<v1::scheduler::OfferConstraints>>,
    ) -> Result<Subscription, Invalid> {
        self.check_info(&info)?;
        self.check_options(info, suppressed, constraints)
    }

    fn check_options(
        &self,
        info: v1::FrameworkInfo,
        suppressed: Vec<String>,
        constraints: Option<Box<v1::scheduler::OfferConstraints>>,
    ) -> Result<Subscription, Invalid> {
        let roles = validation::framework::roles(&info);
        let suppressed: BTreeSet<String> = suppressed.into_iter().collect();
        validation::framework::validate_suppressed_roles(&roles, &suppressed)?;
        if let Some(constraints) = &constraints {
            validation::framework::validate_offer_constraints_roles(&roles, constraints)?;
        }
        let limits = self.config.offer_constraints_limits;
        let constraints = constraints.map(|message| Constraints::new(*message, limits)).transpose()?;
        Ok(Subscription { info, suppressed, constraints })
    }

    fn check_info(&self, info: &v1::FrameworkInfo) -> Result<(), Invalid> {
        validation::framework::validate(info)?;
        let foreign: Vec<String> =
            validation::framework::roles(info).into_iter().filter(|role| !self.config.role_allowed(role)).collect();
        if !foreign.is_empty() {
            return Err(Invalid::new(format!(
                "Roles {{ {} }} are not present in the master's --roles",
                foreign.join(", ")
            )));
        }
        if info.user == "root" && !self.config.root_submissions {
            return Err(Invalid::new("User 'root' is not allowed to run frameworks without --root_submissions set"));
        }
        if known_id(info).is_some_and(|id| self.frameworks.is_completed(id.as_str())) {
            return Err(Invalid::new("Framework has been removed"));
        }
        Ok(())
    }

    /// Whether a framework may return with this info. One that this master has never
    /// seen (it failed over from another master) is first made known as recovered.
    fn validate_resubscription(
        &mut self,
        cx: &mut Context<'_>,
        id: &FrameworkId,
        mut subscription: Subscription,
    ) -> Result<Subscription, Invalid> {
        if self.frameworks.get(id.as_str()).is_none() {
            self.recover_framework(cx, subscription.info.clone());
        }
        if let Some(framework) = self.frameworks.get(id.as_str()) {
            validation::framework::validate_resubscribe(framework.info(), &mut subscription.info)?;
        }
        Ok(subscription)
    }

    fn add_framework(&mut self, cx: &mut Context<'_>, connection: Connection, subscription: Subscription) {
        let id = self.ids.framework();
        let mut info = subscription.info;
        info.id = Some(id.to_proto());
        let state = FrameworkSnapshot {
            id: id.clone(),
            roles: roles_of(&info),
            info: Arc::new(info),
            suppressed: subscription.suppressed.iter().map(Role::new).collect(),
            offer_constraints: subscription.constraints.as_ref().map(|constraints| constraints.message.clone()),
            pid: match &connection {
                Connection::Driver(pid) => Some(pid.clone()),
                _ => None,
            },
            active: true,
            connected: true,
            recovered: false,
            registered: cx.now.wall,
            reregistered: None,
            unregistered: None,
            framework_metrics: FrameworkMetrics::default(),
        };
        let mut framework = Framework::new(state, connection.clone());
        framework.constraints = subscription.constraints.map(|constraints| constraints.compiled);
        self.allocator_add_framework(&framework);
        cx.publish(Change::FrameworkAdded(framework.state.clone()));
        self.frameworks.insert(framework);
        self.metrics.frameworks_connected.increment();
        self.metrics.frameworks_active.increment();
        self.count_subscribed(&id);
        self.open(cx, &connection);
        connection.subscribed(cx, id.to_proto(), self.info.clone(), self.heartbeat_seconds());
        self.start_heartbeats(cx, &id);
    }

    /// A framework known only from its agents (or from its own word): it has tasks, but
    /// nobody speaks for it yet. In Mesos no failover timeout runs for it, so that it may stay for ever; here it has
    /// its own, but no less than agents have: its scheduler, too, has lost its master.
    pub(crate) fn recover_framework(&mut self, cx: &mut Context<'_>, info: v1::FrameworkInfo) {
        let Some(id) = known_id(&info) else { return };
        let state = FrameworkSnapshot {
            id: id.clone(),
            roles: roles_of(&info),
            info: Arc::new(info),
            suppressed: Vec::new(),
            offer_constraints: None,
            pid: None,
            active: false,
            connected: false,
            recovered: true,
            registered: Timestamp::default(),
            reregistered: None,
            unregistered: None,
            framework_metrics: FrameworkMetrics::default(),
        };
        let mut framework = Framework::new(state, Connection::None);
        let patience = framework.failover_timeout().max(self.config.agent_reregister_timeout);
        let deadline = cx.now.monotonic + patience;
        framework.deadline = Some(deadline);
        cx.arm(Timer::FrameworkFailover(framework.id().clone()), deadline);
        self.allocator_add_framework(&framework);
        cx.publish(Change::FrameworkAdded(framework.state.clone()));
        self.frameworks.insert(framework);
        self.metrics.frameworks_disconnected.increment();
        self.metrics.frameworks_inactive.increment();
        self.adopt_operations_of(cx, &id);
    }

    fn resubscribe_framework(
        &mut self,
        cx: &mut Context<'_>,
        id: &FrameworkId,
        connection: Connection,
        subscription: Subscription,
        kind: Resubscription,
    ) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        let (before, listener) = (framework.connection.clone(), framework.listener().clone());
        self.update_framework(cx, id, subscription);
        match kind {
            Resubscription::Failover => {
                if before != connection {
                    listener.error(cx, "Framework failed over");
                }
                self.discard_offers(cx, id);
            }
            Resubscription::SameDriver => self.rescind_offers_of_framework(cx, id),
        }
        if before != connection {
            self.frameworks.connect(id.as_str(), connection.clone());
            self.open(cx, &connection);
            self.close(cx, &before);
        } else if let Connection::Driver(pid) = &connection
            && self.links.renew(pid.address)
        {
            cx.link(pid.address);
        }
        self.count_subscribed(id);
        self.mark_connected(cx, id);
        let again = matches!(kind, Resubscription::SameDriver);
        match &connection {
            Connection::Driver(pid) if again => cx.send(
                pid,
                internal::FrameworkReregisteredMessage { framework_id: id.to_proto(), master_info: self.info.clone() },
            ),
            _ => connection.subscribed(cx, id.to_proto(), self.info.clone(), self.heartbeat_seconds()),
        }
        self.start_heartbeats(cx, id);
        self.send_framework_update_to_agents(cx, id);
    }

    fn mark_connected(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get_mut(id.as_str()) else { return };
        if framework.deadline.take().is_some() {
            cx.disarm(Timer::FrameworkFailover(id.clone()));
        }
        let (was_connected, was_active) = (framework.state.connected, framework.state.active);
        let now = cx.now.wall;
        let pid = framework.driver().cloned();
        let state = framework.state_mut();
        if std::mem::take(&mut state.recovered) {
            state.registered = now;
        }
        state.reregistered = Some(now);
        state.connected = true;
        state.active = true;
        state.pid = pid;
        if !was_connected {
            self.metrics.frameworks_connected.increment();
            self.metrics.frameworks_disconnected.decrement();
        }
        if !was_active {
            self.metrics.frameworks_active.increment();
            self.metrics.frameworks_inactive.decrement();
            self.allocator.activate_framework(id);
        }
        self.observe(cx, failures::Event::FrameworkConnected(id.clone()));
        self.publish_framework(cx, id);
    }

    /// UPDATE_FRAMEWORK: 200 where other calls answer 202.
    pub(crate) fn update_framework_call(
        &mut self,
        cx: &mut Context<'_>,
        id: &FrameworkId,
        call: v1::scheduler::call::UpdateFramework,
    ) -> CallResponse {
        let Some(framework) = self.frameworks.get(id.as_str()) else {
            return CallResponse::bad_request("Framework cannot be found");
        };
        let info = call.framework_info;
        if let Err(reason) = self.check_info(&info) {
            return CallResponse::bad_request(format!("Supplied FrameworkInfo is not valid: {reason}"));
        }
        if let Err(reason) = validation::framework::validate_update(framework.info(), &info) {
            return CallResponse::bad_request(format!("FrameworkInfo update is not valid: {reason}"));
        }
        let changed = *framework.info() != info;
        let subscription = match self.check_options(info, call.suppressed_roles, call.offer_constraints) {
            Ok(subscription) => subscription,
            Err(reason) => return CallResponse::bad_request(format!("'UpdateFramework' call is not valid: {reason}")),
        };
        self.update_framework(cx, id, subscription);
        self.publish_framework(cx, id);
        if changed {
            self.send_framework_update_to_agents(cx, id);
        }
        CallResponse::ok()
    }

    /// Replaces what is known of a framework; offers of roles it has left are rescinded.
    fn update_framework(&mut self, cx: &mut Context<'_>, id: &FrameworkId, subscription: Subscription) {
        let roles = roles_of(&subscription.info);
        if let Some(framework) = self.frameworks.get_mut(id.as_str()) {
            framework.capabilities = crate::capabilities::FrameworkCapabilities::of(&subscription.info);
            let state = framework.state_mut();
            state.info = Arc::new(subscription.info);
            state.roles = roles;
            state.suppressed = subscription.suppressed.iter().map(Role::new).collect();
            let (message, compiled) =
                subscription.constraints.map(|constraints| (constraints.message, constraints.compiled)).unzip();
            state.offer_constraints = message;
            framework.constraints = compiled;
        }
        self.allocator_update_framework(id);
        self.rescind_offers_of_unsubscribed_roles(cx, id);
    }

    /// Agents that run something of the framework, or have something to tell it of its operations, learn where it is
    /// now. Mesos tells every agent; the others would ignore it.
    fn send_framework_update_to_agents(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        let operations = self.operations.of_framework(id.as_str());
        let operations = operations.into_iter().filter_map(|uuid| self.operations.get(uuid));
        let agents: BTreeSet<&AgentId> = framework.agents.iter().chain(operations.map(|of| &of.agent)).collect();
        for agent in agents {
            if let Some(agent) = self.agents.get(agent.as_str()) {
                cx.send(&agent.state.pid, update_framework_message(framework));
            }
        }
    }

    pub(crate) fn publish_framework(&self, cx: &mut Context<'_>, id: &FrameworkId) {
        if let Some(framework) = self.frameworks.get(id.as_str()) {
            cx.publish(Change::FrameworkUpdated(framework.state.clone()));
        }
    }

    /// A conversation begins.
    fn open(&mut self, cx: &mut Context<'_>, connection: &Connection) {
        if let Connection::Driver(pid) = connection
            && self.links.acquire(pid.address)
        {
            cx.link(pid.address);
        }
    }

    /// A conversation is over on our side.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, connection: &Connection) {
        match connection {
            Connection::None => {}
            Connection::Http(stream) => cx.close_stream(*stream),
            Connection::Driver(pid) => {
                if self.links.release(pid.address) {
                    cx.unlink(pid.address);
                }
            }
        }
    }
}

impl Constraints {
    fn new(message: v1::scheduler::OfferConstraints, limits: PatternLimits) -> Result<Self, Invalid> {
        let compiled = OfferConstraintsFilter::compile(&message, limits)
            .map_err(|reason| Invalid::new(format!("Offer constraints are not valid: {reason}")))?;
        Ok(Constraints { message: Arc::new(message), compiled: Arc::new(compiled) })
    }
}

/// An unset or empty id asks for a new one.
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

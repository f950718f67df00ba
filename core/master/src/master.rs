//! The state of a master and the dispatch of its inputs.

use std::sync::Arc;

use allocator::Allocator;
use machine::StateMachine;
use messages::v1;
use model::{Now, Random};

use crate::agent::Agents;
use crate::agent_removal_limiter::AgentRemovalLimiter;
use crate::config::Config;
use crate::effects::{Context, MasterEffects, Outbox, Timer};
use crate::framework::Frameworks;
use crate::ids::Ids;
use crate::input::Input;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::offers::Offers;
use crate::operations::Operations;
use crate::policy::Policy;
use crate::recovery::Recovery;
use crate::registry::{Registry, RegistryState};
use crate::timing_wheel::TimingWheel;
use model::{AgentId, FrameworkId};

/// Every decision of a master. The only way in is [`Master::step`].
#[derive(Debug)]
pub struct Master {
    pub(crate) config: Config,
    pub(crate) info: v1::MasterInfo,
    /// Its libprocess process.
    pub(crate) name: Arc<str>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ids: Ids,
    pub(crate) frameworks: Frameworks,
    pub(crate) agents: Agents,
    pub(crate) offers: Offers,
    pub(crate) links: Links,
    pub(crate) registry: Registry,
    pub(crate) policy: Policy,
    pub(crate) recovery: Recovery,
    pub(crate) removal_limiter: AgentRemovalLimiter,
    pub(crate) pings: TimingWheel<AgentId>,
    pub(crate) heartbeats: TimingWheel<FrameworkId>,
    pub(crate) operations: Operations,
    pub(crate) monitor: failures::Monitor,
    /// Notes of failures are due or being written.
    pub(crate) persisting_failures: bool,
    pub(crate) allocator: Allocator,
    /// An allocation run is due at this time.
    pub(crate) allocation_armed: Option<model::Monotonic>,
}

impl StateMachine for Master {
    type Input = Input;
    type Effects = MasterEffects;

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let before = out.effects().len();
        let name = self.name.clone();
        let cx = &mut Context::new(now, &name, out);
        match input {
            Input::Elected => self.recover_from_registry(cx),
            Input::SchedulerSubscribe(subscribe) => self.subscribe_http(cx, subscribe),
            Input::SchedulerCall(call) => self.scheduler_call(cx, call),
            Input::StreamClosed(stream) => self.stream_closed(cx, stream),
            Input::OperatorCall(call) => self.operator_call(cx, call),
            Input::PartitionCall(call) => self.partition_call(cx, call),
            Input::KillTask(kill) => self.kill_by_operator(cx, kill),
            Input::Message(message) => self.message(cx, message),
            Input::Exited(address) => self.exited(cx, address),
            Input::Explain(request) => self.explain(cx, request),
            Input::Whitelist(hostnames) => self.allocator.update_whitelist(hostnames),
            Input::Timer(timer) => self.timer(cx, timer),
            Input::Stored(token) => self.stored(cx, token),
            Input::StoreStalled(Some(reason)) => self.observe(cx, failures::Event::RegistryStalled(reason)),
            Input::StoreStalled(None) => self.observe(cx, failures::Event::RegistryWritten),
        }
        self.publish_refusals(cx);
        self.schedule_allocation(cx);
        self.count_events(out.effects().get(before..).unwrap_or_default());
    }
}

impl Master {
    /// `seed` decides everything random: the master id (unless configured) and the
    /// order in which the allocator considers what is equal. `registry` is what the master
    /// before it left behind; the first input is `Input::Elected`.
    pub fn new(config: Config, seed: [u8; 32], metrics: Arc<Metrics>, registry: RegistryState) -> Self {
        let mut random = Random::from_seed(seed);
        let id = config.master_id.clone().unwrap_or_else(|| random.uuid().to_string());
        let policy = config.recovery_policy.clone().unwrap_or_else(|| failures::Policy::new(config.agent_ping_timeout));
        Master {
            monitor: failures::Monitor::new(policy, id.clone()),
            persisting_failures: false,
            info: config.master_info(&id),
            name: Arc::from("master"),
            metrics,
            ids: Ids::new(id),
            frameworks: Frameworks::new(config.max_completed_frameworks),
            agents: Agents::default(),
            offers: Offers::default(),
            links: Links::default(),
            policy: Policy::new(&registry),
            registry: Registry::new(registry),
            recovery: Recovery::default(),
            removal_limiter: AgentRemovalLimiter::new(config.agent_removal_interval),
            pings: TimingWheel::new(config.agent_ping_timeout),
            heartbeats: TimingWheel::new(config.heartbeat_interval),
            operations: Operations::new(Random::from_u64(random.clone().next_u64())),
            allocator: crate::allocation::allocator(&config, random),
            allocation_armed: None,
            config,
        }
    }

    pub fn master_id(&self) -> &str {
        self.ids.master()
    }

    pub fn info(&self) -> &v1::MasterInfo {
        &self.info
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: Timer) {
        match timer {
            Timer::Allocate => self.allocate(cx),
            Timer::Heartbeat(slot) => self.heartbeat(cx, slot),
            Timer::Ping(slot) => self.ping(cx, slot),
            Timer::FrameworkFailover(framework) => self.failover_timed_out(cx, &framework),
            Timer::RecoveredAgents => self.recovered_agents_timed_out(cx),
            Timer::PingRecoveredAgents => self.ping_recovered_agents(cx),
            Timer::AgentRemoval => self.process_scheduled_removals(cx),
            Timer::PersistFailures => self.persist_failures(cx),
            Timer::RegistryGc => self.prune_registry(cx),
            Timer::AgentReregister(agent) => self.reregistration_timed_out(cx, &agent),
            Timer::OfferTimeout(offer) => self.offer_timed_out(cx, &offer),
        }
    }
}

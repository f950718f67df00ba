//! The state machine, and the handler of each input.

use std::sync::Arc;

use machine::StateMachine;
use messages::v1;
use model::Now;
use model::master::Change;

use crate::interface::{Config, Context, Input, MasterEffects, Outbox, Timer};
use crate::registry::RegistryState;
use crate::state::State;
use crate::{agents, allocation, calls, failures, frameworks, offers, peers, policy, registry};
use model::master::Metrics;

/// The decisions of a master. [`StateMachine::step`] takes every input.
#[derive(Debug)]
pub struct Master {
    /// The id of its libprocess process.
    name: Arc<str>,
    state: State,
}

impl StateMachine for Master {
    type Input = Input;
    type Effects = MasterEffects;

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let before = out.effects().len();
        let state = &mut self.state;
        let cx = &mut Context::new(now, &self.name, out);
        match input {
            Input::Elected => agents::recover_from_registry(state, cx),
            Input::SchedulerSubscribe(subscribe) => frameworks::subscribe_http(state, cx, subscribe),
            Input::SchedulerCall(call) => calls::scheduler_call(state, cx, call),
            Input::StreamClosed(stream) => frameworks::stream_closed(state, cx, stream),
            Input::OperatorCall(call) => calls::operator_call(state, cx, call),
            Input::PartitionCall(call) => policy::partition_call(state, cx, call),
            Input::KillTask(kill) => calls::kill_by_operator(state, cx, kill),
            Input::Message(message) => peers::message(state, cx, message),
            Input::Exited(address) => frameworks::exited(state, cx, address),
            Input::Explain(request) => allocation::explain(state, cx, request),
            Input::Whitelist(hostnames) => state.allocator.update_whitelist(hostnames),
            Input::Timer(timer) => on_timer(state, cx, timer),
            Input::Stored(token) => registry::stored(state, cx, token),
            Input::StoreStalled(Some(reason)) => {
                failures::observe(state, cx, ::failures::Event::RegistryStalled(reason));
            }
            Input::StoreStalled(None) => failures::observe(state, cx, ::failures::Event::RegistryWritten),
        }
        allocation::publish_offer_filter_counts(&mut state.allocator, cx);
        allocation::schedule_allocation(&mut state.allocation_timer, &state.allocator, &state.config, cx);
        frameworks::count_events(&state.frameworks, out.effects().get(before..).unwrap_or_default());
    }
}

impl Master {
    /// Creates a master that does not lead yet; its first input is [`Input::Elected`].
    ///
    /// `seed` decides everything random: the master id (unless configured) and the order in which the allocator
    /// considers equal candidates. `registry` is the durable state that the master before it left.
    pub fn new(config: Config, seed: [u8; 32], metrics: Arc<Metrics>, registry: RegistryState) -> Self {
        Master { name: Arc::from("master"), state: State::new(config, seed, metrics, registry) }
    }

    /// Returns the master's id, the prefix of the ids that it mints.
    pub fn master_id(&self) -> &str {
        self.state.ids.master()
    }

    /// Returns the description that the master sends to its peers.
    pub fn info(&self) -> &v1::MasterInfo {
        &self.state.info
    }

    /// Returns the master's counters and gauges.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.state.metrics
    }

    /// Returns the durable state, as the master knows it.
    pub fn registry(&self) -> &RegistryState {
        self.state.registry.durable()
    }

    /// Returns the changes that bring an empty view to the state of one that has applied every change so far. Completed
    /// tasks and frameworks and the answers to inverse offers are left out, since the master does not keep them.
    pub fn dump(&self) -> Vec<Change> {
        crate::state::dump(&self.state)
    }
}

fn on_timer(state: &mut State, cx: &mut Context<'_>, timer: Timer) {
    match timer {
        Timer::Allocate => allocation::allocate(state, cx),
        Timer::Heartbeat(slot) => frameworks::heartbeat(&state.frameworks, &mut state.heartbeats, cx, slot),
        Timer::Ping(slot) => agents::ping(state, cx, slot),
        Timer::FrameworkFailover(framework) => frameworks::failover_timed_out(state, cx, &framework),
        Timer::RecoveredAgents => agents::recovered_agents_timed_out(state, cx),
        Timer::PingRecoveredAgents => agents::ping_recovered_agents(&mut state.recovery, &state.registry, cx),
        Timer::AgentRemoval => agents::process_scheduled_removals(state, cx),
        Timer::PersistFailures => failures::persist_failures(
            &mut state.failure_persistence,
            &mut state.monitor,
            &mut state.registry,
            &state.metrics,
            cx,
        ),
        Timer::RegistryGc => registry::prune_registry(&state.config, &state.metrics, &mut state.registry, cx),
        Timer::AgentReregister(agent) => agents::reregistration_timed_out(state, cx, &agent),
        Timer::OfferTimeout(offer) => offers::offer_timed_out(state, cx, &offer),
    }
}

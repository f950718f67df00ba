//! The agent as a state machine, which is the interface that its host uses.

use std::sync::Arc;

use machine::StateMachine;
use model::Now;

use crate::config::Config;
use crate::dispatch;
use crate::effects::{AgentEffects, Context, Outbox, Timer};
use crate::input::Input;
use crate::operations::{RecoveredResources, apply};
use crate::recovery::{Incompatible, Recovery, reconnect, recover};
use crate::registration::register;
use crate::state::State;
use crate::usage::estimator;
use model::agent::Metrics;

/// An agent. After [`Agent::start`], [`StateMachine::step`] takes every input.
#[derive(Debug)]
pub struct Agent {
    /// The id of its libprocess process, e.g. `slave(1)`.
    process: Arc<str>,
    state: State,
}

impl StateMachine for Agent {
    type Input = Input;
    type Effects = AgentEffects;

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        dispatch::input(&mut self.state, &mut Context::new(now, &self.process, out), input);
    }
}

impl Agent {
    /// Creates an agent that has never run. It writes its metrics to `metrics`.
    pub fn new(config: Config, seed: [u8; 32], metrics: Arc<Metrics>) -> Self {
        Agent { process: config.pid.id.clone(), state: State::new(config, seed, metrics) }
    }

    /// Recovers the resources, operations and draining of an earlier process of this agent. It is called before
    /// [`Agent::start`].
    ///
    /// # Errors
    ///
    /// Returns an error if the flags no longer contain the resources that operations were applied to.
    pub fn recover_resources(&mut self, found: &RecoveredResources) -> Result<(), resources::Error> {
        self.state.recover_resources(found)
    }

    /// Recovers everything else that an earlier process of this agent left. It is called once, before [`Agent::start`].
    ///
    /// # Errors
    ///
    /// Returns an error if the agent may not continue under its id; then nothing may be done for it at all.
    pub fn recover(&mut self, now: Now, recovery: Recovery, out: &mut Outbox) -> Result<(), Incompatible> {
        recover::recover(&mut self.state, &mut Context::new(now, &self.process, out), recovery)
    }

    /// Starts the agent. It is called once, after [`Agent::recover`] if there is something to recover, and before the
    /// first step.
    pub fn start(&mut self, now: Now, out: &mut Outbox) {
        let state = &mut self.state;
        let cx = &mut Context::new(now, &self.process, out);
        state.gc.publish_max_age();
        register::publish_agent(state, cx);
        cx.arm_after(Timer::DiskWatch, state.config.disk_watch_interval);
        apply::resume_recovered_operations(state, cx);
        estimator::start_oversubscription(&state.config, cx);
        reconnect::finish_recovery_if_done(state, cx);
    }
}

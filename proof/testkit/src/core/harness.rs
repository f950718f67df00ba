//! Steps a machine in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use machine::{Interpreter, Outbox, StateMachine};
use model::{Monotonic, Now, Timestamp};

use super::environment::{Environment, InputOf, Inputs, TimerOf};
use super::recording_interpreter::RecordingInterpreter;

/// A machine and its environment. Time passes only when a test lets it pass.
pub struct Harness<E: Environment> {
    /// The machine.
    pub machine: E::Machine,
    /// The environment of the machine.
    pub environment: E,
    /// The effects that the machine has emitted.
    pub recorded: RecordingInterpreter<<E::Machine as StateMachine>::Effects>,
    /// While this is set, records do not become durable by themselves.
    pub disk_is_slow: bool,
    inputs: Inputs<E>,
    now: Now,
    outbox: Outbox<<E::Machine as StateMachine>::Effects>,
}

/// Returns a time to start at: 1000 seconds after the start of both clocks.
pub fn start_time() -> Now {
    let passed = Duration::from_secs(1000);
    Now { monotonic: Monotonic::from_start(passed), wall: Timestamp::from_nanos(passed.as_nanos() as u64) }
}

impl<E: Environment> Harness<E> {
    /// Returns a harness around a machine that has done nothing yet, at this time.
    pub fn new(machine: E::Machine, environment: E, inputs: Inputs<E>, now: Now) -> Self {
        Harness {
            machine,
            environment,
            recorded: RecordingInterpreter::default(),
            disk_is_slow: false,
            inputs,
            now,
            outbox: Outbox::default(),
        }
    }

    /// Returns the current virtual time.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Replaces the machine by another one. The timers, the effects and the records that are not durable yet go with
    /// the old machine. Time passes.
    pub fn replace_machine(&mut self, machine: E::Machine) {
        self.machine = machine;
        self.recorded.timers.clear();
        self.recorded.pending_stores.clear();
        self.recorded.clear();
    }

    /// Carries out one step and everything that follows from it without time passing: first the answers of the
    /// environment, then the records that become durable.
    pub fn deliver(&mut self, input: InputOf<E>) {
        self.call(|machine, now, outbox| machine.step(now, input, outbox));
    }

    /// Calls a method of the machine that is no input, such as its start, and carries out what follows, like
    /// [`Harness::deliver`].
    pub fn call<R>(
        &mut self,
        method: impl FnOnce(&mut E::Machine, Now, &mut Outbox<<E::Machine as StateMachine>::Effects>) -> R,
    ) -> R {
        let result = method(&mut self.machine, self.now, &mut self.outbox);
        let mut answers = VecDeque::new();
        self.interpret(&mut answers);
        self.settle(answers);
        result
    }

    /// Makes all pending records durable, and those that the machine stores because of that, in order.
    pub fn confirm(&mut self) {
        while self.confirm_next() {}
    }

    /// Makes the records durable that are pending now. Records that the machine stores because of that stay pending.
    pub fn confirm_waiting(&mut self) {
        for _ in 0..self.recorded.pending_stores.len() {
            self.confirm_next();
        }
    }

    /// Makes the oldest pending record durable. Returns false if there is none.
    pub fn confirm_next(&mut self) -> bool {
        let Some(input) = self.next_stored() else { return false };
        let mut answers = VecDeque::from([input]);
        self.step_all(&mut answers);
        true
    }

    /// Lets time pass; timers fire on the way, in their order.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some((timer, at)) = self.next_timer().filter(|(_, at)| *at <= end) {
            self.fire(timer, at);
        }
        self.advance_to(end);
    }

    /// Lets time pass while the process is frozen: timers that become due do not fire before the next [`Harness::pass`].
    pub fn pass_frozen(&mut self, time: Duration) {
        self.advance_to(self.now.monotonic + time);
    }

    /// Lets time pass until this timer fires.
    ///
    /// # Panics
    ///
    /// Panics if the timer is not set.
    pub fn pass_until(&mut self, timer: TimerOf<E>) {
        let Some(at) = self.recorded.timers.get(&timer).copied() else { panic!("{timer:?} is not set") };
        self.fire(timer, at);
    }

    /// Returns the timer that fires next.
    pub fn next_timer(&self) -> Option<(TimerOf<E>, Monotonic)> {
        self.recorded.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (timer.clone(), *at))
    }

    fn fire(&mut self, timer: TimerOf<E>, at: Monotonic) {
        self.recorded.timers.remove(&timer);
        self.advance_to(at);
        self.deliver((self.inputs.timer)(timer));
    }

    fn advance_to(&mut self, at: Monotonic) {
        let passed = at.since(self.now.monotonic);
        self.now.wall = Timestamp::from_nanos(self.now.wall.nanos() + passed.as_nanos() as u64);
        self.now.monotonic = self.now.monotonic.max(at);
    }

    fn settle(&mut self, mut answers: VecDeque<InputOf<E>>) {
        loop {
            self.step_all(&mut answers);
            if self.disk_is_slow {
                return;
            }
            let Some(input) = self.next_stored() else { return };
            answers.push_back(input);
        }
    }

    fn step_all(&mut self, inputs: &mut VecDeque<InputOf<E>>) {
        while let Some(input) = inputs.pop_front() {
            self.machine.step(self.now, input, &mut self.outbox);
            self.interpret(inputs);
        }
    }

    fn interpret(&mut self, answers: &mut VecDeque<InputOf<E>>) {
        for effect in self.outbox.drain() {
            answers.extend(self.environment.observe(self.now, &effect));
            self.recorded.interpret(effect);
        }
    }

    fn next_stored(&mut self) -> Option<InputOf<E>> {
        let (token, record) = self.recorded.pending_stores.pop_front()?;
        self.environment.keep(&record);
        Some((self.inputs.stored)(token))
    }
}

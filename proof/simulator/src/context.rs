//! The state that every node uses: virtual time, the event queue, randomness, the network, and the checks.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Monotonic, Now, Random, Timestamp};

use crate::checks::Checks;
use crate::coordination::Coordination;
use crate::event::Event;
use crate::mutant::Mutant;
use crate::network::{Network, Packet};
use crate::node::Node;
use crate::report::Counts;

/// Wall clocks start at this time, a day in 2023.
const EPOCH_NANOS: u64 = 1_700_000_000_000_000_000;

/// Virtual time and everything that nodes share.
#[derive(Debug)]
pub struct Context {
    pub time: Duration,
    pub random: Random,
    queue: BTreeMap<(Duration, u64), Event>,
    queued: u64,
    pub network: Network,
    pub coordination: Coordination,
    pub checks: Checks,
    /// The number of events that have happened.
    pub events: u64,
    pub counts: Counts,
    /// The bug that is planted in this run, if any.
    pub mutant: Option<Mutant>,
    /// True once no new faults happen and schedulers only finish what they have begun.
    pub faults_ended: bool,
    /// True after leadership has changed, until the watchers' notifications are queued.
    pub announce: bool,
    trace: Option<Vec<String>>,
}

impl Context {
    pub fn new(random: Random, network: Network, mutant: Option<Mutant>, traced: bool) -> Self {
        Context {
            time: Duration::ZERO,
            random,
            queue: BTreeMap::new(),
            queued: 0,
            network,
            coordination: Coordination::default(),
            checks: Checks::default(),
            events: 0,
            counts: Counts::default(),
            mutant,
            faults_ended: false,
            announce: false,
            trace: traced.then(Vec::new),
        }
    }

    /// Returns the two clocks of a node whose wall clock is off by `skew` seconds.
    pub fn now(&self, skew: i64) -> Now {
        let wall =
            (EPOCH_NANOS + self.time.as_nanos() as u64).saturating_add_signed(skew.saturating_mul(1_000_000_000));
        Now { monotonic: Monotonic::from_start(self.time), wall: Timestamp::from_nanos(wall) }
    }

    /// Takes the next event off the queue and moves the time to it.
    pub fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.queue.pop_first()?;
        self.time = at;
        self.events += 1;
        Some(event)
    }

    /// Returns the time of the next event.
    pub fn next_time(&self) -> Option<Duration> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Queues an event at a time.
    pub fn at(&mut self, time: Duration, event: Event) {
        self.queued += 1;
        self.queue.insert((time.max(self.time), self.queued), event);
    }

    /// Queues an event after a delay.
    pub fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.time + wait, event);
    }

    /// Queues an event at a random time up to `most` from now.
    pub fn within(&mut self, most: Duration, event: Event) {
        let wait = self.up_to(most);
        self.after(wait, event);
    }

    /// Queues events at their times.
    pub fn all(&mut self, events: Vec<(Duration, Event)>) {
        for (time, event) in events {
            self.at(time, event);
        }
    }

    /// Sends a packet over the network.
    pub fn send(&mut self, from: Node, to: Node, packet: Packet) {
        self.counts.messages += 1;
        let events = self.network.send(self.time, &mut self.random, from, to, packet);
        self.all(events);
    }

    /// Returns a random duration up to `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        crate::network::up_to(&mut self.random, most)
    }

    /// Returns true with a probability of one in `n`; never if `n` is zero.
    pub fn one_in(&mut self, n: u64) -> bool {
        crate::network::one_in(&mut self.random, n)
    }

    /// Returns a random number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.below(high.saturating_sub(low) + 1)
    }

    /// Returns a seed for the randomness of a core.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for chunk in seed.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.random.next_u64().to_le_bytes());
        }
        seed
    }

    /// Appends a line to the trace, if there is one.
    pub fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10.3}  {}", self.time.as_secs_f64(), line()));
        }
    }

    /// Takes the lines of the trace.
    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}

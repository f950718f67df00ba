//! One run: a phase with faults, then a phase without, in which the cluster has to become quiescent.

use std::time::Duration;

use model::Random;

use crate::event::Event;
use crate::faults::{self, Fault, Size};
use crate::mutant::Mutant;
use crate::network::NetworkConditions;
use crate::report::Outcome;
use crate::world::World;

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed, from which the plan and all randomness follow.
    pub seed: u64,
    /// The bug to plant, if any.
    pub mutant: Option<Mutant>,
    /// The numbers of the faults of the plan that happen; all when `None`.
    pub only: Option<Vec<usize>>,
    /// Whether to keep the last lines of a trace.
    pub traced: bool,
}

impl Options {
    /// Returns the options of a run with all faults, no planted bug and no trace.
    pub fn new(seed: u64) -> Self {
        Options { seed, mutant: None, only: None, traced: false }
    }
}

/// The length of the fault phase.
const FAULT_PHASE: Duration = Duration::from_secs(900);
/// The longest time to quiescence. It covers the longest timeouts: ten minutes for agents that do not come back, and
/// the slowest retries of updates and registrations.
const QUIESCENCE_TIMEOUT: Duration = Duration::from_secs(2400);
/// The minimum number of core steps of each seed; the fault phase continues until then.
pub const MIN_STEPS: u64 = 2000;
/// The most events of a run. A cluster of this size has fewer, so more of them mean an endless loop.
const MAX_EVENTS: u64 = 3_000_000;
/// The interval at which quiescence is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The properties of a run that the seed determines.
#[derive(Debug)]
pub struct Plan {
    /// The number of nodes.
    pub size: Size,
    /// The behaviour of the network.
    pub conditions: NetworkConditions,
    /// The number of tasks that each scheduler launches.
    pub goal: u64,
    /// The share of agents, from 0 to 1, that policies may act on at once.
    pub share: f64,
    /// Whether policies drain agents.
    pub drains: bool,
    /// Whether some of the schedulers are drivers. Their calls get lost unnoticed, so offers have a timeout.
    pub drivers: bool,
    /// The faults, in order of time.
    pub faults: Vec<(Duration, Fault)>,
    /// The randomness that is left for the run itself.
    pub random: Random,
}

/// Returns the plan of a seed. The same seed always gives the same plan.
pub fn plan(seed: u64) -> Plan {
    let mut random = Random::from_u64(seed);
    let size = Size {
        masters: 1 + random.below(3) as usize,
        agents: 1 + random.below(5) as usize,
        schedulers: 1 + random.below(3) as usize,
    };
    let conditions = NetworkConditions {
        delay: Duration::from_micros(100 + random.below(20_000)),
        stall_one_in: [0, 200, 50][random.below(3) as usize],
        break_one_in: [0, 0, 1000, 200][random.below(4) as usize],
        adversarial: random.below(2) == 0,
        repeat_one_in: [0, 60, 15][random.below(3) as usize],
    };
    let goal = 10 + random.below(60);
    let share = [0.2, 0.5, 1.0][random.below(3) as usize];
    let drains = random.below(3) == 0;
    let count = random.below(40) as usize;
    let faults = faults::plan(&mut random, size, FAULT_PHASE, count);
    // This is not drawn, so that the other seeds mean the same runs as before there were drivers.
    let drivers = seed % 5 == 2;
    Plan { size, conditions, goal, share, drains, drivers, faults, random }
}

/// Runs one seed to its end, or to its first violation.
pub fn run(options: &Options) -> Outcome {
    let plan = plan(options.seed);
    let mut world = World::new(&plan, options.mutant, options.traced);
    for (number, (at, fault)) in plan.faults.into_iter().enumerate() {
        if options.only.as_ref().is_none_or(|only| only.contains(&number)) {
            world.cx.at(at, Event::Fault(fault));
        }
    }
    let violation = run_fault_phase(&mut world).or_else(|| run_quiescence(&mut world));
    world.cx.counts.seconds = world.cx.time.as_secs();
    Outcome { seed: options.seed, counts: world.cx.counts, violation, trace: world.cx.take_trace() }
}

/// Runs until the faults are over and the minimum number of steps is reached.
fn run_fault_phase(world: &mut World) -> Option<String> {
    let mut end = FAULT_PHASE;
    loop {
        let violation = run_until(world, end);
        if violation.is_some() || world.cx.counts.steps >= MIN_STEPS {
            world.cx.time = end;
            return violation;
        }
        end += CHECK_INTERVAL;
    }
}

fn run_until(world: &mut World, end: Duration) -> Option<String> {
    while world.advance(end) {
        if let Some(violation) = world.cx.checks.found() {
            return Some(violation);
        }
        if world.cx.events > MAX_EVENTS {
            return Some("more events than any cluster of this size has: it does not settle".to_owned());
        }
    }
    None
}

fn run_quiescence(world: &mut World) -> Option<String> {
    world.cx.faults_ended = true;
    world.cx.network.conditions.break_one_in = 0;
    world.cx.network.conditions.repeat_one_in = 0;
    world.end_faults();
    let begin = world.cx.time;
    let mut next_check = begin + CHECK_INTERVAL;
    loop {
        if let Some(violation) = run_until(world, next_check) {
            return Some(violation);
        }
        world.cx.time = next_check;
        match world.not_quiescent() {
            None => {
                let checks = &world.cx.checks;
                let lost = checks.updates.lost(|framework, task| checks.tasks.may_lose_updates(framework, task));
                return lost.or_else(|| world.missing());
            }
            Some(reason) if next_check > begin + QUIESCENCE_TIMEOUT => {
                return Some(format!("is not quiescent: {reason}"));
            }
            Some(_) => {
                world.end_faults();
                next_check += CHECK_INTERVAL;
            }
        }
    }
}

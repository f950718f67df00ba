//! One run: trouble for a while, then calm, in which everything has to come to rest.

use std::time::Duration;

use model::Random;

use crate::event::Event;
use crate::faults::{self, Fault, Size};
use crate::mutant::Mutant;
use crate::network::NetworkConditions;
use crate::report::Outcome;
use crate::world::World;

#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    pub mutant: Option<Mutant>,
    /// Which faults of the plan happen; all when `None`.
    pub only: Option<Vec<usize>>,
    pub traced: bool,
}

impl Options {
    pub fn new(seed: u64) -> Self {
        Options { seed, mutant: None, only: None, traced: false }
    }
}

/// How long there is trouble.
const FAULT_PHASE: Duration = Duration::from_secs(900);
/// After it, the longest anything takes that is given up by a timeout: ten minutes for agents that do not come back, and
/// the slowest repetitions of updates and registrations.
const QUIESCENCE_TIMEOUT: Duration = Duration::from_secs(2400);
/// Core steps that each seed has at least: the trouble goes on until then.
pub const MIN_STEPS: u64 = 2000;
/// More events than any cluster of this size has: something goes round in circles.
const MAX_EVENTS: u64 = 3_000_000;
/// While it is calm, whether everything has come to rest is asked this often.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// What a seed stands for.
#[derive(Debug)]
pub struct Plan {
    pub size: Size,
    pub conditions: NetworkConditions,
    pub goal: u64,
    /// How much policies may do at once, and whether they drain.
    pub share: f64,
    pub drains: bool,
    /// Some of the schedulers are drivers. Calls of theirs get lost unnoticed, so offers are taken back in time.
    pub drivers: bool,
    pub faults: Vec<(Duration, Fault)>,
    pub random: Random,
}

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
    // Not drawn, so that the other seeds stand for what they stood for before there were drivers.
    let drivers = seed % 5 == 2;
    Plan { size, conditions, goal, share, drains, drivers, faults, random }
}

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

/// Until as much has happened as one seed is to stand for.
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
            return Some("something goes round in circles".to_owned());
        }
    }
    None
}

fn run_quiescence(world: &mut World) -> Option<String> {
    world.cx.faults_ended = true;
    world.cx.network.conditions.break_one_in = 0;
    world.cx.network.conditions.repeat_one_in = 0;
    world.end_faults();
    let begun = world.cx.time;
    let mut next_check = begun + CHECK_INTERVAL;
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
            Some(reason) if next_check > begun + QUIESCENCE_TIMEOUT => {
                return Some(format!("does not come to rest: {reason}"));
            }
            Some(_) => {
                world.end_faults();
                next_check += CHECK_INTERVAL;
            }
        }
    }
}

//! A fixed set of seeds, the seeds that found something once, and the bugs that have to be found.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulator::{Mutant, Options, Outcome, run};

/// Seeds whose runs failed, until what they found was put right. A seed means another run once the plan of faults is
/// drawn in another way; the cores have tests of their own for what was wrong in them.
const FOUND: &[(u64, &str)] = &[
    (13, "a reconciliation told the end of a task whose beginning was forwarded later"),
    (21, "an update came after its successor: the machine lost the acknowledgement between them with its power"),
    (28, "a task that was known to have failed became unreachable"),
    (35, "readers still saw a task as unreachable that its returning agent knew nothing of"),
    (52, "a torn down framework came back with an agent that was away, and kept the cluster from its rest"),
    (93, "a role at its limit is offered what is not limited"),
    (111, "an agent drains as long as a torn down framework owes it an acknowledgement"),
    (29, "a report that crossed an acknowledgement made a finished operation end as dropped"),
    (44, "a repeated re-registration took back what operations under way were making"),
    (250, "an operation held up by a broken connection was done after it had been reported as dropped"),
    (160, "a task that waited for a volume was reported as dropped, and then run"),
    (229, "a kill that waited for a volume was answered after the end of its task had been acknowledged"),
    (358, "a launch held up by a broken connection was carried out after it had been reported as dropped"),
    (2503, "an update that its agent's broken connection still held brought an ended task back to life"),
    (2895, "a second kill that waited for a volume was answered after the end of its task had been acknowledged"),
    (16855, "a kill that was read late had an ended task end a second time, as dropped"),
    (182, "a second commit began before the first was answered (the simulator's own fault)"),
    (27026, "an agent asked early about an operation dropped it after its end had been acknowledged"),
    (28036, "as 27026, with a connection that broke and held several reports back"),
    (25435, "a master led on a session it had given up; who was fenced kept its place (the simulator's own fault)"),
    (17961, "a report that crossed an acknowledgement made its master keep an operation, and its agent drain for ever"),
    (20365, "a candidate that was cut off took over from the leader (the simulator's own fault)"),
    (103705, "what a returning agent still has of a torn down framework was called a leftover (the check's own fault)"),
    (147349, "an update that came while its framework was torn down was missed (the check's own fault)"),
    (166049, "an acknowledgement that was read after a report made the next master keep an operation for ever"),
    (214973, "an operation that was read after its agent had registered was missing in the next master's total"),
    (212677, "a reconciliation crossed the word that its agent is gone (the check's own fault)"),
    (231240, "operations of an earlier term were done after their framework had been told that nobody knows them"),
    (269736, "a subscription whose connection had broken took over from its own successor (the simulator's own fault)"),
    (277687, "an agent that an operator had taken away began anew with its quarantines (the check's own fault)"),
    (337117, "a driver's launch was read after its task had been called gone"),
    (703579, "a registration was read again after a volume of its total had been destroyed"),
    (31626, "a launch of an earlier term came after its task had been told as gone"),
    (32277, "a launch came after its kill had been answered"),
    (1919, "a returning agent told the end of a task that was not durable, and lost it with its machine's power"),
    (19654, "two short cuts ended a session, and its master never heard of it (the simulator's own fault)"),
];

/// As many runs as `make test` has time for; `simulate --seeds` runs any number.
const FIXED: u64 = 150;

/// Runs these on all cores; the outcomes in order of their seeds, up to the first failure of each thread.
fn runs(seeds: std::ops::Range<u64>, mutant: Option<Mutant>) -> Vec<Outcome> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(&Options { mutant, ..Options::new(seed) });
                    let failed = outcome.violation.is_some();
                    outcomes.lock().expect("no test panics with it").push(outcome);
                    if failed {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no test panics with it");
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}

fn holds(outcome: &Outcome) {
    assert_eq!(outcome.violation, None, "again: simulate --seed {}", outcome.seed);
}

#[test]
fn nothing_is_lost_in_a_fixed_set_of_seeds() {
    let outcomes = runs(0..FIXED, None);
    outcomes.iter().for_each(holds);
    assert_eq!(outcomes.len() as u64, FIXED);
    // A seed stands for a certain amount of trouble.
    assert!(outcomes.iter().all(|outcome| outcome.counts.steps >= 2000));
    // They are not empty: each has masters, agents, tasks and trouble.
    let tasks: u64 = outcomes.iter().map(|outcome| outcome.counts.tasks_started).sum();
    let faults: u64 = outcomes.iter().map(|outcome| outcome.counts.faults.total()).sum();
    let steps: u64 = outcomes.iter().map(|outcome| outcome.counts.steps).sum();
    assert!(tasks > 20 * FIXED && faults > 10 * FIXED && steps > 3000 * FIXED, "{tasks} {faults} {steps}");
}

#[test]
fn what_was_found_stays_found() {
    for (seed, cause) in FOUND {
        let outcome = run(&Options::new(*seed));
        assert_eq!(outcome.violation, None, "seed {seed}: {cause}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 17] {
        let once = || run(&Options { traced: true, ..Options::new(seed) });
        let (one, other) = (once(), once());
        assert_eq!((one.counts, &one.violation), (other.counts, &other.violation));
        assert!(one.trace == other.trace, "the traces of seed {seed} differ");
        assert!(one.trace.len() > 100);
    }
}

#[test]
fn planted_bugs_are_found() {
    let mutants = [
        Mutant::DropAcknowledgement,
        Mutant::SkipFlush,
        Mutant::ForgetRescind,
        Mutant::LoseCommit,
        Mutant::IgnoreFence,
        Mutant::WriteAfterTerm,
        Mutant::TellOperationsEarly,
        Mutant::ForgetDropped,
        Mutant::ForgetUndo,
        Mutant::IgnoreShare,
    ];
    for mutant in mutants {
        let outcomes = runs(0..200, Some(mutant));
        assert!(outcomes.iter().any(|outcome| outcome.violation.is_some()), "{mutant:?} is not found in 200 seeds");
    }
}

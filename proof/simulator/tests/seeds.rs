//! A fixed set of seeds, the seeds that once failed, and the planted bugs that must be found.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulator::{Mutant, Options, Outcome, run};

/// Seeds whose runs once failed, with what they found. A seed means another run once the plan of faults is drawn in
/// another way; the cores have tests of their own for the defects.
const FOUND: &[(u64, &str)] = &[
    (13, "a reconciliation was answered with the terminal state of a task whose first update was forwarded later"),
    (21, "an update arrived after its successor: a power loss of the machine removed the acknowledgement between them"),
    (28, "a task that was known to have failed became unreachable"),
    (35, "readers still saw a task as unreachable that its returning agent knew nothing of"),
    (52, "a torn down framework came back with an agent, and the cluster did not become quiescent"),
    (93, "a role at its limit is offered resources that are not limited"),
    (111, "an agent drained until a torn down framework acknowledged an update"),
    (29, "a report that crossed an acknowledgement ended a finished operation as dropped"),
    (44, "a repeated re-registration undid the expected results of operations in progress"),
    (250, "an operation delayed by a broken connection was applied after it had been reported as dropped"),
    (160, "a task that waited for a volume was reported as dropped, and then run"),
    (229, "a kill that waited for a volume was answered after the end of its task had been acknowledged"),
    (358, "a launch delayed by a broken connection was carried out after it had been reported as dropped"),
    (2503, "an update that was delayed by a broken connection revived a terminal task"),
    (2895, "a second kill that waited for a volume was answered after the end of its task had been acknowledged"),
    (16855, "a kill that was read late ended a terminal task a second time, as dropped"),
    (182, "a second commit began before the first was answered (a fault of the simulator)"),
    (
        27026,
        "an agent that was asked early about an operation dropped it after its terminal status had been acknowledged",
    ),
    (28036, "as 27026, with a connection that broke and delayed several reports"),
    (
        25435,
        "a master led on an abandoned session, and a fenced one remained first candidate (a fault of the simulator)",
    ),
    (17961, "after a report crossed an acknowledgement, the master kept an operation and the agent drained for ever"),
    (20365, "a candidate that was cut off replaced the leader (a fault of the simulator)"),
    (
        103705,
        "what a returning agent still had of a torn down framework was reported as a violation (a fault of the check)",
    ),
    (147349, "an update that came while its framework was torn down was missed (a fault of the check)"),
    (166049, "an acknowledgement that was read after a report made the next master keep an operation for ever"),
    (214973, "an operation that was read after its agent had registered was missing in the next master's total"),
    (212677, "a reconciliation crossed the notification that its agent is gone (a fault of the check)"),
    (231240, "operations of an earlier term were applied after their framework had been told that they are unknown"),
    (269736, "a subscription whose connection had broken replaced its own successor (a fault of the simulator)"),
    (277687, "an agent that an operator had removed came back without its quarantines (a fault of the check)"),
    (337117, "a driver's launch was read after its task had been reported as gone"),
    (703579, "a registration was read again after a volume of its total had been destroyed"),
    (2_009_235, "an agent read a late answer to an earlier registration and did not register again when it was asked"),
    (31626, "a launch of an earlier term arrived after its task had been reported as gone"),
    (32277, "a launch arrived after its kill had been answered"),
    (1919, "a re-registering agent reported a terminal state that was not durable, and lost it in a power loss"),
    (19654, "two short cuts ended a session, and its master was never notified (a fault of the simulator)"),
];

/// The number of seeds that `make test` has time for; `simulate --seeds` runs any number.
const FIXED: u64 = 150;

/// Runs these seeds on all cores. Returns the outcomes in order of their seeds, up to the first failure of each thread.
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
    // Each seed has at least 2,000 steps.
    assert!(outcomes.iter().all(|outcome| outcome.counts.steps >= 2000));
    // The runs have tasks and faults.
    let tasks: u64 = outcomes.iter().map(|outcome| outcome.counts.tasks_started).sum();
    let faults: u64 = outcomes.iter().map(|outcome| outcome.counts.faults.total()).sum();
    let steps: u64 = outcomes.iter().map(|outcome| outcome.counts.steps).sum();
    assert!(tasks > 20 * FIXED && faults > 10 * FIXED && steps > 3000 * FIXED, "{tasks} {faults} {steps}");
}

#[test]
fn seeds_that_once_failed_pass() {
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

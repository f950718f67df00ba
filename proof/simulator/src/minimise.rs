//! Finds a shortest plan that still fails: faults are left out as long as the run fails without them.

use crate::report::Outcome;
use crate::run::{Options, plan, run};

/// Returns the numbers of the faults that are needed, and the outcome of the run with only these.
pub fn minimise(options: &Options) -> (Vec<usize>, Outcome) {
    let mut needed: Vec<usize> = match &options.only {
        Some(only) => only.clone(),
        None => (0..plan(options.seed).faults.len()).collect(),
    };
    let attempt = |only: &[usize]| run(&Options { only: Some(only.to_vec()), ..options.clone() });
    let wanted = attempt(&needed).violation.as_deref().map(kind);
    let mut size = needed.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        while start < needed.len() {
            let without: Vec<usize> = needed
                .iter()
                .enumerate()
                .filter(|(at, _)| !(start..start + size).contains(at))
                .map(|(_, n)| *n)
                .collect();
            if attempt(&without).violation.as_deref().map(kind) == wanted {
                needed = without;
            } else {
                start += size;
            }
        }
        if size == 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    let outcome = run(&Options { only: Some(needed.clone()), traced: true, ..options.clone() });
    (needed, outcome)
}

/// Returns the text of a violation without the names of what it happened to. A plan without some faults must fail in
/// the same way.
fn kind(violation: &str) -> String {
    let words = violation.split_whitespace().filter(|word| !word.chars().any(|c| c.is_ascii_digit()));
    words.take(12).collect::<Vec<_>>().join(" ")
}

//! Cases, and how they are run.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::case_error::{CaseError, Checked};
use crate::world::World;

/// The set-ups that cases need beyond a standalone master. They are selected with `--with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Need {
    /// A master started with `--authenticate_http_frameworks`.
    Auth,
    /// A master that is not the leader.
    Follower,
    /// Cases of reservations and volumes.
    Reserve,
    Weights,
    Quota,
    Maintenance,
    /// Cases of draining, deactivating and marking gone.
    Drain,
    /// Cases that wait longer than ten seconds.
    Slow,
}

pub struct Case {
    /// The section of the list of behaviours and a number in it. The report is sorted by it.
    pub id: &'static str,
    /// The expected behaviour, in one sentence.
    pub checks: &'static str,
    pub needs: &'static [Need],
    pub run: fn(&World) -> Checked,
}

#[derive(Debug)]
pub enum Verdict {
    Pass,
    Fail(CaseError),
    Skip(String),
}

pub struct Outcome {
    pub verdict: Verdict,
    pub took: Duration,
}

/// Runs the cases one after the other against one master.
pub fn run(cases: &[&Case], world: &World, with: &[Need]) -> Vec<Outcome> {
    let run_one = |case: &&Case| {
        let start = Instant::now();
        let verdict = verdict_of(case, world, with);
        Outcome { verdict, took: start.elapsed() }
    };
    cases.iter().map(run_one).collect()
}

fn verdict_of(case: &Case, world: &World, with: &[Need]) -> Verdict {
    if let Some(need) = case.needs.iter().find(|need| !with.contains(need)) {
        return Verdict::Skip(format!("needs --with {}", name(*need)));
    }
    match (case.run)(world) {
        Ok(()) => Verdict::Pass,
        Err(CaseError::Skip(reason)) => Verdict::Skip(reason),
        Err(stop) => Verdict::Fail(stop),
    }
}

pub fn name(need: Need) -> String {
    need.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

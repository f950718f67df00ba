//! Cases, and running them.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::case_error::{CaseError, Checked};
use crate::world::World;

/// What a case needs beyond a standalone master; asked for with `--with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Need {
    /// A master started with `--authenticate_http_frameworks`.
    Auth,
    /// A master that is not the leader.
    Follower,
    /// Reservations and volumes.
    Reserve,
    Weights,
    Quota,
    Maintenance,
    /// Draining, deactivating and marking gone.
    Drain,
    /// Cases that wait longer than ten seconds.
    Slow,
}

pub struct Case {
    /// The section of the behaviour list and a number in it; sorts the report.
    pub id: &'static str,
    /// One sentence: what holds.
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
        let begun = Instant::now();
        let verdict = judge(case, world, with);
        Outcome { verdict, took: begun.elapsed() }
    };
    cases.iter().map(run_one).collect()
}

fn judge(case: &Case, world: &World, with: &[Need]) -> Verdict {
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

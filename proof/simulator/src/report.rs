//! The report of a run: its events and its outcome.

use std::fmt;
use std::ops::AddAssign;

use crate::faults::Faults;

/// Counters of what happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps of master and agent cores.
    pub steps: u64,
    /// Packets that were sent.
    pub messages: u64,
    /// Faults that happened.
    pub faults: Faults,
    /// Changes of leadership.
    pub elections: u64,
    /// Tasks that schedulers launched.
    pub tasks_launched: u64,
    /// Tasks that executors began to run.
    pub tasks_started: u64,
    /// Offer operations that schedulers asked for, other than launches.
    pub operations: u64,
    /// Messages of executors to their schedulers.
    pub framework_messages: u64,
    /// Flushes of the agents' disks.
    pub flushes: u64,
    /// Records that these flushes made durable.
    pub records: u64,
    /// Seconds of virtual time.
    pub seconds: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.steps += other.steps;
        self.messages += other.messages;
        self.faults += other.faults;
        self.elections += other.elections;
        self.tasks_launched += other.tasks_launched;
        self.tasks_started += other.tasks_started;
        self.operations += other.operations;
        self.framework_messages += other.framework_messages;
        self.flushes += other.flushes;
        self.records += other.records;
        self.seconds += other.seconds;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps, {} messages, {}, {} elections, {} tasks launched ({} started), {} operations, {} framework messages, {} records in {} flushes, \
             {} h of virtual time",
            self.steps,
            self.messages,
            self.faults,
            self.elections,
            self.tasks_launched,
            self.tasks_started,
            self.operations,
            self.framework_messages,
            self.records,
            self.flushes,
            self.seconds / 3600
        )
    }
}

/// The outcome of one run.
#[derive(Debug)]
pub struct Outcome {
    /// The seed of the run.
    pub seed: u64,
    /// The number of events of the run, by kind.
    pub counts: Counts,
    /// The first violation.
    pub violation: Option<String>,
    /// The last lines of the trace, if there is one.
    pub trace: Vec<String>,
}

//! What a run covered, and how it ended.

use std::fmt;
use std::ops::AddAssign;

use crate::faults::Faults;

/// How much happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps of master and agent cores.
    pub steps: u64,
    pub messages: u64,
    pub faults: Faults,
    pub elections: u64,
    pub tasks_launched: u64,
    pub tasks_started: u64,
    pub operations: u64,
    /// Of executors to their schedulers.
    pub framework_messages: u64,
    pub flushes: u64,
    pub records: u64,
    /// Of virtual time.
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

/// One run.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub counts: Counts,
    /// What was found wrong first.
    pub violation: Option<String>,
    /// The last lines before, if they were asked for.
    pub trace: Vec<String>,
}

//! Bugs that can be planted into a run. Tests check that the simulator finds each of them.

use clap::ValueEnum;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// Agents forget to acknowledge some updates of executors.
    DropAcknowledgement,
    /// Agents say that records are durable before they are.
    SkipFlush,
    /// Masters take offers back without telling their framework.
    ForgetRescind,
    /// The registry reports a commit as durable although it has lost it.
    LoseCommit,
    /// Masters treat a commit as durable that was lost, or refused because another master leads.
    IgnoreFence,
    /// A deposed master continues to write, and the registry accepts it.
    WriteAfterTerm,
    /// Agents report the results of operations as durable before they are.
    TellOperationsEarly,
    /// Agents do not report that operations were dropped.
    ForgetDropped,
    /// Masters do not undo the expected results of dropped operations.
    ForgetUndo,
    /// Policies keep more agents from offers than `max_share` allows.
    IgnoreShare,
}

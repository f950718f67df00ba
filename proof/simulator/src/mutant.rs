//! Bugs that can be planted into a run. A simulator that does not find them is not worth its time.

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// Agents forget to acknowledge some updates of executors.
    DropAcknowledgement,
    /// Agents say that records are durable before they are.
    SkipFlush,
    /// Masters take offers back without telling their framework.
    ForgetRescind,
    /// The registry says that a commit is durable, and has lost it.
    LoseCommit,
    /// Masters take a commit for durable that has not come through, or was refused because another one leads.
    IgnoreFence,
    /// A deposed master goes on writing, and the registry takes it.
    WriteAfterTerm,
    /// Agents say that what operations made is durable before it is.
    TellOperationsEarly,
    /// Agents forget to say that operations were dropped.
    ForgetDropped,
    /// Masters do not undo what dropped operations had been expected to make.
    ForgetUndo,
    /// Policies keep as many agents from offers as they like.
    IgnoreShare,
}

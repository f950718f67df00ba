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
}

//! The command executor: one task, one long-lived small process.

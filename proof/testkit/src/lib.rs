//! What the tests of several crates share. Only tests depend on this crate.

pub mod skip;

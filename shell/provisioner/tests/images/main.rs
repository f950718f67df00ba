//! Images from registries of the test's own, which can be as bad as they like, and from a real one.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod common;
mod pull;
mod real_registry;

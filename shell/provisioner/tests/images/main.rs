//! Tests with images from registries of the test's own, which may misbehave, and from a real registry.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod common;
mod pull;
mod real_registry;

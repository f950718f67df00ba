//! Tests with images from registries of the test's own, which may misbehave, from a real registry, and from archives.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod archives;
mod common;
mod containers;
mod crash;
mod equality;
mod full_disk;
mod hostile;
mod properties;
mod pull;
mod real_registry;
mod signatures;

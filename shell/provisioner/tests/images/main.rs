//! Images from registries of the test's own, which can be as bad as they like, and from a real one.

mod common;
mod pull;
mod real_registry;

//! The state of a master.

mod components;
mod dump;

pub(crate) use components::State;
pub(crate) use dump::dump;

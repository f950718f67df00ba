//! All that a master knows.

mod components;
mod dump;

pub(crate) use components::State;
pub(crate) use dump::dump;

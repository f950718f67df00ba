//! All that a master knows.

mod dump;
mod state;

pub(crate) use dump::dump;
pub(crate) use state::State;

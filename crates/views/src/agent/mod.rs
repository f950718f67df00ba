//! What an agent shows.

mod containers;
pub(crate) mod entity;
mod facts;
mod legacy;
mod operator;
mod operator_json;
mod sandboxes;
mod snapshot;
mod tally;
mod view;

pub use containers::{InvalidSelection, Usage};
pub use facts::{Facts, Limits};
pub use snapshot::Snapshot;
pub use view::View;

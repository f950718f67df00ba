//! What an agent shows.

mod facts;
mod snapshot;
mod view;

pub use facts::{Facts, Limits};
pub use snapshot::{Snapshot, Usage};
pub use view::View;

//! The view of an agent and its documents.

mod containers;
pub(crate) mod document;
mod entity;
mod operator;
mod operator_json;
mod sandboxes;
mod snapshot;
mod state_json;
mod static_info;
mod task;
mod view;
mod visible;

pub use containers::{InvalidSelection, Usage};
pub use document::Document;
pub use snapshot::Snapshot;
pub use static_info::{Limits, StaticInfo};
pub use view::View;

//! The view of a master and its documents.

mod document;
pub(crate) mod entity;
mod events;
mod failures;
mod operations;
mod operator;
mod operator_json;
pub(crate) mod policy;
mod policy_json;
mod roles;
mod snapshot;
mod state_json;
mod static_info;
mod summary;
mod tasks;
mod view;

pub use document::Document;
pub use snapshot::Snapshot;
pub use static_info::{Build, Limits, StaticInfo};
pub use view::View;

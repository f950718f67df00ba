//! The view of a master and its documents.

mod document;
pub(crate) mod entity;
mod events;
mod failures;
mod operations;
mod operator;
mod operator_json;
mod operator_protobuf;
pub(crate) mod policy;
mod policy_json;
pub(crate) mod resource_totals;
mod roles;
mod snapshot;
pub(crate) mod state_counts;
mod state_json;
mod static_info;
mod summary;
mod task;
mod tasks;
mod view;
mod visible;

pub use document::Document;
pub(crate) use roles::RoleShare;
pub use snapshot::Snapshot;
pub use static_info::{Build, Limits, Settings, StaticInfo};
pub use view::View;

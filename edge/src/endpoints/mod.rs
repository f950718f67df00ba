//! The endpoints that masters and agents have in common.

pub mod common;
pub mod files;
pub mod files_api;
pub mod help;
pub mod info;
pub mod logging;
pub mod metrics;
pub mod names;

//! Endpoints that masters and agents both have.

pub mod common;
pub mod files;
pub mod files_api;
pub mod help;
pub mod info;
pub mod logging;
pub mod metrics;
pub mod names;

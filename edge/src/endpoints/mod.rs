//! Endpoints that masters and agents both have.

pub mod files;
pub mod files_api;
pub mod info;
pub mod logging;
pub mod metrics;
pub mod names;

//! The cases, by subject. The numbers are those of the list of behaviours that each file covers.

mod agent_api;
mod agents;
mod all;
mod auth;
mod bad_input;
mod calls;
mod content;
mod draining;
mod driver;
mod executor;
mod follower;
mod maintenance;
mod offers;
mod operations;
mod operator;
mod quota;
mod reconciliation;
mod refusals;
mod reservations;
mod running;
mod subscription;
mod v0_endpoints;

pub use all::all;

//! Inverse offers: frameworks are asked to leave agents that will be unavailable.
//!
//! Each framework with resources offered or allocated on an agent with a window of unavailability gets one inverse
//! offer at a time. An answer ends it, and its filter delays the next one; then the framework is asked again, whatever
//! its answer was, as in Mesos.

mod maintenance_windows;
mod offers;

pub(crate) use maintenance_windows::MaintenanceWindows;
pub use offers::InverseOffer;

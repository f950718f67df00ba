//! Maintenance: frameworks are asked to leave agents that will be unavailable.
//!
//! An inverse offer goes to each framework that holds something (offered or allocated) on an agent with a window of
//! unavailability, one at a time. An answer ends it, and keeps the next one away for as long as its filter says;
//! then the framework is asked again, whatever it answered, since its plans may have changed (as in Mesos).

mod maintenance_windows;
mod offers;

pub(crate) use maintenance_windows::MaintenanceWindows;
pub use offers::InverseOffer;

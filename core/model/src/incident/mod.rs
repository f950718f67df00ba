//! Incidents: the records of failures that masters keep and show to readers.

mod filter;
#[expect(clippy::module_inception, reason = "the module owns the record that the folder is named after")]
mod incident;

pub use filter::{Filter, InvalidFilter};
pub use incident::{Action, Incident, IncidentUpdate, InvolvedObject, Kind, Severity, UnknownName};

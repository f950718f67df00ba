//! Mesos flags: command line, `MESOS_*` variables and `file://` values.
//!
//! Every flag of Mesos 1.11 is known by name, kind and default, so that an existing
//! start script works; each says whether it has an effect here.

mod definition;
mod error;
mod help;
mod parse;
mod tables;
mod value;

pub use definition::{Definition, Flag, Kind, Support};
pub use error::Error;
pub use help::help;
pub use parse::{Parsed, parse};
pub use tables::{AGENT, EXECUTE, LOCAL, MASTER};
pub use value::{format_bytes, parse_bool, parse_bytes};

//! Mesos flags: command line, `MESOS_*` variables and `file://` values.
//!
//! Every flag of Mesos 1.11 is known by name, type and default, so that existing start scripts work. A table says for
//! each flag whether it has an effect here. One table per program generates the struct that the program reads, the text
//! of `--help`, the names of the variables, and the content of `/flags`.

mod bounds;
mod choices;
mod definition;
mod error;
mod help;
mod macros;
mod parse;
mod samples;
mod suggest;
mod tables;
mod value;

pub use bounds::{Bounds, Size};
pub use choices::{
    BackendName, Containerizers, ExecutorContainerizer, LauncherName, LoggingLevel, ReconfigurationName, RecoverName,
    RegistryName, SorterName,
};
pub use definition::{Definition, Flag, FlagGroup, Kind, Program, Section, Support};
pub use error::{Error, Origin};
pub use help::help;
pub use parse::{Invocation, Parsed, Values, parse};
pub use samples::{extremes, invalid_values};
pub use tables::{
    AddressFlags, AgentFlags, DEFINITIONS, ExecuteFlags, LocalFlags, LoggingFlags, MasterFlags, NetworkIsolationFlags,
};
pub use value::{Bytes, Field, Json, JsonOrOff, List, Percent, Rate, Value, WatchedFile};

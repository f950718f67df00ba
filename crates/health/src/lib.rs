//! What is going wrong, and what to do about it: suspicion of agents, incidents, recovery policies. Pure: no I/O, no
//! clock. [`Monitor::observe`] is the only way in once it has inherited; what is to be done comes out as [`Order`]s.
//!
//! | module | owns |
//! | --- | --- |
//! | `phi` | how suspicious the silence of an agent is |
//! | `signals` | what agents say about themselves, and when that is pressure |
//! | `recent` | what happened within a span of time |
//! | `incident` | the record of one failure |
//! | `book` | the open incidents and a bounded history |
//! | `policy` | what an operator configured to be done |
//! | `patient` | all that is known of one agent |
//! | `monitor` | events in, incidents and orders out |
//! | `treatment` | which agents are kept from offers, within the limits |
//! | `legacy` | what outlives a master: what has to be written down, and what the next one makes of it |
//! | `filter` | which incidents somebody wants to hear of |
//! | `explain` | the reasoning about one agent, as JSON |

mod book;
mod explain;
mod filter;
mod incident;
mod legacy;
mod monitor;
mod patient;
mod phi;
mod policy;
mod recent;
mod signals;
mod treatment;

pub use filter::{Filter, InvalidFilter};
pub use incident::{Action, Incident, Kind, News, Severity, Subject, UnknownName};
pub use legacy::{Conduct, Legacy, Notes, Whereabouts};
pub use monitor::{Event, Loss, Monitor, Order, Tally};
pub use phi::{Suspicion, SuspicionOptions};
pub use policy::{Flapping, InvalidPolicy, Policy, Remedy, Rule};
pub use signals::{Bounds, Signals, Thresholds};

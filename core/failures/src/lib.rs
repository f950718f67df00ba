//! What is going wrong, and what to do about it: suspicion of agents, incidents, recovery policies. Pure: no I/O, no
//! clock. [`Monitor::observe`] is the only way in once it has inherited; what is to be done comes out as [`Effect`]s.
//!
//! | module | owns |
//! | --- | --- |
//! | `phi` | how suspicious the silence of an agent is |
//! | `signals` | what agents say about themselves, and when that is pressure |
//! | `sliding_window` | what happened within a span of time |
//! | `incidents` | the open incidents and a bounded history |
//! | `policy` | what an operator configured to be done |
//! | `subject` | all that is known of one agent |
//! | `monitor` | events in, incidents and effects out |
//! | `remediation` | which agents are kept from offers, within the limits |
//! | `persisted` | what outlives a master: what has to be written down, and what the next one makes of it |
//! | `explain` | the reasoning about one agent, as JSON |

mod explain;
mod incidents;
mod monitor;
mod persisted;
mod phi;
mod policy;
mod remediation;
mod signals;
mod sliding_window;
mod subject;

pub use model::incident::{
    Action, Filter, Incident, IncidentUpdate, InvalidFilter, InvolvedObject, Kind, Severity, UnknownName,
};
pub use monitor::{AgentLoss, Effect, Event, IncidentCounts, Monitor};
pub use persisted::{AgentRegistryState, FailureChanges, FailureHistory, PersistedFailures};
pub use phi::{Suspicion, SuspicionOptions};
pub use policy::{Flapping, InvalidPolicy, Policy, RemediationAction, Rule};
pub use signals::{Bounds, Signals, Thresholds};

//! Failure detection and remediation: suspicion of agents, incidents and recovery policies. The crate does no I/O and
//! reads no clock. [`Monitor::observe`] takes events in after [`Monitor::restore`] and returns [`Effect`]s.
//!
//! | module | owns |
//! | --- | --- |
//! | `phi` | the phi accrual failure detector |
//! | `signals` | measurements that agents report, and the bounds on them |
//! | `sliding_window` | a bounded record of recent events |
//! | `incidents` | the open incidents and a bounded history |
//! | `policy` | the recovery policy of the operator |
//! | `monitored_agent` | the state of one monitored agent |
//! | `task_health` | tasks whose health checks fail |
//! | `monitor` | the [`Monitor`]: events in, incidents and effects out |
//! | `remediation` | the agents that policies hold or drain, within limits |
//! | `persisted` | the state that outlives a master, and its restoration |
//! | `explain` | what is known of one agent, as JSON |

mod explain;
mod incidents;
mod monitor;
mod monitored_agent;
mod persisted;
mod phi;
mod policy;
mod remediation;
mod signals;
mod sliding_window;
mod task_health;

pub use model::incident::{
    Action, Filter, Incident, IncidentUpdate, InvalidFilter, InvolvedObject, Kind, Severity, UnknownName,
};
pub use monitor::{Effect, Event, IncidentCounts, Monitor};
pub use persisted::{AgentRegistryState, FailureChanges, FailureHistory, PersistedFailures};
pub use phi::{Suspicion, SuspicionOptions};
pub use policy::{Flapping, InvalidPolicy, Policy, RemediationAction, Rule};
pub use signals::{Bounds, Signals, Thresholds};

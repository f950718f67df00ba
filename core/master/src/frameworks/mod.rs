//! Frameworks: their subscription, the messages to them, and their removal.
//!
//! | module | owns |
//! | --- | --- |
//! | `framework` | one framework, and where its scheduler is |
//! | `index` | the set of all frameworks |
//! | `capabilities` | what a framework understands |
//! | `constraints` | offer constraints, as they were sent and compiled |
//! | `subscribe` | SUBSCRIBE, failover between connections, UPDATE_FRAMEWORK |
//! | `drivers` | the calls and subscriptions of v0 drivers |
//! | `connection` | events on a stream, or messages to a driver |
//! | `heartbeats` | heartbeats on the streams of HTTP schedulers |
//! | `event_counts` | how many events each framework was sent |
//! | `disconnect` | lost connections, failover timeouts, teardown |

mod capabilities;
mod connection;
mod constraints;
mod disconnect;
mod drivers;
mod event_counts;
mod framework;
mod heartbeats;
mod index;
mod subscribe;

pub(crate) use disconnect::{
    deactivate_framework_message, exited, failover_timed_out, remove_framework, stream_closed,
};
pub(crate) use drivers::{driver_call, register_framework, reregister_framework};
pub(crate) use event_counts::{count_events, framework_metrics};
pub(crate) use framework::{Connection, Framework, roles_of};
pub(crate) use heartbeats::heartbeat;
pub(crate) use index::Frameworks;
pub(crate) use subscribe::{recover_framework, subscribe_http, update_framework_call, update_framework_message};

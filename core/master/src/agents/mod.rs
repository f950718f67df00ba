//! Agents: their registration, their pings, and their removal.
//!
//! | module | owns |
//! | --- | --- |
//! | `agent` | one agent |
//! | `activity` | whether offers are made of an agent |
//! | `index` | the set of all agents, registered and unreachable |
//! | `capabilities`, `version` | what an agent understands |
//! | `registration` | agents that are new |
//! | `reregistration` | registered agents that register again |
//! | `readmission` | agents that return from an outage or come to a new master |
//! | `recovery` | agents of the registry that have not re-registered with this master |
//! | `pings` | pings of agents |
//! | `removal` | disconnection, marking unreachable, unregistration |
//! | `removal_limiter` | `--agent_removal_rate_limit` |

mod activity;
mod agent;
mod capabilities;
mod index;
mod pings;
mod readmission;
mod recovery;
mod registration;
mod removal;
mod removal_limiter;
mod reregistration;
mod version;

pub(crate) use activity::ActivityChange;
pub(crate) use agent::Agent;
pub(crate) use index::{Agents, UnreachableAgent};
pub(crate) use pings::{ping, pong};
pub(crate) use readmission::readmitted;
pub(crate) use recovery::{Recovery, ping_recovered_agents, recover_from_registry, recovered_agents_timed_out};
pub(crate) use registration::{admitted, register_agent, upgrade};
pub(crate) use removal::{
    agent_disconnected, agent_removed, can_be_removed, finish_agent_removal, frameworks_on, marked_unreachable,
    remove_agent, remove_framework_from_agent, reregistration_timed_out, shut_down_agent, unregister_agent,
};
pub(crate) use removal_limiter::{AgentRemovalLimiter, process_scheduled_removals};
pub(crate) use reregistration::{
    current_status, reregister_agent, reregistered, send_checkpointed_resources, update_agent,
};

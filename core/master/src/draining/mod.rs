//! The decisions of operators about agents: gone, deactivated, or draining.
//!
//! The durable part is the agent's record in the registry; draining and deactivation stay with an agent through outages
//! and failovers.

mod agent_state;
mod calls;
mod gone;

pub(crate) use agent_state::{
    AgentStateChange, agent_state_stored, check_drained, drain_state_of, marked_drained, send_drain,
    update_agent_activity,
};
pub(crate) use calls::{agent_state_call, cannot_drain, is_known};
pub(crate) use gone::marked_gone;

//! What operators decide about agents: that they are gone, get no offers, or are to be emptied.
//!
//! The durable half is the agent's record in the registry; draining and deactivation stay with an agent through outages
//! and failovers.

mod agent_state;
mod calls;
mod gone;

pub(crate) use agent_state::AgentStateChange;

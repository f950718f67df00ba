//! Quota: what roles are promised, what they may not exceed, and what they use of it.
//!
//! | module | owns |
//! | --- | --- |
//! | `terms` | [`Quota`]: guarantees and limits |
//! | `check` | whether the quotas of a tree of roles fit into each other |
//! | `ledger` | promises and use of every role, and what follows: who may be given how much |
//! | `room` | how much a role may be given now |
//! | `held_back` | agents of which something was kept back, and when to look at them again |
//! | `explain` | why a role is given less than is there |
//! | `books` | keeping the ledger: setting quota, showing it |

mod allowance;
mod check;
mod config;
mod explain;
mod headroom_agents;
mod ledger;
mod tracking;

pub(crate) use allowance::RoleAllowance;
pub use check::{QuotaError, check_quotas};
pub use config::{Quota, ResourceLimits};
pub(crate) use headroom_agents::{DirtyRoles, HeadroomAgents};
pub(crate) use ledger::{Account, EffectiveQuota, Ledger};
pub use tracking::QuotaView;

//! Quota: guarantees and limits of roles, and what counts against them. The semantics are those of Mesos 1.9 and later,
//! extended to nested roles.
//!
//! | module | owns |
//! | --- | --- |
//! | `config` | [`Quota`]: guarantees and limits |
//! | `check` | whether the quotas of nested roles fit into those of their parents |
//! | `ledger` | guarantees, limits and consumption of every role |
//! | `allowance` | how much a role may be allocated now |
//! | `headroom_agents` | agents with resources that are withheld as headroom for guarantees |
//! | `explain` | the reasons for which quota withholds resources from a role |
//! | `tracking` | setting and showing quota, and keeping the ledger up to date |

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

//! Who is offered what next: hierarchical fair sharing, quota, filters, constraints. Pure.
//!
//! [`Allocator`] is told what exists and what changed; [`Allocator::allocate`] looks only at what is dirty.
//!
//! | module | owns |
//! | --- | --- |
//! | `allocator` | the whole |
//! | `agents`, `frameworks` | how they come, change and go |
//! | `holdings` | who holds what |
//! | `dirty` | what the next run must look at |
//! | `run` | one allocation run: who gets what of the dirty agents |
//! | `look` | one look at one agent |
//! | `tree` | roles and frameworks in the order of their shares |
//! | `agent`, `framework` | what is known of each |
//! | `quota` | what roles are promised and may not exceed, and what they use |
//! | `partitions` | parts of the cluster that are lent and come back |
//! | `refusals` | what frameworks declined, until when |
//! | `constraints` | what frameworks demand of agents |
//! | `rules` | which framework may see which agent and which of its resources |
//! | `inverse` | maintenance: who is asked to leave which agent |
//! | `recovery` | the pause after a failover |
//! | `explain` | why something is not offered |
//! | `standing` | the same over all agents |

#![warn(missing_docs)]

mod agent;
mod agent_visit;
mod agents;
mod allocation_tracking;
mod allocator;
mod amounts;
mod constraints;
mod dirty;
mod eligibility;
mod explain;
mod explain_query;
mod framework;
mod frameworks;
mod inverse_offers;
mod offer_filters;
mod options;
mod partitions;
mod quota;
mod recovery;
mod run;
mod slab;
mod tree;

pub use allocator::{Allocator, RoleView};
pub use constraints::{InvalidConstraints, InvalidPattern, OfferConstraintsFilter, PatternLimits};
pub use explain::IneligibilityReason;
pub use explain_query::{AgentEligibility, ExplainQuery, Explanation, OfferEligibility, ReasonCount};
pub use inverse_offers::InverseOffer;
pub use options::{AgentOptions, FrameworkOptions, Options, Sorter, UnknownSorter};
pub use partitions::{AllocatedResources, Partition, PartitionId, PartitionView, Preemption};
pub use quota::{Quota, QuotaError, QuotaView, ResourceLimits, check_quotas};
pub use run::Allocation;

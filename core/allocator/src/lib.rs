//! The hierarchical allocator: it decides which resources are offered to which framework in which role. It follows
//! Mesos' `HierarchicalDRFAllocatorProcess`: dominant resource fairness (Ghodsi et al., NSDI 2011) over a tree of
//! roles, quota, offer filters and offer constraints. The crate does no I/O and reads no clock.
//!
//! The master reports every change to [`Allocator`]; [`Allocator::allocate`] visits only the agents that are dirty.
//!
//! | module | owns |
//! | --- | --- |
//! | `allocator` | the [`Allocator`] and its queries |
//! | `agents`, `frameworks` | adding, updating and removing agents and frameworks |
//! | `allocation_tracking` | the allocations of each framework on each agent |
//! | `dirty` | the agents and frameworks that the next run visits |
//! | `run` | one allocation run over the dirty agents |
//! | `agent_visit` | the visit of one agent within a run |
//! | `tree` | the sorters: roles and frameworks in the order of their shares |
//! | `agent`, `framework` | the state of one agent and of one framework |
//! | `amounts`, `slab` | scalar amounts and indices in compact form |
//! | `quota` | guarantees and limits of roles, and what counts against them |
//! | `partitions` | guaranteed parts of the cluster that can be lent and preempted |
//! | `offer_filters` | offer filters: what frameworks declined, and until when |
//! | `constraints` | offer constraints on the attributes of agents |
//! | `eligibility` | capabilities that frameworks and agents need for an offer |
//! | `inverse_offers` | inverse offers for agents under maintenance |
//! | `recovery` | the pause of allocation after a failover |
//! | `explain` | the reasons for which an agent is not offered to a framework |
//! | `explain_query` | these reasons, summed up over all agents |

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

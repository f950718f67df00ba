//! The decisions of operators about the cluster as a whole: weights, quota, partitions, maintenance. Every change is
//! durable before it is applied and answered.
//!
//! | module | owns |
//! | --- | --- |
//! | `change` | from an operator's call to a stored, applied and answered change |
//! | `weights` | weights of roles |
//! | `quota` | quota of roles, and the offers that are rescinded for it |
//! | `consumption` | the resources that roles use |
//! | `partitions` | the checks of a partition, and its application |
//! | `preemption` | the tasks that are killed so that a partition gets back what it lent |
//! | `machines` | the machine of an agent, and the checks of a maintenance schedule |
//! | `maintenance` | the schedule, machines taken down and brought up, windows of unavailability |
//! | `inverse` | inverse offers: frameworks are asked to leave agents |

mod change;
mod consumption;
mod inverse;
mod machines;
mod maintenance;
mod partitions;
mod preemption;
mod quota;
mod weights;

pub(crate) use change::{
    Policy, PolicyChange, apply_policy_change, is_policy_call, partition_call, policy_call, recover_policy,
};
pub(crate) use inverse::{
    InverseOffers, accept_inverse_offers, decline_inverse_offers, end_inverse_offer, end_inverse_offers_of_framework,
    make_inverse_offers, rescind_inverse_offers_of_agent,
};
pub(crate) use maintenance::{is_machine_down, maintenance, set_window_of_new_agent};
pub(crate) use preemption::{PreemptedTasks, preempt, rewrite_preempted_status};

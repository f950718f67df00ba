//! What operators decide about the cluster as a whole: weights, quota, partitions, maintenance. Every change of it is
//! durable before it is applied and answered.
//!
//! | module | owns |
//! | --- | --- |
//! | `change` | from an operator's call to a stored, applied and answered change |
//! | `weights` | weights of roles |
//! | `quota` | quota of roles, and which offers make room for it |
//! | `consumption` | what roles use |
//! | `partitions` | whether a partition makes sense, and keeping it |
//! | `preemption` | which tasks end so that a partition gets back what it lent |
//! | `machines` | which machine an agent runs on, and whether machines make a maintenance schedule |
//! | `maintenance` | the schedule, machines going down and coming up, windows of unavailability |
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

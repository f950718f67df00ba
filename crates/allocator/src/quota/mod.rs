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

mod books;
mod check;
mod explain;
mod held_back;
mod ledger;
mod room;
mod terms;

pub use books::QuotaView;
pub use check::{QuotaError, check_quotas};
pub(crate) use held_back::{HeldBack, Stirred};
pub(crate) use ledger::{Account, Ledger, Promise};
pub(crate) use room::Room;
pub use terms::{Limits, Quota};

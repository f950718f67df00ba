//! The sorters: a tree of roles and frameworks whose siblings are in the order in which they are allocated resources.
//!
//! ```text
//! root ── eng ── "."  ── framework 1       frameworks of role eng itself (the virtual leaf of Mesos)
//!     │      │        └─ framework 2
//!     │      └── web ── "." ── framework 1  role eng/web
//!     └── ads ── "." ── framework 3
//! ```
//!
//! With the sorter `drf` siblings are ordered by dominant share divided by weight, then by the number of allocations,
//! then by name; with `random` their order is random, with a preference for larger weights.

mod node;
mod order;
mod random_order;
mod structure;

pub(crate) use node::{Kind, Node};
pub(crate) use order::{VisitScope, Visitor};
pub(crate) use structure::Tree;

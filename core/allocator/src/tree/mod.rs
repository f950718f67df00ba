//! Roles and frameworks in the order in which they deserve the next resources.
//!
//! ```text
//! root ── eng ── "."  ── framework 1       frameworks of role eng itself (the virtual leaf of Mesos)
//!     │      │        └─ framework 2
//!     │      └── web ── "." ── framework 1  role eng/web
//!     └── ads ── "." ── framework 3
//! ```
//!
//! With the sorters `drf`, siblings are ordered by dominant share (over weight), then by how often they were chosen, then by name; with `random` by chance.

mod node;
mod order;
mod random_order;
mod structure;

pub(crate) use node::{Kind, Node};
pub(crate) use order::{VisitScope, Visitor};
pub(crate) use structure::Tree;

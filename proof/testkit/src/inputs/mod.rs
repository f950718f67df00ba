//! Every field of the messages that a process receives, one after the other: what is filled or changed in it, and what
//! that costs.
//!
//! | module | contents |
//! | --- | --- |
//! | `samples` | JSON of valid messages, generated from their descriptors |
//! | [`cost`] | fills each string and list of each message, and measures the memory and the time of its processing |
//! | [`documents`] | JSON that is no message: documents with one filled part, and shapes that no schema has |

pub mod cost;
pub mod documents;
mod samples;
mod visit;

pub use samples::{Samples, insert};
pub use visit::{InputKind, Process, Visited, visit_fields, visit_unvisited};

//! The thread that runs a core: its inbox, its timers, and the targets of its effects.

mod clock;
pub mod effect_handler;
pub mod host_interpreter;
mod inbox;
pub mod queue;
mod thread;
pub(crate) mod timers;

pub use clock::Clock;
pub use inbox::{Inbox, InboxBatch, InboxItem, Stopped, StreamOpenReply};
pub use thread::{Host, shrink_after_burst, spawn};

//! The thread that runs a core: its inbox, its timers, and what its effects act on.

pub mod effect_handler;
pub mod host_interpreter;
pub mod queue;
mod thread;
pub(crate) mod timers;

pub use thread::{Clock, Host, Inbox, InboxItem, Stopped, StreamOpenReply, shrink_after_burst, spawn};

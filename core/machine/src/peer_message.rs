//! A libprocess message as a machine receives it.

use messages::Message;
use model::{Caller, Upid};

/// A libprocess message to one of the processes of a machine: from a master, an agent, a driver or a v0 executor.
#[derive(Debug)]
pub struct PeerMessage {
    /// The sender, as the message says.
    pub from: Upid,
    /// The peer that the connection belongs to, as the edge has determined it.
    pub caller: Caller,
    /// The process id it was addressed to: `master`, `slave-observer(7)`, `slave(1)`.
    pub to: String,
    /// The message.
    pub message: Message,
}

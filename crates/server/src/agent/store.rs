//! Where the agent's records are kept.

use std::sync::Arc;

use ::agent::{Input, Record, StoreToken};

use super::host::AgentHost;
use crate::edge::core_thread::{Inbox, Mail};

/// Makes records durable, in order, and then has `Input::Stored` delivered for each.
pub trait RecordStore: Send {
    fn store(&mut self, token: StoreToken, record: Record);
}

/// Keeps nothing: a restarted agent is a new one.
pub struct InMemory {
    inbox: Arc<Inbox<AgentHost>>,
}

impl InMemory {
    pub fn new(inbox: Arc<Inbox<AgentHost>>) -> Self {
        InMemory { inbox }
    }
}

impl RecordStore for InMemory {
    fn store(&mut self, token: StoreToken, _record: Record) {
        self.inbox.send_control(Mail::Input(Input::Stored(token)));
    }
}

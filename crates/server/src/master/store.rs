//! Where the master's registry is kept.

use std::sync::Arc;

use ::master::{Input, RegistryOperation, StoreToken};

use super::host::MasterHost;
use crate::edge::core_thread::{Inbox, Mail};

/// Makes operations durable, in order, and then has `Input::Stored` delivered for each.
pub trait RegistryStore: Send {
    fn store(&mut self, token: StoreToken, operation: RegistryOperation);
}

/// Keeps nothing (`--registry=in_memory`): everything is as durable as it gets at once.
pub struct InMemory {
    inbox: Arc<Inbox<MasterHost>>,
}

impl InMemory {
    pub fn new(inbox: Arc<Inbox<MasterHost>>) -> Self {
        InMemory { inbox }
    }
}

impl RegistryStore for InMemory {
    fn store(&mut self, token: StoreToken, _operation: RegistryOperation) {
        self.inbox.send_control(Mail::Input(Input::Stored(token)));
    }
}

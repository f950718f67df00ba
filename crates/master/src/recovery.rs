//! The beginning of a master's term: what the one before it left behind.

use crate::cx::Cx;
use crate::master::Master;
use crate::registry::{RegistryOperation, Waiting};

impl Master {
    pub(crate) fn take_over(&mut self, cx: &mut Cx<'_>) {
        self.store(cx, RegistryOperation::Recover(Box::new(self.info.clone())), Waiting::Nothing);
    }
}

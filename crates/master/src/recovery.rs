//! The beginning of a master's term: what the one before it left behind.

use crate::cx::Cx;
use crate::master::Master;

impl Master {
    pub(crate) fn take_over(&mut self, cx: &mut Cx<'_>) {
        self.take_over_policy(cx);
    }
}

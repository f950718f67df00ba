//! Who watches a batch: progress for people, lines for scripts, the output of its only task.

use std::time::Duration;

use client::{Address, Error};
use messages::v1;

use super::plan::Plan;
use crate::output;

/// A batch of which nothing runs while tasks wait for an offer.
#[derive(Debug, Clone, PartialEq)]
pub struct Stalled {
    pub master: Address,
    pub framework: v1::FrameworkId,
    /// What the first task that waits asks for, as flags of Mesos have it: `cpus:1000;mem:32`.
    pub demand: String,
}

/// Told what happens, in order. Everything is optional.
pub trait Observer {
    /// Only for the first subscription.
    fn subscribed(&mut self, _framework: &v1::FrameworkId) {}
    fn launched(&mut self, _tasks: &[v1::TaskInfo]) {}
    fn updated(&mut self, _status: &v1::TaskStatus) {}
    /// After every event.
    fn changed(&mut self, _plan: &Plan) {}
    /// Again and again for as long as it is so.
    fn stalled(&mut self, _stalled: Stalled) {}
    /// The subscription has ended and is sought again.
    fn lost(&mut self, error: &Error, retry_in: Duration) {
        output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
    }
    fn finished(&mut self) {}
}

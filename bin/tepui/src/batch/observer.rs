//! The observer of a batch. It shows progress, prints lines for scripts, or copies the output of a single task.

use std::time::Duration;

use messages::v1;
use tepui_client::{Address, Error};

use super::plan::Plan;
use crate::output;

/// A batch whose tasks wait for an offer while none of them runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Stalled {
    pub master: Address,
    pub framework: v1::FrameworkId,
    /// The resources that the first waiting task asks for, in the syntax of Mesos flags: `cpus:1000;mem:32`.
    pub demand: String,
}

/// Is notified of events in order. Every method is optional.
pub trait Observer {
    /// Called for the first subscription only.
    fn subscribed(&mut self, _framework: &v1::FrameworkId) {}
    fn launched(&mut self, _tasks: &[v1::TaskInfo]) {}
    /// Called for every status update, also if it is sent again or tells of a check alone.
    fn received(&mut self, _status: &v1::TaskStatus) {}
    /// Called for an update that changes the state of a task.
    fn updated(&mut self, _status: &v1::TaskStatus) {}
    /// Called after every event.
    fn changed(&mut self, _plan: &Plan) {}
    /// Called repeatedly for as long as the batch is stalled.
    fn stalled(&mut self, _stalled: Stalled) {}
    /// Called when the subscription has ended and is tried again.
    fn lost(&mut self, error: &Error, retry_in: Duration) {
        output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
    }
    fn finished(&mut self) {}
}

//! Who watches a batch: progress for people, lines for scripts, nobody.

use messages::v1;

use super::plan::Plan;

/// Told what happens, in order. Everything is optional.
pub trait Observer {
    fn subscribed(&mut self, _framework: &v1::FrameworkId) {}
    fn launched(&mut self, _tasks: &[v1::TaskInfo]) {}
    fn updated(&mut self, _status: &v1::TaskStatus) {}
    /// After every event.
    fn changed(&mut self, _plan: &Plan) {}
    fn finished(&mut self) {}
}

/// Nobody.
#[derive(Debug)]
pub struct NoObserver;

impl Observer for NoObserver {}

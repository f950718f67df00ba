//! When the allocator runs next.

use model::Monotonic;

/// The timer of allocation runs.
#[derive(Debug, Default)]
pub(crate) struct AllocationTimer {
    /// When the next run is due, if one is.
    due: Option<Monotonic>,
}

impl AllocationTimer {
    /// Sees to it that a run is due at this time or before. Returns whether the timer has to be armed for that.
    pub(super) fn bring_forward(&mut self, at: Monotonic) -> bool {
        let is_earlier = self.due.is_none_or(|due| due > at);
        if is_earlier {
            self.due = Some(at);
        }
        is_earlier
    }

    /// The timer has fired: no run is due.
    pub(super) fn fired(&mut self) {
        self.due = None;
    }
}

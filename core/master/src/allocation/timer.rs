//! The time of the next allocation run.

use model::Monotonic;

/// The timer of allocation runs.
#[derive(Debug, Default)]
pub(crate) struct AllocationTimer {
    /// The time at which the next run is due; `None` if no run is due.
    due: Option<Monotonic>,
}

impl AllocationTimer {
    /// Ensures that a run is due at this time or earlier. Returns whether the caller has to arm the timer.
    pub(super) fn bring_forward(&mut self, at: Monotonic) -> bool {
        let is_earlier = self.due.is_none_or(|due| due > at);
        if is_earlier {
            self.due = Some(at);
        }
        is_earlier
    }

    /// Records that the timer has fired, so that no run is due.
    pub(super) fn fired(&mut self) {
        self.due = None;
    }
}

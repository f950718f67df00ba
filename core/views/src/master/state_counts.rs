//! The number of tasks in each state.

use messages::v1::TaskState;

/// The length of the array: one more than the largest number of a state.
const STATES: usize = 14;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StateCounts([u64; STATES]);

impl StateCounts {
    pub fn get(&self, state: TaskState) -> u64 {
        self.0.get(state as usize).copied().unwrap_or_default()
    }

    pub fn increment(&mut self, state: TaskState) {
        if let Some(count) = self.0.get_mut(state as usize) {
            *count += 1;
        }
    }

    /// Decreases the count of a state. A count of zero stays zero.
    pub fn decrement(&mut self, state: TaskState) {
        if let Some(count) = self.0.get_mut(state as usize) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_counted() {
        let mut counts = StateCounts::default();
        let states = || (0..64).filter_map(|number| TaskState::try_from(number).ok());
        for state in states() {
            counts.increment(state);
        }
        assert!(states().all(|state| counts.get(state) == 1));
        states().for_each(|state| counts.decrement(state));
        states().for_each(|state| counts.decrement(state));
        assert_eq!(counts, StateCounts::default());
    }
}

//! The armed timers of a core, each with at most one deadline.

use std::collections::{BTreeMap, BTreeSet};

use model::Monotonic;

/// A set of timers ordered by deadline.
pub struct Timers<T> {
    due: BTreeSet<(Monotonic, T)>,
    deadlines: BTreeMap<T, Monotonic>,
}

impl<T: Ord + Clone> Timers<T> {
    /// Makes an empty set.
    pub fn new() -> Self {
        Timers { due: BTreeSet::new(), deadlines: BTreeMap::new() }
    }

    /// Sets the deadline of `timer`, in place of an earlier one.
    pub fn arm(&mut self, timer: T, at: Monotonic) {
        self.disarm(&timer);
        self.deadlines.insert(timer.clone(), at);
        self.due.insert((at, timer));
    }

    /// Removes the deadline of `timer`.
    pub fn disarm(&mut self, timer: &T) {
        if let Some((timer, at)) = self.deadlines.remove_entry(timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Returns the earliest deadline.
    pub fn next(&self) -> Option<Monotonic> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Removes and returns the earliest timer that is due.
    pub fn pop_due(&mut self, now: Monotonic) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.deadlines.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    fn all_due(timers: &mut Timers<&'static str>, now: u64) -> Vec<&'static str> {
        std::iter::from_fn(|| timers.pop_due(at(now))).collect()
    }

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let mut timers = Timers::new();
        timers.arm("late", at(9));
        timers.arm("second", at(2));
        timers.arm("first", at(1));
        assert_eq!(all_due(&mut timers, 5), ["first", "second"]);
        assert_eq!(timers.next(), Some(at(9)));
    }

    #[test]
    fn arming_again_replaces_the_deadline() {
        let mut timers = Timers::new();
        timers.arm("ping", at(1));
        timers.arm("ping", at(7));
        assert_eq!(all_due(&mut timers, 6), [""; 0]);
        assert_eq!(all_due(&mut timers, 7), ["ping"]);
        assert_eq!(all_due(&mut timers, 99), [""; 0]);
    }

    #[test]
    fn a_disarmed_timer_does_not_fire() {
        let mut timers = Timers::new();
        timers.arm("ping", at(1));
        timers.disarm(&"ping");
        assert_eq!(timers.next(), None);
        assert_eq!(all_due(&mut timers, 9), [""; 0]);
    }
}

//! A timing wheel: keys that recur with one period, grouped so that one timer serves all keys of a slot. Ten thousand
//! agents cost a few timers a second, not ten thousand.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Monotonic;

/// The number of slots; a period of 15 s is divided into slots of 250 ms.
const SLOTS: u128 = 60;

#[derive(Debug)]
pub(crate) struct TimingWheel<K> {
    width: Duration,
    period: Duration,
    /// The keys of each slot, each with the time before which it is not due.
    slots: Vec<BTreeMap<K, Monotonic>>,
}

/// The timer of a slot after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rearm {
    pub slot: u32,
    pub at: Monotonic,
}

impl<K: Ord + Clone> TimingWheel<K> {
    pub fn new(period: Duration) -> Self {
        let width = (period / SLOTS as u32).max(Duration::from_nanos(1));
        TimingWheel { width, period: width * SLOTS as u32, slots: (0..SLOTS).map(|_| BTreeMap::new()).collect() }
    }

    /// Adds a key that is first due one period from now (rounded up to the slot). Arms the slot's timer if the key is
    /// its first.
    pub fn insert(&mut self, now: Monotonic, key: K) -> (u32, Option<Rearm>) {
        let tick = self.tick(now) + 1;
        let slot = (tick % SLOTS) as u32;
        let Some(keys) = self.slots.get_mut(slot as usize) else { return (slot, None) };
        let first = keys.is_empty();
        keys.insert(key, now + self.period);
        (slot, first.then(|| Rearm { slot, at: self.at(tick + SLOTS) }))
    }

    /// Removes a key. Returns whether the slot is empty now, so that its timer has no purpose.
    pub fn remove(&mut self, slot: u32, key: &K) -> bool {
        match self.slots.get_mut(slot as usize) {
            Some(keys) => keys.remove(key).is_some() && keys.is_empty(),
            None => false,
        }
    }

    /// Returns the keys that are due, and the time at which the slot is due next. A late call (a stalled process) fires
    /// once, not once for each missed period: no peer had a chance to answer.
    pub fn fire(&mut self, slot: u32, now: Monotonic) -> (Vec<K>, Option<Rearm>) {
        let tick = self.tick(now);
        let ahead = (u128::from(slot) + SLOTS - tick % SLOTS) % SLOTS;
        let next = tick + if ahead == 0 { SLOTS } else { ahead };
        let at = self.at(next);
        let period = self.period;
        let Some(keys) = self.slots.get_mut(slot as usize) else { return (Vec::new(), None) };
        // After a late call the next tick of the slot may be near, so the period begins anew now.
        let hold = if at.since(now) < period - period / 20 { at + period } else { now };
        let mut due = Vec::new();
        for (key, from) in keys.iter_mut().filter(|(_, from)| **from <= now) {
            due.push(key.clone());
            *from = hold;
        }
        let rearm = (!keys.is_empty()).then_some(Rearm { slot, at });
        (due, rearm)
    }

    fn tick(&self, now: Monotonic) -> u128 {
        now.since_start().as_nanos() / self.width.as_nanos()
    }

    fn at(&self, tick: u128) -> Monotonic {
        let nanos = tick.saturating_mul(self.width.as_nanos());
        Monotonic::from_start(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: f64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_key_is_due_every_period_after_its_insertion() {
        let mut wheel = TimingWheel::new(Duration::from_secs(15));
        let (slot, rearm) = wheel.insert(secs(100.1), "a");
        let at = rearm.unwrap().at;
        assert_eq!(at, secs(115.25));
        let (due, rearm) = wheel.fire(slot, at);
        assert_eq!(due, ["a"]);
        assert_eq!(rearm.unwrap().at, secs(130.25));
        let (due, _) = wheel.fire(slot, secs(130.25));
        assert_eq!(due, ["a"]);
    }

    #[test]
    fn a_key_added_to_an_armed_slot_is_due_after_a_full_period() {
        let mut wheel = TimingWheel::new(Duration::from_secs(15));
        let (slot, _) = wheel.insert(secs(100.1), "old");
        let (same, rearm) = wheel.insert(secs(115.1), "new");
        assert_eq!((same, rearm), (slot, None));
        assert_eq!(wheel.fire(slot, secs(115.25)).0, ["old"]);
        assert_eq!(wheel.fire(slot, secs(130.25)).0, ["new", "old"]);
    }

    #[test]
    fn missed_periods_are_due_once() {
        let mut wheel = TimingWheel::new(Duration::from_secs(15));
        let (slot, _) = wheel.insert(secs(0.0), "a");
        let (due, rearm) = wheel.fire(slot, secs(90.0));
        assert_eq!(due, ["a"]);
        let next = rearm.unwrap().at;
        assert_eq!(next, secs(90.25));
        assert_eq!(wheel.fire(slot, next).0, Vec::<&str>::new());
        assert_eq!(wheel.fire(slot, secs(105.25)).0, ["a"]);
    }

    #[test]
    fn an_emptied_slot_is_not_rearmed() {
        let mut wheel = TimingWheel::new(Duration::from_secs(15));
        let (slot, _) = wheel.insert(secs(0.0), "a");
        assert!(wheel.remove(slot, &"a"));
        assert!(!wheel.remove(slot, &"a"));
        assert_eq!(wheel.fire(slot, secs(15.25)), (vec![], None));
    }
}

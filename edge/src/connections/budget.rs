//! The memory that unfinished requests may take, over all connections, and that large answers may take that somebody
//! still reads.
//!
//! A request is counted as bytes arrive, not as they are announced: whoever only announces much, or sends nothing more, takes
//! nothing from others.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{MAX_ANSWERS_KIB, MAX_BODIES_KIB};

/// What every request may take without asking, and the step in which shares grow.
const STEP: usize = 64 * 1024;
const KIB: usize = 1024;

#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

/// The part of the budget that one request has, until it is dropped.
pub struct Share {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

/// Waiting would not help: those who hold the budget may be waiting for more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Too much is being received or sent at the moment")]
pub struct Exhausted;

/// Bytes that hold their part of the budget until the last of those who share them is done.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Budget {
    /// Of requests.
    pub fn new() -> Self {
        Budget(Arc::new(Semaphore::new(MAX_BODIES_KIB)))
    }

    /// Of answers.
    pub fn of_answers() -> Self {
        Budget(Arc::new(Semaphore::new(MAX_ANSWERS_KIB)))
    }

    /// Bytes of which every clone is the same memory.
    pub fn hold(&self, bytes: Vec<u8>) -> Result<Bytes, Exhausted> {
        let kib = u32::try_from(bytes.len().div_ceil(KIB)).map_err(|_| Exhausted)?;
        let permit = self.0.clone().try_acquire_many_owned(kib).map_err(|_| Exhausted)?;
        Ok(Bytes::from_owner(Held { bytes, _permit: permit }))
    }

    pub fn share(&self) -> Share {
        Share { budget: self.clone(), held: None }
    }
}

impl Share {
    /// Grows or shrinks to what `bytes` need.
    pub fn fit(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let wanted = if bytes <= STEP { 0 } else { bytes.next_multiple_of(STEP) / KIB };
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if wanted == 0 {
            self.held = None;
        } else if wanted < held {
            drop(self.held.as_mut().and_then(|permit| permit.split(held - wanted)));
        } else if wanted > held {
            let missing = u32::try_from(wanted - held).map_err(|_| Exhausted)?;
            let more = self.budget.0.clone().try_acquire_many_owned(missing).map_err(|_| Exhausted)?;
            match &mut self.held {
                Some(permit) => permit.merge(more),
                None => self.held = Some(more),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(budget: &Budget) -> usize {
        budget.0.available_permits()
    }

    #[test]
    fn shares_grow_and_shrink_with_what_has_arrived() {
        let budget = Budget::new();
        let mut share = budget.share();
        for (bytes, kib) in
            [(STEP, 0), (STEP + 1, 128), (MAX_BODIES_KIB * KIB, MAX_BODIES_KIB), (STEP * 3, 192), (0, 0)]
        {
            assert_eq!(share.fit(bytes), Ok(()));
            assert_eq!(left(&budget), MAX_BODIES_KIB - kib, "{bytes}");
        }
    }

    #[test]
    fn an_answer_counts_once_until_its_last_reader_is_done() {
        let budget = Budget::of_answers();
        let first = budget.hold(vec![7; 3 * KIB]).unwrap();
        let second = first.clone();
        assert_eq!((left(&budget), &*second), (MAX_ANSWERS_KIB - 3, &[7; 3 * KIB][..]));
        drop(first);
        assert_eq!(left(&budget), MAX_ANSWERS_KIB - 3);
        drop(second);
        assert_eq!(left(&budget), MAX_ANSWERS_KIB);
        let all = budget.0.clone().try_acquire_many_owned(MAX_ANSWERS_KIB as u32).unwrap();
        assert_eq!(budget.hold(vec![7]), Err(Exhausted));
        drop(all);
    }

    #[test]
    fn at_the_bound_only_small_requests_go_on() {
        let budget = Budget::new();
        let (mut greedy, mut late) = (budget.share(), budget.share());
        assert_eq!(greedy.fit(MAX_BODIES_KIB * KIB), Ok(()));
        assert_eq!(late.fit(STEP), Ok(()));
        assert_eq!(late.fit(STEP + 1), Err(Exhausted));
        drop(greedy);
        assert_eq!(late.fit(STEP + 1), Ok(()));
    }
}

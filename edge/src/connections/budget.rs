//! The budgets of memory over all connections: one for unfinished requests, and one for large responses that are still
//! being read.
//!
//! A request counts the bytes that have arrived, and not the length that it announces. A peer that announces a long
//! body and sends nothing therefore takes no memory from others.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{MAX_ANSWERS_KIB, MAX_BODIES_KIB};

/// The bytes that every request may take without a permit, and the step in which shares grow.
const STEP: usize = 64 * 1024;
const KIB: usize = 1024;

/// A budget in KiB. Clones share it.
#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

/// The part of the budget that one request holds until the share is dropped.
pub struct Share {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

/// The budget has no memory left. Nobody waits for it, because the holders may themselves be waiting for more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Too much is being received or sent at the moment")]
pub struct Exhausted;

/// Bytes that hold their part of the budget until the last clone is dropped.
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
    /// Returns the budget of request bodies, [`MAX_BODIES_KIB`].
    pub fn of_requests() -> Self {
        Budget(Arc::new(Semaphore::new(MAX_BODIES_KIB)))
    }

    /// Returns the budget of responses, [`MAX_ANSWERS_KIB`].
    pub fn of_answers() -> Self {
        Budget(Arc::new(Semaphore::new(MAX_ANSWERS_KIB)))
    }

    /// Takes `bytes` into the budget until the last clone of the result is dropped. Clones share the memory.
    ///
    /// # Errors
    /// Returns [`Exhausted`] if the budget has less than `bytes` left.
    pub fn hold(&self, bytes: Vec<u8>) -> Result<Bytes, Exhausted> {
        let kib = u32::try_from(bytes.len().div_ceil(KIB)).map_err(|_| Exhausted)?;
        let permit = self.0.clone().try_acquire_many_owned(kib).map_err(|_| Exhausted)?;
        Ok(Bytes::from_owner(Held { bytes, _permit: permit }))
    }

    /// Returns a share of this budget that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), held: None }
    }
}

impl Share {
    /// Grows or shrinks the share to the size that a body of `bytes` needs. A body of up to 64 KiB needs nothing.
    ///
    /// # Errors
    /// Returns [`Exhausted`] if the budget cannot cover the growth; the share then stays as it is.
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
        let budget = Budget::of_requests();
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
    fn at_the_bound_only_small_requests_are_admitted() {
        let budget = Budget::of_requests();
        let (mut greedy, mut late) = (budget.share(), budget.share());
        assert_eq!(greedy.fit(MAX_BODIES_KIB * KIB), Ok(()));
        assert_eq!(late.fit(STEP), Ok(()));
        assert_eq!(late.fit(STEP + 1), Err(Exhausted));
        drop(greedy);
        assert_eq!(late.fit(STEP + 1), Ok(()));
    }
}

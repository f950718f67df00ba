//! One metric that a core writes and readers read at any time.

use std::sync::atomic::{AtomicI64, Ordering};

/// A counter or a gauge. Readers may see it at any moment; nothing is ordered by it.
#[derive(Debug, Default)]
pub struct MetricValue(AtomicI64);

impl MetricValue {
    pub fn increment(&self) {
        self.add(1);
    }

    pub fn decrement(&self) {
        self.add(-1);
    }

    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

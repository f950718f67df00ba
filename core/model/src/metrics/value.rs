//! One value that a core writes and readers read at any time.

use std::sync::atomic::{AtomicI64, Ordering};

/// A counter or a gauge. Readers may read it at any time; it orders nothing.
#[derive(Debug, Default)]
pub struct MetricValue(AtomicI64);

impl MetricValue {
    /// Adds 1.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Subtracts 1.
    pub fn decrement(&self) {
        self.add(-1);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

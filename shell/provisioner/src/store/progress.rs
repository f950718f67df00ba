//! The progress of a pull.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Digest;

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// The layers of the image are known.
    Layers {
        /// The number of all layers.
        total: usize,
        /// The number of layers that the store has already.
        known: usize,
        /// The size of the other layers in bytes, as far as the manifest states it.
        bytes: u64,
    },
    /// A part of a layer has come.
    Received {
        /// The number of bytes.
        bytes: u64,
    },
    /// One more layer is complete.
    LayerDone {
        /// The digest of the packed layer.
        digest: Digest,
        /// Its size in bytes, if the manifest says it.
        bytes: Option<u64>,
    },
}

/// The progress of a pull so far, as a text for people: `3 of 10 layers, 12.5 of 50.0 MB`.
#[derive(Debug, Default)]
pub struct PullProgress {
    layers: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
    received: AtomicU64,
}

impl PullProgress {
    /// Takes a step into account.
    pub fn observe(&self, event: &PullEvent) {
        match event {
            PullEvent::Layers { total, known, bytes } => {
                self.layers.store(*total as u64, Ordering::Relaxed);
                self.done.store(*known as u64, Ordering::Relaxed);
                self.bytes.store(*bytes, Ordering::Relaxed);
                self.received.store(0, Ordering::Relaxed);
            }
            PullEvent::Received { bytes } => drop(self.received.fetch_add(*bytes, Ordering::Relaxed)),
            PullEvent::LayerDone { .. } => drop(self.done.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl fmt::Display for PullProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        if read(&self.layers) == 0 {
            return f.write_str("asking for the manifest");
        }
        write!(f, "{} of {} layers", read(&self.done), read(&self.layers))?;
        let bytes = read(&self.bytes);
        if bytes == 0 {
            return Ok(());
        }
        // A layer that is fetched anew counts twice.
        let tenths = |bytes: u64| (bytes / 1_000_000, bytes / 100_000 % 10);
        let ((received, received_tenths), (all, all_tenths)) = (tenths(read(&self.received).min(bytes)), tenths(bytes));
        write!(f, ", {received}.{received_tenths} of {all}.{all_tenths} MB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_in_layers_and_megabytes() {
        let progress = PullProgress::default();
        let check = |event: Option<PullEvent>, expect: &str| {
            event.iter().for_each(|event| progress.observe(event));
            assert_eq!(progress.to_string(), expect);
        };
        check(None, "asking for the manifest");
        check(Some(PullEvent::Layers { total: 3, known: 1, bytes: 2_500_000 }), "1 of 3 layers, 0.0 of 2.5 MB");
        check(Some(PullEvent::Received { bytes: 1_250_000 }), "1 of 3 layers, 1.2 of 2.5 MB");
        let digest = Digest::of(b"");
        check(Some(PullEvent::LayerDone { digest, bytes: None }), "2 of 3 layers, 1.2 of 2.5 MB");
        check(Some(PullEvent::Received { bytes: 9_000_000 }), "2 of 3 layers, 2.5 of 2.5 MB");
        check(Some(PullEvent::Layers { total: 1, known: 1, bytes: 0 }), "1 of 1 layers");
    }
}

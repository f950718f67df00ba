//! An image in the store.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, ImageConfig};

/// The name of an unpacked layer: the digest of its archive (`diff_id`), which is the same however it was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerId(pub Digest);

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An image whose layers are all in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What it was asked for as, with its tag or digest.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The lowest first.
    pub layers: Vec<LayerId>,
    /// The size of its packed layers, in bytes.
    pub packed_bytes: u64,
    /// Seconds since the epoch.
    pub pulled_at: u64,
    /// What its author wants to have run.
    pub config: ImageConfig,
}

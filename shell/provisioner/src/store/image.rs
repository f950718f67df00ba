//! An image in the store.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, ImageConfig};

/// The name of an unpacked layer: the digest of its archive (`diff_id`), which does not depend on the compression.
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
    /// The reference that was asked for, with its tag or digest.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The layers, the lowest first.
    pub layers: Vec<LayerId>,
    /// The size of its packed layers, in bytes.
    pub packed_bytes: u64,
    /// The time of the pull in seconds since the epoch.
    pub pulled_at: u64,
    /// The configuration of the image, with the program that its author wants to run.
    pub config: ImageConfig,
}

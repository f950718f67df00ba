//! An image in the store.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::boot::boot_id;
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

/// The record of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredImage {
    #[serde(flatten)]
    pub image: Image,
    /// The boot of the machine in which the image was pulled, until all of it is on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

impl StoredImage {
    /// Returns whether it was pulled in this boot, and is not known to be on the disk.
    pub fn is_of_this_boot(&self) -> bool {
        self.boot.as_ref().is_some_and(|boot| *boot == boot_id())
    }

    /// Returns the image, unless it was pulled in another boot and is not known to be on the disk.
    pub fn valid(self) -> Option<Image> {
        (self.boot.is_none() || self.is_of_this_boot()).then_some(self.image)
    }
}

/// An image whose layers are all in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The reference that was asked for, with its tag or digest.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The layers, the lowest first. The last one may be of the store's own making, with properties of directories.
    pub layers: Vec<LayerId>,
    /// Whether the last layer is of the store's own making. Its manifest does not have it.
    #[serde(default)]
    pub has_own_layer: bool,
    /// The size of its packed layers, in bytes.
    pub packed_bytes: u64,
    /// The time of the pull in seconds since the epoch.
    pub pulled_at: u64,
    /// The fingerprint of the key whose signature of the image was checked; `None` if none had to be.
    #[serde(default)]
    pub signed_by: Option<Digest>,
    /// The configuration of the image, with the program that its author wants to run.
    pub config: ImageConfig,
}

//! What registries and archives say of an image, read from untrusted JSON.

mod image_config;
mod image_manifest;
mod media_type;
mod platform;

pub use image_config::ImageConfig;
pub(crate) use image_manifest::{ConfigSource, Descriptor, ImageManifest, Manifest, choose};
pub(crate) use media_type::{ACCEPTED_MANIFESTS, Compression, MediaType};
pub use platform::Platform;

/// The largest manifest, index or configuration that is read, in bytes (Docker's registry takes manifests up to 4 MiB).
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;
/// The most layers of an image: more than overlayfs and Docker take (`maxDepth` of Docker is 125).
pub(crate) const MAX_LAYERS: usize = 127;
/// The most manifests of an index.
pub(crate) const MAX_INDEX: usize = 1000;

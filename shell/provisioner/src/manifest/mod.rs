//! Reads the documents of registries and archives about an image, which are untrusted JSON.

mod image_config;
mod image_manifest;
mod media_type;
mod platform;

pub use image_config::ImageConfig;
pub(crate) use image_manifest::{ConfigSource, Descriptor, ImageManifest, IndexEntry, Manifest, choose};
pub(crate) use media_type::{ACCEPTED_MANIFESTS, Compression, MediaType};
pub use platform::Platform;

/// The largest manifest, index or configuration that is read, in bytes (Docker's registry takes manifests up to 4 MiB).
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;
/// The maximum number of layers of an image, above what overlayfs and Docker take (`maxDepth` of Docker is 125).
pub(crate) const MAX_LAYERS: usize = 127;
/// The maximum number of manifests of an index.
pub(crate) const MAX_INDEX: usize = 1000;

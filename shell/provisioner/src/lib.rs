//! Container images, after Mesos' `slave/containerizer/mesos/provisioner`: what an image is called, how it comes from a
//! registry or an archive, and how it is kept in a content-addressed store that all containers share.
//!
//! - [`ImageReference`] and [`Digest`] name images and what they are made of.
//! - `registry` speaks the distribution protocol: manifests, blobs, authentication, retries.
//! - `manifest` reads what registries say of an image: indexes, manifests and configurations.
//! - `layer` unpacks one layer, from untrusted bytes into one directory and nowhere else.
//! - [`Store`] keeps layers and images, and brings in those that are missing.
//! - [`Provisioner`] gives containers root file systems.
//! - [`runtime`] decides what a container of an image runs.

mod digest;
mod error;
mod layer;
mod manifest;
mod provisioner;
mod reference;
mod registry;
pub mod runtime;
mod store;

pub use digest::Digest;
pub use error::Error;
pub use manifest::{ImageConfig, Platform};
pub use provisioner::{Overlay, Provisioner};
pub use reference::{ImageReference, InvalidReference};
pub use registry::{Credentials, RegistryError, RegistryOptions};
pub use store::{Image, LayerId, Limits, PruneReport, PullEvent, PullOptions, Store};

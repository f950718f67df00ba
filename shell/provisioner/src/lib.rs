//! Container images, after Mesos' `slave/containerizer/mesos/provisioner`: the names of images, their transfer from a
//! registry or an archive, and the content-addressed store that all containers share.
//!
//! - [`ImageReference`] and [`Digest`] name images and their parts.
//! - `registry` speaks the distribution protocol: manifests, blobs, authentication, retries.
//! - `archive` reads the files and documents of archives.
//! - `manifest` reads the documents that registries have of an image: indexes, manifests and configurations.
//! - `signature` checks who has signed an image.
//! - `layer` unpacks one layer from untrusted bytes into one directory, and writes nowhere else.
//! - [`Store`] keeps layers and images, and fetches those that are missing.
//! - [`Provisioner`] gives containers root file systems; `backend` copies layers where overlayfs is not used.
//! - [`runtime`] decides what a container of an image runs.

mod archive;
mod backend;
mod digest;
mod error;
mod layer;
mod manifest;
mod provisioner;
mod reference;
mod registry;
pub mod runtime;
mod signature;
mod store;

pub use digest::Digest;
pub use error::Error;
pub use manifest::{ImageConfig, Platform};
pub use provisioner::{Backend, Overlay, Provided, Provisioner, Rootfs};
pub use reference::{ImageReference, InvalidReference};
pub use registry::{Credentials, RegistryError, RegistryLogin, RegistryOptions, RegistrySettings, SettingsError};
pub use signature::{InvalidKey, PublicKey, SignaturePolicy};
pub use store::{Image, ImportOptions, LayerId, Limits, PruneReport, PullEvent, PullOptions, PullProgress, Store};

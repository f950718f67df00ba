//! The distribution protocol (`GET /v2/…`) as a client: manifests and blobs, authentication, mirrors, retries.

mod blob;
mod challenge;
mod client;
mod credential_helper;
mod credentials;
mod endpoint;
mod error;
mod options;
mod settings;
mod token;

pub(crate) use blob::BlobReader;
pub(crate) use client::{ManifestAnswer, RegistryClient};
pub use credentials::{Credentials, RegistryLogin};
pub use error::RegistryError;
pub use options::RegistryOptions;
pub(crate) use options::authority;
pub use settings::{RegistrySettings, SettingsError};

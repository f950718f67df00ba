//! Which images must be signed, and by whom.

use std::collections::BTreeMap;

use super::PublicKey;
use crate::registry::{RegistryError, authority};

/// The keys of which one must have signed an image, by its registry (`host[:port]`). The images of other registries need
/// no signature, unless there are keys for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignaturePolicy {
    registries: BTreeMap<String, Vec<PublicKey>>,
    others: Vec<PublicKey>,
}

impl SignaturePolicy {
    /// Demands signatures for all images of a registry by one of these keys.
    ///
    /// # Errors
    /// The text is not the name or URL of a registry.
    pub fn require(&mut self, registry: &str, keys: impl IntoIterator<Item = PublicKey>) -> Result<(), RegistryError> {
        let registry = authority(registry)?;
        self.registries.entry(registry).or_default().extend(keys);
        Ok(())
    }

    /// Demands signatures for the images of all registries without keys of their own.
    pub fn require_everywhere(&mut self, keys: impl IntoIterator<Item = PublicKey>) {
        self.others.extend(keys);
    }

    /// Returns the keys for a registry; none if its images need no signature.
    pub(crate) fn keys(&self, registry: &str) -> &[PublicKey] {
        self.registries.get(registry).unwrap_or(&self.others)
    }
}

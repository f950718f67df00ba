//! The options of requests to registries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::RegistryError;
use super::endpoint::Endpoint;
use crate::ImageReference;

/// The options of requests to registries: the default registry, mirrors, and trusted certificates.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// The registry of references that name none (`--docker_registry`).
    pub default_registry: String,
    /// By registry, the mirrors that are asked before it, in this order. Answers to references by digest are checked
    /// against the digest, so mirrors need not be trusted with them. Mirrors are trusted with tags.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// The registries (`host[:port]`) that are asked over plain HTTP.
    pub insecure: BTreeSet<String>,
    /// A file of PEM certificates that are trusted besides those of the system.
    pub certificate_authorities: Option<PathBuf>,
    /// The same for single registries (`host[:port]`), in place of that file.
    pub authorities: BTreeMap<String, PathBuf>,
    /// The maximum pause within an answer.
    pub stall_timeout: Duration,
    /// The maximum of repetitions of a request after transient failures.
    pub retries: u32,
}

/// Returns `host` or `host:port` of a registry by its name or URL.
///
/// # Errors
/// The text is something else.
pub(crate) fn authority(registry: &str) -> Result<String, RegistryError> {
    Endpoint::parse(registry).map(|endpoint| endpoint.authority().to_owned())
}

impl Default for RegistryOptions {
    fn default() -> Self {
        RegistryOptions {
            default_registry: "https://registry-1.docker.io".to_owned(),
            mirrors: BTreeMap::new(),
            insecure: BTreeSet::new(),
            certificate_authorities: None,
            authorities: BTreeMap::new(),
            stall_timeout: Duration::from_secs(60),
            retries: 5,
        }
    }
}

impl RegistryOptions {
    /// Checks the default registry.
    ///
    /// # Errors
    /// The value is not the URL of a registry.
    pub fn validate(&self) -> Result<(), RegistryError> {
        self.endpoint(&self.default_registry).map(drop)
    }

    /// Returns `host` or `host:port` of the registry of an image.
    pub(crate) fn authority(&self, reference: &ImageReference) -> Result<String, RegistryError> {
        Ok(self.endpoint(reference.registry().unwrap_or(&self.default_registry))?.authority().to_owned())
    }

    /// Returns the endpoints that may have an image, the best first. The last one is the image's own registry.
    pub(super) fn endpoints(&self, reference: &ImageReference) -> Result<Vec<Endpoint>, RegistryError> {
        let own = self.endpoint(reference.registry().unwrap_or(&self.default_registry))?;
        let mirrors = self.mirrors.get(own.authority()).into_iter().flatten();
        let mut endpoints = mirrors.map(|mirror| self.endpoint(mirror)).collect::<Result<Vec<_>, _>>()?;
        endpoints.push(own);
        Ok(endpoints)
    }

    fn endpoint(&self, text: &str) -> Result<Endpoint, RegistryError> {
        let endpoint = Endpoint::parse(text)?;
        Ok(if self.insecure.contains(endpoint.authority()) { endpoint.unencrypted() } else { endpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_before_the_registry() {
        let options = RegistryOptions {
            default_registry: "https://r.x".into(),
            mirrors: BTreeMap::from([("r.x".into(), vec!["m.x".into(), "n.x:5000".into()])]),
            insecure: BTreeSet::from(["n.x:5000".into()]),
            ..RegistryOptions::default()
        };
        let check = |reference: &str, expect: &[&str]| {
            let endpoints = options.endpoints(&reference.parse().unwrap()).unwrap();
            assert_eq!(endpoints.iter().map(ToString::to_string).collect::<Vec<_>>(), expect, "{reference}");
        };
        check("a", &["https://m.x", "http://n.x:5000", "https://r.x"]);
        check("other.x/a", &["https://other.x"]);
    }
}

//! Pulls an image from a registry: its documents one after the other, its layers in parallel.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::fetch_layers::{Documents, ReportingReader};
use super::image::{Image, LayerId};
use super::layers::Arriving;
use super::lock::Lock;
use super::progress::PullEvent;
use super::store_root::Store;
use crate::layer::UnpackLimits;
use crate::manifest::{ConfigSource, Descriptor, ImageManifest, Manifest, choose};
use crate::registry::{BlobReader, ManifestAnswer, RegistryClient};
use crate::signature::{Signed, verify};
use crate::{Credentials, Digest, Error, ImageConfig, ImageReference, Platform, RegistryOptions, SignaturePolicy};

/// The options of a pull.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// The options of requests to registries.
    pub registry: RegistryOptions,
    /// The credentials for registries.
    pub credentials: Credentials,
    /// The platform for which an image of an index is chosen.
    pub platform: Platform,
    /// The limits of the image.
    pub limits: Limits,
    /// The number of layers that are fetched at the same time.
    pub parallel: usize,
    /// Whether the registry is asked even if the store has the image (`Image.cached` = false of Mesos).
    pub refresh: bool,
    /// Which images must be signed, and by whom.
    pub signatures: SignaturePolicy,
    /// The directory of archives that images are taken from in place of registries (`--docker_registry=/path`).
    pub archives: Option<PathBuf>,
    /// The pull ends soon after this is set.
    pub cancelled: Arc<AtomicBool>,
}

impl Default for PullOptions {
    fn default() -> Self {
        PullOptions {
            registry: RegistryOptions::default(),
            credentials: Credentials::default(),
            platform: Platform::of_this_machine(),
            limits: Limits::default(),
            parallel: 4,
            refresh: false,
            signatures: SignaturePolicy::default(),
            archives: None,
            cancelled: Arc::default(),
        }
    }
}

/// The limits of an image, at which the pull of a hostile one stops.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The maximum number of files, directories and links of one layer.
    pub files: u64,
    /// The maximum number of bytes of one unpacked layer.
    pub unpacked_bytes: u64,
    /// The maximum ratio of the unpacked to the packed size of a layer. Sparse files and decompression bombs have
    /// ratios of a thousand.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { files: 2_000_000, unpacked_bytes: 64 << 30, ratio: 200 }
    }
}

/// The number of bytes up to which an unpacked layer may have any ratio.
const UNSUSPICIOUS_BYTES: u64 = 1 << 30;

impl Limits {
    pub(super) fn of_layer(&self, packed_bytes: Option<u64>) -> UnpackLimits {
        let by_ratio = packed_bytes.map_or(u64::MAX, |bytes| bytes.saturating_mul(self.ratio).max(UNSUSPICIOUS_BYTES));
        UnpackLimits { files: self.files, bytes: self.unpacked_bytes.min(by_ratio) }
    }
}

impl Store {
    /// Returns an image from the store if it has it, else from the registry or the archives. `progress` is called from several threads.
    ///
    /// # Errors
    /// The registry does not give the image, it is not what its digests say, or the store cannot be written.
    pub fn pull(
        &self,
        reference: &ImageReference,
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
    ) -> Result<Image, Error> {
        let keys = options.signatures.keys(options.registry.authority(reference)?.as_str());
        // The policy may be a new one since the image was pulled.
        let is_signed =
            |image: &Image| keys.is_empty() || keys.iter().any(|key| Some(key.fingerprint()) == image.signed_by);
        if let Some(image) = self.find(reference)?.filter(|image| !options.refresh && is_signed(image)) {
            return Ok(image);
        }
        if let Some(directory) = &options.archives {
            if !keys.is_empty() {
                return Err(Error::UnsignedArchive(reference.to_string()));
            }
            return self.pull_archive(directory, reference, options, progress);
        }
        let path = self.directories.lock();
        let _lock = Lock::shared(&path).map_err(|source| self.directories.failed("lock", &path, source))?;
        let client =
            RegistryClient::new(options.registry.clone(), options.credentials.clone(), Arc::clone(&options.cancelled))?;
        let Resolved { answer, digests, digest, manifest } = resolve(&client, reference, &options.platform)?;
        let signed_by = match keys {
            [] => None,
            keys => {
                let signed = Signed { reference, answer: &answer, digests: &digests };
                Some(verify(&client, &signed, keys)?.fingerprint())
            }
        };
        let config = fetch_config(&client, &answer, reference, &manifest)?;
        let documents = Documents { digest, config, layers: manifest.layers.iter().collect(), signed_by };
        let source = LayerSource { client: &client, answer: &answer, reference, progress };
        self.add_image(reference.to_string(), documents, options, progress, &|_, arriving| {
            self.fetch_layer(&source, arriving)
        })
    }

    /// Fetches one layer. If the remains of an earlier attempt turn out to be wrong, the whole layer is fetched once
    /// more.
    fn fetch_layer(&self, source: &LayerSource<'_>, arriving: &Arriving<'_>) -> Result<LayerId, Error> {
        let digest = arriving.descriptor.digest;
        let _lock = self.lock_blob(digest)?;
        if let Some(layer) = self.known_layer(arriving) {
            return Ok(layer);
        }
        let partial = self.open_partial(arriving.descriptor)?;
        let resumes = partial.metadata().is_ok_and(|metadata| metadata.len() > 0);
        match self.fetch_into(source, arriving, partial) {
            Err(Error::DigestMismatch { .. } | Error::Layer { .. }) if resumes => {
                self.remove_partial(digest);
                let partial = self.open_partial(arriving.descriptor)?;
                self.fetch_into(source, arriving, partial)
            }
            outcome => outcome,
        }
    }

    fn fetch_into(
        &self,
        source: &LayerSource<'_>,
        arriving: &Arriving<'_>,
        partial: std::fs::File,
    ) -> Result<LayerId, Error> {
        let Descriptor { digest, size } = *arriving.descriptor;
        let path = self.directories.partial(digest);
        let LayerSource { client, answer, reference, progress } = *source;
        let reader = BlobReader::new(client, &answer.endpoint, reference, digest, size, partial)
            .map_err(|source| self.directories.failed("read", &path, source))?;
        let mut reader = ReportingReader::new(reader, progress);
        let outcome = self.add_layer(arriving, &mut reader);
        match (outcome, reader.get_mut().failure()) {
            (Ok(layer), _) => {
                self.remove_partial(digest);
                Ok(layer)
            }
            // The bytes that have come so far are kept for the next attempt.
            (Err(_), Some(failure)) => Err(failure.into()),
            (Err(error), None) => {
                self.remove_partial(digest);
                Err(error)
            }
        }
    }
}

/// The source of the layers of an image.
struct LayerSource<'a> {
    client: &'a RegistryClient,
    answer: &'a ManifestAnswer,
    reference: &'a ImageReference,
    progress: &'a (dyn Fn(PullEvent) + Sync),
}

/// The manifest of an image, and what has led to it.
struct Resolved {
    answer: ManifestAnswer,
    /// The digests of the index, if there is one, and of the manifest.
    digests: Vec<Digest>,
    digest: Digest,
    manifest: ImageManifest,
}

/// Finds the manifest of the image for this platform, either directly or through an index.
fn resolve(client: &RegistryClient, reference: &ImageReference, platform: &Platform) -> Result<Resolved, Error> {
    let answer = client.manifest(reference)?;
    let digest = check_digest(&answer, reference.digest(), "the manifest")?;
    let mut digests = vec![digest];
    let entry = match Manifest::parse(answer.media_type.as_deref(), &answer.bytes)? {
        Manifest::Image(manifest) => return Ok(Resolved { answer, digests, digest, manifest }),
        Manifest::Index(entries) => choose(&entries, platform)?.descriptor.clone(),
    };
    let name = entry.digest.to_string();
    let answer = client.manifest_at(&answer.endpoint, reference, &name)?;
    let digest = check_digest(&answer, Some(entry.digest), "the manifest in the index")?;
    match Manifest::parse(answer.media_type.as_deref(), &answer.bytes)? {
        Manifest::Image(manifest) => {
            digests.push(digest);
            Ok(Resolved { answer, digests, digest, manifest })
        }
        Manifest::Index(_) => Err(Error::manifest("the index", "it leads to another index")),
    }
}

fn check_digest(answer: &ManifestAnswer, expected: Option<Digest>, what: &str) -> Result<Digest, Error> {
    let found = Digest::of(&answer.bytes);
    match expected.filter(|expected| *expected != found) {
        Some(expected) => Err(Error::DigestMismatch { what: what.to_owned(), expected, found }),
        None => Ok(found),
    }
}

fn fetch_config(
    client: &RegistryClient,
    answer: &ManifestAnswer,
    reference: &ImageReference,
    manifest: &ImageManifest,
) -> Result<ImageConfig, Error> {
    let descriptor = match &manifest.config {
        ConfigSource::Inline(config) => return Ok((**config).clone()),
        ConfigSource::Blob(descriptor) => descriptor,
    };
    let bytes = client.small_blob(&answer.endpoint, reference, descriptor.digest)?;
    let found = Digest::of(&bytes);
    if found != descriptor.digest {
        let what = "the configuration of the image".to_owned();
        return Err(Error::DigestMismatch { what, expected: descriptor.digest, found });
    }
    let config = ImageConfig::parse(&bytes)?;
    config.check_layers(manifest.layers.len())?;
    Ok(config)
}

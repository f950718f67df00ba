//! Pulls an image from a registry: its documents one after the other, its layers in parallel.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::image::{Image, LayerId};
use super::layers::Arriving;
use super::lock::Lock;
use super::store_root::Store;
use crate::layer::UnpackLimits;
use crate::manifest::{ConfigSource, Descriptor, ImageManifest, Manifest, choose};
use crate::registry::{BlobReader, ManifestAnswer, RegistryClient};
use crate::{Credentials, Digest, Error, ImageConfig, ImageReference, Platform, RegistryOptions};

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
    fn of_layer(&self, packed_bytes: Option<u64>) -> UnpackLimits {
        let by_ratio = packed_bytes.map_or(u64::MAX, |bytes| bytes.saturating_mul(self.ratio).max(UNSUSPICIOUS_BYTES));
        UnpackLimits { files: self.files, bytes: self.unpacked_bytes.min(by_ratio) }
    }
}

/// The progress of a pull, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// The number of layers of the image is known.
    Layers {
        /// The number of all layers.
        total: usize,
        /// The number of layers that the store has already.
        known: usize,
    },
    /// One more layer is complete.
    LayerDone {
        /// The digest of the packed layer.
        digest: Digest,
        /// Its size in bytes, if the manifest says it.
        bytes: Option<u64>,
    },
}

impl Store {
    /// Returns an image from the store if it has it, else from the registry. `progress` is called from several threads.
    ///
    /// # Errors
    /// The registry does not give the image, it is not what its digests say, or the store cannot be written.
    pub fn pull(
        &self,
        reference: &ImageReference,
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
    ) -> Result<Image, Error> {
        if let Some(image) = self.find(reference)?.filter(|_| !options.refresh) {
            return Ok(image);
        }
        let path = self.directories.lock();
        let _lock = Lock::shared(&path).map_err(|source| self.directories.failed("lock", &path, source))?;
        let client =
            RegistryClient::new(options.registry.clone(), options.credentials.clone(), Arc::clone(&options.cancelled))?;
        let (answer, digest, manifest) = resolve(&client, reference, &options.platform)?;
        let config = fetch_config(&client, &answer, reference, &manifest)?;
        let layers = self.fetch_layers(&client, &answer, reference, &manifest, &config, options, progress)?;
        let image = Image {
            reference: reference.to_string(),
            digest,
            layers,
            packed_bytes: manifest.layers.iter().filter_map(|layer| layer.size).sum(),
            pulled_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            config,
        };
        self.record(&image)?;
        Ok(image)
    }

    fn fetch_layers(
        &self,
        client: &RegistryClient,
        answer: &ManifestAnswer,
        reference: &ImageReference,
        manifest: &ImageManifest,
        config: &ImageConfig,
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
    ) -> Result<Vec<LayerId>, Error> {
        let arriving: Vec<Arriving<'_>> = manifest
            .layers
            .iter()
            .enumerate()
            .map(|(number, descriptor)| Arriving {
                descriptor,
                diff_id: config.diff_ids.get(number).copied(),
                limits: options.limits.of_layer(descriptor.size),
                cancelled: &options.cancelled,
            })
            .collect();
        let known: Vec<Option<LayerId>> = arriving.iter().map(|layer| self.known_layer(layer)).collect();
        progress(PullEvent::Layers { total: known.len(), known: known.iter().flatten().count() });
        let results: Mutex<Vec<Option<Result<LayerId, Error>>>> =
            Mutex::new(known.iter().map(|layer| layer.map(Ok)).collect());
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(layer) = arriving.get(number) else { return };
                if known.get(number).is_some_and(Option::is_some) {
                    continue;
                }
                let outcome = self.fetch_layer(client, answer, reference, layer);
                match &outcome {
                    Ok(_) => {
                        progress(PullEvent::LayerDone { digest: layer.descriptor.digest, bytes: layer.descriptor.size })
                    }
                    Err(_) => failed.store(true, Ordering::Relaxed),
                }
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(place) = results.get_mut(number) {
                    *place = Some(outcome);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..options.parallel.min(arriving.len()) {
                scope.spawn(work);
            }
            work();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Errors come first, because layers that were not begun have no result.
        let (errors, layers): (Vec<_>, Vec<_>) = results.into_iter().flatten().partition(Result::is_err);
        match errors.into_iter().next() {
            Some(Err(error)) => Err(error),
            _ => layers.into_iter().collect(),
        }
    }

    /// Fetches one layer. If the remains of an earlier attempt turn out to be wrong, the whole layer is fetched once
    /// more.
    fn fetch_layer(
        &self,
        client: &RegistryClient,
        answer: &ManifestAnswer,
        reference: &ImageReference,
        arriving: &Arriving<'_>,
    ) -> Result<LayerId, Error> {
        let digest = arriving.descriptor.digest;
        let _lock = self.lock_blob(digest)?;
        if let Some(layer) = self.known_layer(arriving) {
            return Ok(layer);
        }
        let partial = self.open_partial(arriving.descriptor)?;
        let resumes = partial.metadata().is_ok_and(|metadata| metadata.len() > 0);
        match self.fetch_into(client, answer, reference, arriving, partial) {
            Err(Error::DigestMismatch { .. } | Error::Layer { .. }) if resumes => {
                self.remove_partial(digest);
                let partial = self.open_partial(arriving.descriptor)?;
                self.fetch_into(client, answer, reference, arriving, partial)
            }
            outcome => outcome,
        }
    }

    fn fetch_into(
        &self,
        client: &RegistryClient,
        answer: &ManifestAnswer,
        reference: &ImageReference,
        arriving: &Arriving<'_>,
        partial: std::fs::File,
    ) -> Result<LayerId, Error> {
        let Descriptor { digest, size } = *arriving.descriptor;
        let path = self.directories.partial(digest);
        let mut reader = BlobReader::new(client, &answer.endpoint, reference, digest, size, partial)
            .map_err(|source| self.directories.failed("read", &path, source))?;
        let outcome = self.add_layer(arriving, &mut reader);
        match (outcome, reader.failure()) {
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

/// Finds the manifest of the image for this platform, either directly or through an index.
fn resolve(
    client: &RegistryClient,
    reference: &ImageReference,
    platform: &Platform,
) -> Result<(ManifestAnswer, Digest, ImageManifest), Error> {
    let answer = client.manifest(reference)?;
    let digest = check_digest(&answer, reference.digest(), "the manifest")?;
    let entry = match Manifest::parse(answer.media_type.as_deref(), &answer.bytes)? {
        Manifest::Image(manifest) => return Ok((answer, digest, manifest)),
        Manifest::Index(entries) => choose(&entries, platform)?.descriptor.clone(),
    };
    let name = entry.digest.to_string();
    let answer = client.manifest_at(&answer.endpoint, reference, &name)?;
    let digest = check_digest(&answer, Some(entry.digest), "the manifest in the index")?;
    match Manifest::parse(answer.media_type.as_deref(), &answer.bytes)? {
        Manifest::Image(manifest) => Ok((answer, digest, manifest)),
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
    if !config.diff_ids.is_empty() && config.diff_ids.len() != manifest.layers.len() {
        return Err(Error::manifest("the configuration of the image", "it has not as many layers as the manifest"));
    }
    Ok(config)
}

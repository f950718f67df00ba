//! Adds the layers of an image to the store, several at the same time.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::image::{Image, LayerId};
use super::layers::Arriving;
use super::progress::PullEvent;
use super::pull::PullOptions;
use super::store_root::Store;
use crate::manifest::Descriptor;
use crate::{Digest, Error, ImageConfig};

/// The documents of an image whose layers are to be added.
pub(super) struct Documents<'a> {
    pub digest: Digest,
    pub config: ImageConfig,
    /// The layers, the lowest first.
    pub layers: Vec<&'a Descriptor>,
    /// The key that has signed the image, if it had to be signed.
    pub signed_by: Option<Digest>,
}

/// Adds one layer, which the store does not have.
pub(super) type FetchLayer<'a> = dyn Fn(usize, &Arriving<'_>) -> Result<LayerId, Error> + Sync + 'a;

impl Store {
    /// Adds the layers that the store does not have, and then the record of the image. The caller holds the shared lock.
    pub(super) fn add_image(
        &self,
        reference: String,
        documents: Documents<'_>,
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
        fetch: &FetchLayer<'_>,
    ) -> Result<Image, Error> {
        let Documents { digest, config, layers: descriptors, signed_by } = documents;
        let arriving: Vec<Arriving<'_>> = descriptors
            .iter()
            .enumerate()
            .map(|(number, descriptor)| Arriving {
                descriptor,
                diff_id: config.diff_ids.get(number).copied(),
                limits: options.limits.of_layer(descriptor.size),
                cancelled: &options.cancelled,
            })
            .collect();
        let layers = self.with_corrected_directories(self.add_layers(&arriving, options, progress, fetch)?)?;
        let image = Image {
            reference,
            digest,
            has_own_layer: layers.len() > descriptors.len(),
            layers,
            packed_bytes: descriptors.iter().filter_map(|layer| layer.size).sum(),
            pulled_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            signed_by,
            config,
        };
        self.record(&image)?;
        Ok(image)
    }

    fn add_layers(
        &self,
        arriving: &[Arriving<'_>],
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
        fetch: &FetchLayer<'_>,
    ) -> Result<Vec<LayerId>, Error> {
        let known: Vec<Option<LayerId>> = arriving.iter().map(|layer| self.known_layer(layer)).collect();
        let missing = arriving.iter().zip(&known).filter(|(_, known)| known.is_none());
        progress(PullEvent::Layers {
            total: known.len(),
            known: known.iter().flatten().count(),
            bytes: missing.map(|(layer, _)| layer.descriptor.size.unwrap_or(0)).sum(),
        });
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
                let outcome = fetch(number, layer);
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
}

/// The number of bytes between two reports about a layer.
const REPORTED: u64 = 1 << 20;

/// Reports the bytes that pass through it.
pub(super) struct ReportingReader<'a, R> {
    inner: R,
    unreported: u64,
    progress: &'a (dyn Fn(PullEvent) + Sync),
}

impl<'a, R> ReportingReader<'a, R> {
    pub fn new(inner: R, progress: &'a (dyn Fn(PullEvent) + Sync)) -> Self {
        ReportingReader { inner, unreported: 0, progress }
    }

    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }
}

impl<R: Read> Read for ReportingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.unreported += read as u64;
        if self.unreported >= REPORTED || (read == 0 && self.unreported > 0) {
            (self.progress)(PullEvent::Received { bytes: std::mem::take(&mut self.unreported) });
        }
        Ok(read)
    }
}

//! The store of images, with its public operations.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::directories::Directories;
use super::image::{Image, LayerId, StoredImage};
use super::lock::Lock;
use super::prune::PruneReport;
use crate::{Error, ImageReference};

/// A store of images. Several processes may use one at the same time.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) directories: Directories,
}

impl Store {
    /// Opens the store in a directory, which is created if it is missing. The leftovers of killed processes are
    /// removed, except the beginnings of layers, which the next pull continues.
    ///
    /// # Errors
    /// The directory cannot be made, read or written, or has other contents.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let store = Store { directories: Directories::create(root)? };
        // If another process is pulling, its files are incomplete for now. They are cleaned up another time.
        if let Some(_lock) = store.try_lock()? {
            store.remove_leftovers()?;
            store.begin_boot()?;
        }
        // A process that has ended may have left it.
        if store.stored()?.iter().any(|(_, stored)| stored.is_of_this_boot()) {
            store.settle_in_background();
        }
        Ok(store)
    }

    /// Opens the store in a directory to read it, or to remove images. Nothing is created.
    ///
    /// # Errors
    /// The directory has no store, or cannot be read.
    pub fn open_existing(root: &Path) -> Result<Self, Error> {
        Ok(Store { directories: Directories::existing(root)? })
    }

    /// Returns all images, by reference.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let mut images: Vec<Image> = self.stored()?.into_iter().filter_map(|(_, stored)| stored.valid()).collect();
        images.sort_by(|a: &Image, b| a.reference.cmp(&b.reference));
        Ok(images)
    }

    /// Returns an image that was pulled under this reference and still has all of its layers.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(&self, reference: &ImageReference) -> Result<Option<Image>, Error> {
        let stored = self.read_stored(&self.directories.image(&reference.to_string()))?;
        Ok(stored.and_then(StoredImage::valid).filter(|image| image.layers.iter().all(|layer| self.has_layer(*layer))))
    }

    /// Returns the directory of a layer, in the form that overlayfs stacks.
    pub fn layer_directory(&self, layer: LayerId) -> PathBuf {
        self.directories.layer(layer)
    }

    /// Removes an image, and the layers that neither another image nor a container needs.
    ///
    /// # Errors
    /// There is no such image, it is being pulled, or the store cannot be written.
    pub fn remove(&self, reference: &ImageReference) -> Result<PruneReport, Error> {
        let _lock = self.lock_soon()?.ok_or(Error::Busy)?;
        let path = self.directories.image(&reference.to_string());
        let Some(StoredImage { image, .. }) = self.read_stored(&path)? else {
            return Err(Error::NotFound(reference.to_string()));
        };
        fs::remove_file(&path).map_err(|source| self.directories.failed("remove", &path, source))?;
        let mut report = self.remove_unused_layers()?;
        report.images.push(image.reference);
        Ok(report)
    }

    /// Removes all images except those in `keep` and those of containers, and the layers that are unused then
    /// (PRUNE_IMAGES of Mesos).
    ///
    /// # Errors
    /// An image is being pulled, or the store cannot be written.
    pub fn prune(&self, keep: &BTreeSet<ImageReference>) -> Result<PruneReport, Error> {
        let _lock = self.lock_soon()?.ok_or(Error::Busy)?;
        let in_use = self.layers_in_use()?;
        let mut removed = Vec::new();
        for image in self.list()? {
            // The image of a running container stays, so that its next container begins without a pull.
            let is_used = !image.layers.is_empty() && image.layers.iter().all(|layer| in_use.contains(layer));
            let reference = image.reference.parse::<ImageReference>();
            let is_kept = reference.is_ok_and(|reference| keep.iter().any(|kept| kept.names_same(&reference)));
            if is_kept || is_used {
                continue;
            }
            let path = self.directories.image(&image.reference);
            fs::remove_file(&path).map_err(|source| self.directories.failed("remove", &path, source))?;
            removed.push(image.reference);
        }
        let mut report = self.remove_unused_layers()?;
        report.images = removed;
        Ok(report)
    }

    pub(super) fn has_layer(&self, layer: LayerId) -> bool {
        self.directories.layer(layer).is_dir()
    }

    fn lock_soon(&self) -> Result<Option<Lock>, Error> {
        let path = self.directories.lock();
        Lock::exclusive_soon(&path).map_err(|source| self.directories.failed("lock", &path, source))
    }

    pub(super) fn try_lock(&self) -> Result<Option<Lock>, Error> {
        let path = self.directories.lock();
        Lock::try_exclusive(&path).map_err(|source| self.directories.failed("lock", &path, source))
    }

    /// Reads the record of an image. A record that cannot be parsed counts as missing, so that the image is pulled
    /// again.
    pub(super) fn read_stored(&self, path: &Path) -> Result<Option<StoredImage>, Error> {
        match fs::read(path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(stored) => Ok(Some(stored)),
                Err(error) => {
                    tracing::warn!(
                        "the record of an image, '{}', cannot be read and is not used: {error}",
                        path.display()
                    );
                    Ok(None)
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.directories.failed("read", path, source)),
        }
    }
}

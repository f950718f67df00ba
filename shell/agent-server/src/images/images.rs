//! The images of an agent: their provisioner, its cleaning, and the removal of unused images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use executor::LaunchInfo;
use messages::v1;
use model::ContainerId;
use provisioner::{ImageReference, Provisioner, PruneReport, Store};

use super::options::{ImageOptions, references};
use super::provide::ImageError;
use super::pulls::{PendingPull, Pulls};

/// The images of an agent.
#[derive(Debug)]
pub struct Images {
    pub(super) options: ImageOptions,
    /// `<work_dir>/provisioner`.
    root: PathBuf,
    /// The provisioner, opened for the first container that needs it: opening cleans up.
    opened: Mutex<Option<Provisioner>>,
    pub(super) pulls: Pulls,
}

/// The reason for which images are not removed.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// An image to keep is not named as images are.
    #[error("'prune_images.excluded_images' is invalid: {0}")]
    Excluded(String),
    /// The store cannot be changed.
    #[error(transparent)]
    Store(#[from] provisioner::Error),
}

impl Images {
    /// Makes the images of an agent, with the files of containers below this work directory. No file is created before
    /// a container asks for an image.
    pub fn new(options: ImageOptions, work_dir: &Path) -> Self {
        Images { options, root: work_dir.join("provisioner"), opened: Mutex::default(), pulls: Pulls::default() }
    }

    /// Returns the pulls that are under way.
    pub fn pending_pulls(&self) -> Vec<PendingPull> {
        self.pulls.pending()
    }

    /// Removes the files of containers that have ended.
    pub fn recover(&self, alive: &BTreeSet<String>) {
        if self.root.exists()
            && let Err(error) = self.provisioner().and_then(|provisioner| provisioner.recover(alive))
        {
            tracing::warn!(%error, "cannot clean up the root file systems of containers that have ended");
        }
    }

    /// Returns whether a container has images.
    pub fn has_container(&self, container: &ContainerId) -> bool {
        self.directory(container).exists()
    }

    /// Returns the file that describes a container with images to the launcher.
    pub fn launch_info(&self, container: &ContainerId) -> PathBuf {
        self.directory(container).join("launch_info")
    }

    fn directory(&self, container: &ContainerId) -> PathBuf {
        self.root.join("containers").join(container.as_str())
    }

    /// Reads the description of a container with images.
    ///
    /// # Errors
    /// Returns [`ImageError::LaunchInfo`] if the file cannot be read or is damaged.
    pub fn read_launch_info(&self, container: &ContainerId) -> Result<LaunchInfo, ImageError> {
        let path = self.launch_info(container);
        let read = std::fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        read.map_err(|source| ImageError::LaunchInfo { path, source })
    }

    /// Removes the files that a container has written. There are none for a container without an image.
    pub fn destroy(&self, container: &ContainerId) {
        if !self.root.exists() {
            return;
        }
        let removed = self.provisioner().and_then(|provisioner| provisioner.destroy(container.as_str()));
        if let Err(error) = removed {
            tracing::warn!(%container, %error, "cannot remove the root file system of a container");
        }
    }

    /// Removes the images that no container uses, except those that the call and `--image_gc_config` exclude
    /// (PRUNE_IMAGES).
    ///
    /// # Errors
    /// An image to exclude is invalid, an image is being pulled, or the store cannot be changed.
    pub fn prune(&self, excluded: &[v1::Image]) -> Result<PruneReport, PruneError> {
        self.prune_except(references(excluded).map_err(PruneError::Excluded)?)
    }

    /// Removes the images that no container uses, except these and those of `--image_gc_config`.
    pub(super) fn prune_except(&self, mut excluded: BTreeSet<ImageReference>) -> Result<PruneReport, PruneError> {
        if !self.options.store.exists() {
            return Ok(PruneReport::default());
        }
        excluded.extend(self.options.gc.iter().flat_map(|config| config.excluded.iter().cloned()));
        let report = self.provisioner()?.store().prune(&excluded)?;
        if report != PruneReport::default() {
            tracing::info!(images = ?report.images, layers = report.layers, "removed images that no container uses");
        }
        Ok(report)
    }

    pub(super) fn provisioner(&self) -> Result<Provisioner, provisioner::Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provisioner) = &*opened {
            return Ok(provisioner.clone());
        }
        let provisioner = Provisioner::open(Store::open(&self.options.store)?, &self.root, self.options.backend)?;
        Ok(opened.insert(provisioner).clone())
    }
}

//! Removes layers and images from the store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use untrusted_files::remove_tree;

use super::image::LayerId;
use super::store_root::Store;
use crate::{Digest, Error};

/// The images and layers that were removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// The references of the images.
    pub images: Vec<String>,
    /// The number of the layers.
    pub layers: u64,
    /// The number of layers that no image names any more, and that stay until the containers that use them have ended.
    pub in_use: u64,
}

impl Store {
    /// Removes the layers that neither an image nor a container needs. The caller holds the lock.
    pub(super) fn remove_unused_layers(&self) -> Result<PruneReport, Error> {
        let in_use = self.layers_in_use()?;
        let named: BTreeSet<LayerId> = self.list()?.into_iter().flat_map(|image| image.layers).collect();
        let mut report = PruneReport { in_use: in_use.difference(&named).count() as u64, ..PruneReport::default() };
        for name in self.names(&self.directories.layers())? {
            let layer = Digest::from_hex(&name).ok().map(LayerId);
            if layer.is_some_and(|layer| named.contains(&layer) || in_use.contains(&layer)) {
                continue;
            }
            // The directory is renamed first, because a directory with the name of a layer must be complete.
            let staged = self.directories.staging().join(format!("removed-{name}"));
            let path = self.directories.layers().join(&name);
            fs::rename(&path, &staged).map_err(|source| self.directories.failed("remove", &path, source))?;
            self.remove_tree(&staged)?;
            report.layers += 1;
        }
        for name in self.names(&self.directories.blobs())? {
            let path = self.directories.blobs().join(&name);
            let layer = fs::read_to_string(&path).ok().and_then(|hex| Digest::from_hex(hex.trim()).ok()).map(LayerId);
            if !layer.is_some_and(|layer| self.has_layer(layer)) {
                fs::remove_file(&path).map_err(|source| self.directories.failed("remove", &path, source))?;
            }
        }
        for name in self.names(&self.directories.all_implied())? {
            let layer = Digest::from_hex(&name).ok().map(LayerId);
            if !layer.is_some_and(|layer| self.has_layer(layer)) {
                self.remove_tree(&self.directories.all_implied().join(&name))?;
            }
        }
        Ok(report)
    }

    /// Removes the remains of killed processes. The caller holds the lock, so that nothing is being unpacked.
    pub(super) fn remove_leftovers(&self) -> Result<(), Error> {
        for name in self.names(&self.directories.staging())? {
            self.remove_tree(&self.directories.staging().join(name))?;
        }
        for directory in [self.directories.images(), self.directories.blobs(), self.directories.all_in_use()] {
            for name in self.names(&directory)?.iter().filter(|name| name.ends_with(".new")) {
                self.remove_tree(&directory.join(name))?;
            }
        }
        for name in self.names(&self.directories.ingest())? {
            if name.ends_with(".lock") {
                let path = self.directories.ingest().join(&name);
                fs::remove_file(&path).map_err(|source| self.directories.failed("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Removes layers that no image names and no container uses, unless an image is being pulled: after a loss of power
    /// such a layer may be incomplete.
    pub(crate) fn remove_unnamed_layers(&self) -> Result<(), Error> {
        match self.try_lock()? {
            Some(_lock) => self.remove_unused_layers().map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn remove_tree(&self, path: &Path) -> Result<(), Error> {
        remove_tree(path).map_err(|source| self.directories.failed("remove", path, source))
    }

    pub(super) fn names(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let failed = |source| self.directories.failed("read", directory, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

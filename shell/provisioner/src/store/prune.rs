//! What leaves the store.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::image::LayerId;
use super::store_root::Store;
use crate::{Digest, Error};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// The references of images.
    pub images: Vec<String>,
    /// The number of layers.
    pub layers: u64,
}

impl Store {
    /// Removes layers that no image and nobody in `in_use` needs. The caller holds the lock.
    pub(super) fn remove_unused_layers(&self, in_use: &BTreeSet<LayerId>) -> Result<PruneReport, Error> {
        let mut needed = in_use.clone();
        needed.extend(self.list()?.into_iter().flat_map(|image| image.layers));
        let mut report = PruneReport::default();
        for name in self.names(&self.directories.layers())? {
            let layer = Digest::from_hex(&name).ok().map(LayerId);
            if layer.is_some_and(|layer| needed.contains(&layer)) {
                continue;
            }
            // Renamed first: what has the name of a layer is complete.
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
        Ok(report)
    }

    /// Removes what killed processes have left. The caller holds the lock, so nothing is being unpacked.
    /// Layers that no image names may not be on the disk as a whole after a loss of power, so they go as well.
    pub(super) fn remove_leftovers(&self) -> Result<(), Error> {
        for name in self.names(&self.directories.staging())? {
            self.remove_tree(&self.directories.staging().join(name))?;
        }
        for name in self.names(&self.directories.ingest())? {
            if name.ends_with(".lock") {
                let path = self.directories.ingest().join(&name);
                fs::remove_file(&path).map_err(|source| self.directories.failed("remove", &path, source))?;
            }
        }
        let in_use = BTreeSet::new();
        self.remove_unused_layers(&in_use).map(drop)
    }

    pub(super) fn remove_tree(&self, path: &Path) -> Result<(), Error> {
        match fs::remove_dir_all(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(self.directories.failed("remove", path, source)),
        }
    }

    fn names(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let failed = |source| self.directories.failed("read", directory, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

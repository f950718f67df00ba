//! The layers that containers use. They are recorded in the store, as in the `layers` files of Mesos' provisioner, so
//! that every agent and the command line know those of all containers of the machine, also after a restart.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::boot::boot_id;
use super::image::LayerId;
use super::lock::Lock;
use super::store_root::Store;
use crate::{Digest, Error};

/// The record of one container.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The directory of the container, which is removed when the container has ended.
    container: PathBuf,
    /// The boot of the machine in which the container was started. No container survives it.
    boot: String,
    layers: Vec<LayerId>,
}

impl Record {
    /// Returns whether the container has ended. A directory whose parent cannot be seen either may belong to an agent
    /// in another mount namespace; its record holds until the machine boots.
    fn is_over(&self, boot: &str) -> bool {
        let is_removed = || !self.container.exists() && self.container.parent().is_some_and(Path::exists);
        self.boot != boot || is_removed()
    }
}

impl Store {
    /// Records that a container uses layers, unless one of them has been removed since the image was found; then it
    /// returns `false`. The directory of the container must exist.
    pub(crate) fn hold(&self, container: &Path, layers: &BTreeSet<LayerId>) -> Result<bool, Error> {
        let path = self.directories.lock();
        // Layers are removed under the exclusive lock only.
        let _lock = Lock::shared(&path).map_err(|source| self.directories.failed("lock", &path, source))?;
        if !layers.iter().all(|layer| self.has_layer(*layer)) {
            return Ok(false);
        }
        let record =
            Record { container: container.to_owned(), boot: boot_id(), layers: layers.iter().copied().collect() };
        let bytes = serde_json::to_vec(&record)
            .map_err(|error| Error::manifest("the record of the container's layers", error))?;
        // The record need not survive a loss of power, because the container does not.
        self.directories.write(&self.directories.in_use(container), &bytes)?;
        Ok(true)
    }

    /// Removes the record of a container that has ended.
    pub(crate) fn release(&self, container: &Path) -> Result<(), Error> {
        self.remove_record(&self.directories.in_use(container))
    }

    /// Returns the layers that containers use, and removes the records of containers that have ended.
    ///
    /// # Errors
    /// The records cannot be read. Nothing may be removed then.
    pub fn layers_in_use(&self) -> Result<BTreeSet<LayerId>, Error> {
        let directory = self.directories.all_in_use();
        let boot = boot_id();
        let mut layers = BTreeSet::new();
        for name in self.names(&directory)?.iter().filter(|name| name.ends_with(".json")) {
            let path = directory.join(name);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(self.directories.failed("read", &path, source)),
            };
            let record: Record = serde_json::from_slice(&bytes)
                .map_err(|error| self.directories.failed("read", &path, io::Error::from(error)))?;
            if record.is_over(&boot) {
                self.remove_record(&path)?;
            } else {
                layers.extend(record.layers);
            }
        }
        Ok(layers)
    }

    fn remove_record(&self, path: &Path) -> Result<(), Error> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.directories.failed("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes layers in the form of a container's `layers` file: one hexadecimal digest a line.
pub(crate) fn listed(layers: &BTreeSet<LayerId>) -> String {
    layers.iter().map(|layer| layer.0.hex()).collect::<Vec<_>>().join("\n")
}

/// Reads a container's `layers` file.
pub(crate) fn from_list(text: &str) -> BTreeSet<LayerId> {
    text.lines().filter_map(|line| Digest::from_hex(line).ok()).map(LayerId).collect()
}

//! The root file systems of containers: the layers that they share, and the directories of each container.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Digest, Error, Image, LayerId, Store};

/// Gives containers root file systems, like Mesos' `Provisioner`. The files of a container are below `containers/<id>/`
/// of its root: `layers` names the layers in use, `backends/overlay/` has the files that the container writes.
#[derive(Debug, Clone)]
pub struct Provisioner {
    store: Store,
    root: PathBuf,
}

/// The directories of a container's overlay. The agent mounts nothing: the overlay belongs to the mount namespace of
/// the container and ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The directories of the layers, the lowest first.
    pub layers: Vec<PathBuf>,
    /// The directory of the files that the container writes.
    pub upper: PathBuf,
    /// The work directory of overlayfs, on the same file system as `upper`.
    pub work: PathBuf,
    /// An empty directory on which the root is mounted.
    pub target: PathBuf,
}

impl Provisioner {
    /// Opens the provisioner whose containers are below `root`. The directory is created if it is missing.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(store: Store, root: &Path) -> Result<Self, Error> {
        let containers = root.join("containers");
        fs::create_dir_all(&containers).map_err(|source| Error::Store {
            action: "create",
            path: containers.clone(),
            source,
        })?;
        let provisioner = Provisioner { store, root: root.to_owned() };
        provisioner.store.remove_unnamed_layers(&provisioner.layers_in_use()?)?;
        Ok(provisioner)
    }

    /// Returns the store of the images.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the directories of a container. The layers count as in use from then on.
    ///
    /// # Errors
    /// The directories cannot be made.
    pub fn provision(&self, container: &str, image: &Image) -> Result<Overlay, Error> {
        let directory = self.directory(container);
        let overlay = directory.join("backends/overlay");
        let failed = |path: &Path, source| Error::Store { action: "create", path: path.to_owned(), source };
        let in_use: Vec<String> = image.layers.iter().map(|layer| layer.0.hex()).collect();
        fs::create_dir_all(&overlay).map_err(|source| failed(&overlay, source))?;
        let layers = directory.join("layers");
        fs::write(&layers, in_use.join("\n")).map_err(|source| failed(&layers, source))?;
        let make = |name: &str| {
            let path = overlay.join(name);
            fs::create_dir_all(&path).map_err(|source| failed(&path, source)).map(|()| path)
        };
        Ok(Overlay {
            layers: image.layers.iter().map(|layer| self.store.layer_directory(*layer)).collect(),
            upper: make("upperdir")?,
            work: make("workdir")?,
            target: make("rootfs")?,
        })
    }

    /// Removes the files that a container has written. There are none for a container without an image.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn destroy(&self, container: &str) -> Result<(), Error> {
        let path = self.directory(container);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::Store { action: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Removes the files of containers that ended while no agent ran.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn recover(&self, alive: &BTreeSet<String>) -> Result<(), Error> {
        for container in self.containers()? {
            if !alive.contains(&container)
                && let Err(error) = self.destroy(&container)
            {
                tracing::warn!(container, %error, "cannot remove the root file system of a container that has ended");
            }
        }
        Ok(())
    }

    /// Returns the layers that containers use.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn layers_in_use(&self) -> Result<BTreeSet<LayerId>, Error> {
        let mut layers = BTreeSet::new();
        for container in self.containers()? {
            let text = fs::read_to_string(self.directory(&container).join("layers")).unwrap_or_default();
            layers.extend(text.lines().filter_map(|line| Digest::from_hex(line).ok()).map(LayerId));
        }
        Ok(layers)
    }

    fn directory(&self, container: &str) -> PathBuf {
        self.root.join("containers").join(container)
    }

    fn containers(&self) -> Result<Vec<String>, Error> {
        let path = self.root.join("containers");
        let failed = |source| Error::Store { action: "read", path: path.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }
}

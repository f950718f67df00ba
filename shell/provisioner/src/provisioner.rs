//! The root file systems of containers: the layers that they share, and the directories of each container.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use untrusted_files::remove_tree;

use crate::backend::copy_layers;
use crate::store::{from_list, listed};
use crate::{Error, Image, ImageReference, LayerId, Store};

/// Gives containers root file systems, like Mesos' `Provisioner`. The files of a container are below `containers/<id>/`
/// of its root: `layers` names the layers in use, `backends/<backend>/rootfses/<number>/` has the files that the
/// container writes.
#[derive(Debug, Clone)]
pub struct Provisioner {
    store: Store,
    root: PathBuf,
    backend: Backend,
}

/// The way in which the layers of an image become a root file system (`--image_provisioner_backend`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The kernel stacks the layers, which all containers share, and a directory for the files that the container writes.
    #[default]
    Overlay,
    /// Every container gets a copy of all files.
    Copy,
}

impl Backend {
    /// Returns the name of the backend in Mesos' flag.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Overlay => "overlay",
            Backend::Copy => "copy",
        }
    }

    /// Returns the backend of a name; `None` for a name that is not known.
    pub fn of_name(name: &str) -> Option<Self> {
        [Backend::Overlay, Backend::Copy].into_iter().find(|backend| backend.name() == name)
    }
}

/// An image that a container has, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// The image.
    pub image: Image,
    /// Its root file system.
    pub rootfs: Rootfs,
}

/// The root file system of one image for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rootfs {
    /// An overlay that the launcher mounts.
    Overlay(Overlay),
    /// A directory with all files.
    Directory(PathBuf),
}

/// The directories of an overlay. The agent mounts nothing: the overlay belongs to the mount namespace of the container
/// and ends with it.
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

/// The maximum of attempts to find the images of a container, which another process may remove at the same time.
const ATTEMPTS: u32 = 3;

impl Provisioner {
    /// Opens the provisioner whose containers are below `root`. The directory is created if it is missing. Layers that
    /// nothing needs are removed from the store.
    ///
    /// # Errors
    /// The directory cannot be made, or the store cannot be read.
    pub fn open(store: Store, root: &Path, backend: Backend) -> Result<Self, Error> {
        let containers = root.join("containers");
        fs::create_dir_all(&containers).map_err(|source| failed("create", &containers, source))?;
        let provisioner = Provisioner { store, root: root.to_owned(), backend };
        for container in provisioner.containers()? {
            // The store may be another one than that of the previous agent, or may have lost its records.
            let directory = provisioner.directory(&container);
            let layers = from_list(&fs::read_to_string(directory.join("layers")).unwrap_or_default());
            if !provisioner.store.hold(&directory, &layers)? {
                tracing::warn!(container, "the store lacks layers of a container");
            }
        }
        provisioner.store.remove_unnamed_layers()?;
        Ok(provisioner)
    }

    /// Returns the store of the images.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Gives a container its images, each of which `find` looks up or pulls. Their layers are in use until
    /// [`Provisioner::destroy`] is called, which also has to be called after an error.
    ///
    /// # Errors
    /// An image cannot be found, or the directories cannot be made.
    pub fn provide(
        &self,
        container: &str,
        wanted: &[ImageReference],
        find: &dyn Fn(&ImageReference) -> Result<Image, Error>,
    ) -> Result<Vec<Provided>, Error> {
        let directory = self.directory(container);
        fs::create_dir_all(&directory).map_err(|source| failed("create", &directory, source))?;
        for _ in 0..ATTEMPTS {
            let images = wanted.iter().map(find).collect::<Result<Vec<Image>, Error>>()?;
            let layers: BTreeSet<LayerId> = images.iter().flat_map(|image| image.layers.iter().copied()).collect();
            let path = directory.join("layers");
            fs::write(&path, listed(&layers)).map_err(|source| failed("write", &path, source))?;
            if self.store.hold(&directory, &layers)? {
                let rootfs = |(number, image)| self.rootfs(&directory, number, image);
                return images.into_iter().enumerate().map(rootfs).collect();
            }
        }
        Err(Error::Removed)
    }

    fn rootfs(&self, container: &Path, number: usize, image: Image) -> Result<Provided, Error> {
        let directory = container.join(format!("backends/{}/rootfses/{number}", self.backend.name()));
        let make = |name: &str| {
            let path = directory.join(name);
            fs::create_dir_all(&path).map_err(|source| failed("create", &path, source)).map(|()| path)
        };
        let layers: Vec<PathBuf> = image.layers.iter().map(|layer| self.store.layer_directory(*layer)).collect();
        let rootfs = match self.backend {
            Backend::Overlay => Rootfs::Overlay(Overlay {
                layers,
                upper: make("upperdir")?,
                work: make("workdir")?,
                target: make("rootfs")?,
            }),
            Backend::Copy => {
                let target = make("rootfs")?;
                copy_layers(&layers, &target).map_err(|source| failed("copy the layers to", &target, source))?;
                Rootfs::Directory(target)
            }
        };
        Ok(Provided { image, rootfs })
    }

    /// Removes the files that a container has written, and releases its layers. There are none for a container without
    /// an image.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn destroy(&self, container: &str) -> Result<(), Error> {
        let path = self.directory(container);
        remove_tree(&path).map_err(|source| failed("remove", &path, source))?;
        self.store.release(&path)
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

    /// Returns the directory with the files of a container.
    pub fn directory(&self, container: &str) -> PathBuf {
        self.root.join("containers").join(container)
    }

    fn containers(&self) -> Result<Vec<String>, Error> {
        let path = self.root.join("containers");
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(|source| failed("read", &path, source))? {
            names.extend(entry.map_err(|source| failed("read", &path, source))?.file_name().into_string());
        }
        Ok(names)
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpaceFor(path.to_owned()),
        _ => Error::Store { action, path: path.to_owned(), source },
    }
}

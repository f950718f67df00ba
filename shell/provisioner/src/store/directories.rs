//! The paths of the files in the store:
//!
//! | path | contents |
//! | --- | --- |
//! | `lock` | locked shared by pulls, exclusively by removals |
//! | `images/<hex>.json` | one image by the digest of its reference; these files determine which images the store has |
//! | `layers/<hex>/` | one unpacked layer by its `diff_id`, complete from the moment it has this name |
//! | `blobs/<hex>` | the `diff_id` of a packed layer by its digest |
//! | `implied/<hex>` | the directories that a layer has files in without listing them |
//! | `ingest/<hex>` | the beginning of a packed layer that is being fetched |
//! | `ingest/<hex>.lock` | locked by the pull that fetches it |
//! | `staging/<name>/` | a layer that is being unpacked |
//! | `boot` | the boot of the machine whose first process has cleaned the store |
//! | `in-use/<hex>.json` | the layers that one container uses, by the digest of the container's directory |

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::layers::next_staging_name;
use crate::{Digest, Error, LayerId};

/// Returns the path of a file that becomes another one when it is complete. No other thread or process uses it.
fn staged(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.new", next_staging_name()))
}

/// The directories of a store, in the order in which they are made: by the first one, a store is recognised.
const PARTS: [&str; 7] = ["images", "layers", "blobs", "implied", "ingest", "staging", "in-use"];

/// The paths of one store.
#[derive(Debug, Clone)]
pub(super) struct Directories {
    root: PathBuf,
}

impl Directories {
    /// Creates the directories that are missing. Only root (or the user of the agent) can read them, because images
    /// contain secrets. The permissions of what is there already stay as they are.
    ///
    /// # Errors
    /// Returns [`Error::NoStore`] for a directory with other contents, or the directory that cannot be created.
    pub fn create(root: &Path) -> Result<Self, Error> {
        let directories = Directories { root: root.to_owned() };
        // In this order, since another process may be making the store, which begins with the images.
        if directories.has_contents()? && !directories.images().is_dir() {
            return Err(Error::NoStore { path: root.to_owned(), why: "it has other contents" });
        }
        let parent = root.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(|source| directories.failed("create", parent, source))?;
        for path in [root.to_owned()].into_iter().chain(PARTS.map(|name| root.join(name))) {
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                made => made.map_err(|source| directories.failed("create", &path, source))?,
            }
        }
        Ok(directories)
    }

    /// Finds the directories of a store, and creates nothing.
    ///
    /// # Errors
    /// Returns [`Error::NoStore`] for a directory that is missing or has no store.
    pub fn existing(root: &Path) -> Result<Self, Error> {
        let directories = Directories { root: root.to_owned() };
        let images = directories.images();
        match images.metadata() {
            Ok(data) if data.is_dir() => Ok(directories),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(directories.failed("read", &images, error))
            }
            _ if root.is_dir() => Err(Error::NoStore { path: root.to_owned(), why: "it has no images" }),
            _ => Err(Error::NoStore { path: root.to_owned(), why: "it does not exist" }),
        }
    }

    /// Returns whether the root exists and has anything in it but what a new file system has.
    fn has_contents(&self) -> Result<bool, Error> {
        match fs::read_dir(&self.root) {
            Ok(entries) => Ok(entries.flatten().any(|entry| entry.file_name() != "lost+found")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.failed("read", &self.root, source)),
        }
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub fn boot(&self) -> PathBuf {
        self.root.join("boot")
    }

    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Returns the file of an image. Its name is the digest of the reference, because references contain slashes and
    /// can have any length.
    pub fn image(&self, reference: &str) -> PathBuf {
        self.images().join(format!("{}.json", Digest::of(reference.as_bytes()).hex()))
    }

    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub fn layer(&self, layer: LayerId) -> PathBuf {
        self.layers().join(layer.0.hex())
    }

    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub fn all_implied(&self) -> PathBuf {
        self.root.join("implied")
    }

    pub fn implied(&self, layer: LayerId) -> PathBuf {
        self.all_implied().join(layer.0.hex())
    }

    pub fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    pub fn partial(&self, digest: Digest) -> PathBuf {
        self.ingest().join(digest.hex())
    }

    pub fn partial_lock(&self, digest: Digest) -> PathBuf {
        self.ingest().join(format!("{}.lock", digest.hex()))
    }

    pub fn all_in_use(&self) -> PathBuf {
        self.root.join("in-use")
    }

    /// Returns the file with the layers that a container uses. Agents that share the store have different directories.
    pub fn in_use(&self, container: &Path) -> PathBuf {
        let name = Digest::of(container.as_os_str().as_encoded_bytes()).hex();
        self.all_in_use().join(format!("{name}.json"))
    }

    pub fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// Writes a small file so that it exists completely or not at all, even after a loss of power. Several containers may pull
    /// the same image and write the same file at once.
    ///
    /// # Errors
    /// Returns the path of the file, with the error of the operating system.
    pub fn write_durably(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let staged = staged(path);
        let write = || -> io::Result<()> {
            let mut file = File::create(&staged)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&staged, path)?;
            path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        };
        write().map_err(|source| self.failed("write", path, source))
    }

    /// Writes a small file so that other processes see it completely or not at all.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let staged = staged(path);
        let write = || fs::write(&staged, bytes).and_then(|()| fs::rename(&staged, path));
        write().map_err(|source| self.failed("write", path, source))
    }

    /// Makes an error of a failed access. A full disk has a text of its own, which names the remedy.
    pub fn failed(&self, action: &'static str, path: &Path, source: io::Error) -> Error {
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Error::NoSpace(self.root.clone()),
            _ => Error::Store { action, path: path.to_owned(), source },
        }
    }
}

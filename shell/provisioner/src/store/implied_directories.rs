//! Directories that a layer has files in without listing them itself.
//!
//! Such a directory has no owner, mode or time of its own. Its properties are those of the lower layers, as for programs
//! that unpack all layers into one directory; overlayfs shows those of the uppermost layer that has it. An image with
//! such layers gets one more on top, which consists of these directories with their right properties.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use serde::Serialize;

use super::image::LayerId;
use super::store_root::Store;
use crate::layer::is_opaque;
use crate::{Digest, Error};

/// The maximum size of an extended attribute, in bytes (`XATTR_SIZE_MAX` of Linux).
const MAX_ATTRIBUTE: usize = 64 << 10;

/// The properties of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Properties {
    mode: u32,
    uid: u32,
    gid: u32,
    modified: (i64, i64),
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A directory of the layer on top.
#[derive(Debug, Serialize)]
struct Corrected {
    path: Vec<u8>,
    properties: Properties,
}

/// A layer, and the directories that it implies.
struct Layer {
    root: PathBuf,
    implied: BTreeSet<PathBuf>,
}

/// What a layer says about a directory.
enum Found {
    /// The layer has no such directory, and does not hide those of lower layers.
    Nothing,
    /// It has the directory. `hides` tells that lower layers do not show through.
    Directory { is_implied: bool, hides: bool },
    /// It hides what lower layers have.
    Hidden,
}

impl Store {
    /// Records the directories that a layer implies, before the layer gets its name.
    pub(super) fn record_implied(&self, layer: LayerId, implied: &[PathBuf]) -> Result<(), Error> {
        if implied.is_empty() {
            return Ok(());
        }
        let paths: Vec<Vec<u8>> = implied.iter().map(|path| path.clone().into_os_string().into_vec()).collect();
        let bytes =
            serde_json::to_vec(&paths).map_err(|error| Error::manifest("the record of implied directories", error))?;
        self.directories.write(&self.directories.implied(layer), &bytes)
    }

    /// Returns the layers of an image, with one more if directories have to be corrected.
    pub(super) fn with_corrected_directories(&self, mut layers: Vec<LayerId>) -> Result<Vec<LayerId>, Error> {
        let stack: Vec<Layer> = layers.iter().map(|layer| self.layer_of(*layer)).collect::<Result<_, _>>()?;
        let failed = |source| self.directories.failed("read", &self.directories.layers(), source);
        let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
        for path in stack.iter().flat_map(|layer| &layer.implied) {
            if is_wrong(&stack, path).map_err(failed)? {
                // The directories above it would get the properties of the new ones.
                wanted.extend(path.ancestors().filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned));
            }
        }
        let mut corrected = Vec::new();
        for path in wanted {
            if let Some(properties) = merged(&stack, &path).map_err(failed)? {
                corrected.push(Corrected { path: path.into_os_string().into_vec(), properties });
            }
        }
        if !corrected.is_empty() {
            layers.push(self.corrected_layer(&corrected)?);
        }
        Ok(layers)
    }

    fn layer_of(&self, layer: LayerId) -> Result<Layer, Error> {
        let path = self.directories.implied(layer);
        let paths: Vec<Vec<u8>> = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| self.directories.failed("read", &path, io::Error::from(error)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(self.directories.failed("read", &path, source)),
        };
        let implied = paths.into_iter().map(|path| PathBuf::from(OsString::from_vec(path))).collect();
        Ok(Layer { root: self.layer_directory(layer), implied })
    }

    /// Makes the layer of these directories, or finds it. The directories above others come before them.
    fn corrected_layer(&self, corrected: &[Corrected]) -> Result<LayerId, Error> {
        let bytes =
            serde_json::to_vec(corrected).map_err(|error| Error::manifest("the corrected directories", error))?;
        let layer = LayerId(Digest::of(&bytes));
        if self.has_layer(layer) {
            return Ok(layer);
        }
        let staging = self.make_staging()?;
        let at = |directory: &Corrected| staging.join(PathBuf::from(OsString::from_vec(directory.path.clone())));
        let make = || -> io::Result<()> {
            corrected.iter().try_for_each(|directory| fs::create_dir(at(directory)))?;
            // The times of a directory change with its entries.
            corrected.iter().rev().try_for_each(|directory| apply(&at(directory), &directory.properties))
        };
        let path = self.directories.layer(layer);
        match make().and_then(|()| fs::rename(&staging, &path)) {
            Ok(()) => Ok(layer),
            Err(_) if path.is_dir() => self.remove_tree(&staging).map(|()| layer),
            Err(source) => {
                self.remove_tree(&staging)?;
                Err(self.directories.failed("create", &path, source))
            }
        }
    }
}

/// Returns what a layer says about a directory.
fn find(layer: &Layer, path: &Path) -> io::Result<Found> {
    let mut at = layer.root.clone();
    let mut hides = false;
    for part in path {
        at.push(part);
        match metadata(&at)? {
            None if hides => return Ok(Found::Hidden),
            None => return Ok(Found::Nothing),
            Some(data) if data.is_dir() => hides |= is_opaque(open(&at)?.as_fd()),
            // A whiteout, a link or a file.
            Some(_) => return Ok(Found::Hidden),
        }
    }
    Ok(Found::Directory { is_implied: layer.implied.contains(path), hides })
}

/// Returns whether the uppermost layer that has the directory only implies it, while a lower one that shows through has
/// its properties.
fn is_wrong(stack: &[Layer], path: &Path) -> io::Result<bool> {
    let mut is_implied_above = false;
    for layer in stack.iter().rev() {
        match find(layer, path)? {
            Found::Nothing => {}
            Found::Hidden => return Ok(false),
            Found::Directory { is_implied: false, .. } => return Ok(is_implied_above),
            Found::Directory { hides: true, .. } => return Ok(false),
            Found::Directory { .. } => is_implied_above = true,
        }
    }
    Ok(false)
}

/// Returns the properties of a directory in the image: those of the uppermost layer that lists it, else those of the
/// uppermost that implies it.
fn merged(stack: &[Layer], path: &Path) -> io::Result<Option<Properties>> {
    let mut implied = None;
    for layer in stack.iter().rev() {
        let at = layer.root.join(path);
        match find(layer, path)? {
            Found::Nothing => continue,
            Found::Hidden => break,
            Found::Directory { is_implied: false, .. } => return properties(&at).map(Some),
            Found::Directory { hides, .. } => {
                if implied.is_none() {
                    implied = Some(properties(&at)?);
                }
                if hides {
                    break;
                }
            }
        }
    }
    Ok(implied)
}

fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        data => data.map(Some),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn properties(path: &Path) -> io::Result<Properties> {
    let directory = open(path)?;
    let data = directory.metadata()?;
    let mut list = vec![0; MAX_ATTRIBUTE];
    let length = match rustix::fs::flistxattr(&directory, &mut list) {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = list.get(..length).unwrap_or_default().split(|byte| *byte == 0);
    let mut attributes = Vec::new();
    for name in
        names.filter(|name| !name.is_empty() && !name.starts_with(b"trusted.") && !name.starts_with(b"user.overlay."))
    {
        let mut value = vec![0; MAX_ATTRIBUTE];
        let length = rustix::fs::fgetxattr(&directory, name, &mut value)?;
        value.truncate(length);
        attributes.push((name.to_vec(), value));
    }
    attributes.sort();
    Ok(Properties {
        mode: data.mode() & 0o7777,
        uid: data.uid(),
        gid: data.gid(),
        modified: (data.mtime(), data.mtime_nsec()),
        attributes,
    })
}

fn apply(path: &Path, properties: &Properties) -> io::Result<()> {
    let directory = open(path)?;
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = (Uid::from_raw(properties.uid), Gid::from_raw(properties.gid));
        rustix::fs::fchown(&directory, Some(uid), Some(gid))?;
    }
    rustix::fs::fchmod(&directory, Mode::from_raw_mode(properties.mode))?;
    for (name, value) in &properties.attributes {
        match rustix::fs::fsetxattr(&directory, name.as_slice(), value, XattrFlags::empty()) {
            // Security modules of the host have set theirs.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let time = Timespec { tv_sec: properties.modified.0, tv_nsec: properties.modified.1 };
    Ok(rustix::fs::futimens(&directory, &Timestamps { last_access: time, last_modification: time })?)
}

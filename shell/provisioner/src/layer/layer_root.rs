//! The directory of one layer. Nothing is written outside of it.
//!
//! The kernel resolves every path from the directory's own descriptor as if it were the root (openat2(2),
//! `RESOLVE_IN_ROOT`), so that neither `..` nor an absolute link leads out. The last part of a path is never followed.
//! CVE-2019-14271 and CVE-2021-41091 are examples of writes or reads through links of an image.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use untrusted_files::{MAX_LINKS, remove_tree_at, target_below_root};

use super::layer_path::LayerPath;

pub(super) struct LayerRoot {
    root: OwnedFd,
    /// The parent of the previous member. It is kept because consecutive members are mostly in the same directory.
    last: Option<(PathBuf, OwnedFd)>,
    is_root: bool,
    /// The directories that were made for files in them, and that are no members so far.
    implied: BTreeSet<PathBuf>,
}

/// The owner, the permissions and the modification time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub uid: u32,
    pub gid: u32,
    /// The permissions, including set-user-id, set-group-id and the sticky bit.
    pub mode: u32,
    pub modified: Timespec,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const ALL_PERMISSIONS: u32 = 0o7777;

impl LayerRoot {
    /// Opens the directory, which the caller has created.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = rustix::fs::open(path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(LayerRoot { root, last: None, is_root: rustix::process::geteuid().is_root(), implied: BTreeSet::new() })
    }

    /// Makes a new file and replaces any file or link of that name.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn create_file(&mut self, path: &LayerPath) -> io::Result<File> {
        self.replace(path)?;
        let parent = self.parent(&path.parent)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(parent, &*path.name, flags, Mode::from_raw_mode(0o600))?))
    }

    /// Makes a directory, or takes the existing one. Returns whether it replaced a whiteout or a file: lower layers
    /// must not show through the directory then.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn create_directory(&mut self, path: &LayerPath) -> io::Result<bool> {
        let parent = self.parent(&path.parent)?;
        match rustix::fs::mkdirat(parent, &*path.name, Mode::from_raw_mode(0o755)) {
            Ok(()) => Ok(false),
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(parent, &*path.name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    self.list(path)?;
                    return Ok(false);
                }
                rustix::fs::unlinkat(parent, &*path.name, AtFlags::empty())?;
                rustix::fs::mkdirat(parent, &*path.name, Mode::from_raw_mode(0o755))?;
                Ok(true)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn link_symbolically(&mut self, path: &LayerPath, target: &Path) -> io::Result<()> {
        self.replace(path)?;
        // The directory of an earlier path may be another one now.
        self.last = None;
        Ok(rustix::fs::symlinkat(target, self.parent(&path.parent)?, &*path.name)?)
    }

    /// Makes a hard link to a file of this layer. If the target is a symbolic link, the hard link is to the symbolic
    /// link itself.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn link_hard(&mut self, path: &LayerPath, target: &LayerPath) -> io::Result<()> {
        let source = open_in_root(self.root.as_fd(), &target.parent)?;
        rustix::fs::statat(&source, &*target.name, AtFlags::SYMLINK_NOFOLLOW)?;
        if path == target {
            return Ok(());
        }
        self.replace(path)?;
        let parent = self.parent(&path.parent)?;
        Ok(rustix::fs::linkat(&source, &*target.name, parent, &*path.name, AtFlags::empty())?)
    }

    /// Makes a device or a pipe. Without root, it makes an empty file in place of a device.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn create_node(&mut self, path: &LayerPath, kind: FileType, device: u64) -> io::Result<()> {
        self.replace(path)?;
        let is_root = self.is_root;
        let parent = self.parent(&path.parent)?;
        let is_whiteout = kind == FileType::CharacterDevice && device == 0;
        let kind = if is_root || kind == FileType::Fifo || is_whiteout { kind } else { FileType::RegularFile };
        Ok(rustix::fs::mknodat(parent, &*path.name, kind, Mode::from_raw_mode(0o600), device)?)
    }

    /// Hides a name of lower layers: the whiteout of overlayfs is a character device 0/0. An entry of that name in this
    /// layer stays, but an existing directory becomes opaque, because whiteouts apply to lower layers only.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn white_out(&mut self, path: &LayerPath) -> io::Result<()> {
        let parent = match self.parent(&path.parent) {
            // The layer has a file in the place of the directory, so that nothing of it shows through.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
            parent => parent?,
        };
        match rustix::fs::statat(parent, &*path.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => self.set_opaque(path),
            Ok(_) => Ok(()),
            Err(Errno::NOENT) => {
                let kind = FileType::CharacterDevice;
                Ok(rustix::fs::mknodat(parent, &*path.name, kind, Mode::from_raw_mode(0), 0)?)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Hides the entries that lower layers have in a directory of this layer.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn set_opaque(&mut self, directory: &LayerPath) -> io::Result<()> {
        let at = self.directory(directory)?;
        self.set_opaque_at(at.as_fd())
    }

    /// Hides the entries that lower layers have in the parent of `path`.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn set_parent_opaque(&mut self, path: &LayerPath) -> io::Result<()> {
        let is_root = self.is_root;
        let parent = match self.parent(&path.parent) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
            parent => parent?,
        };
        Ok(rustix::fs::fsetxattr(parent, opaque_attribute(is_root), b"y", XattrFlags::empty())?)
    }

    fn set_opaque_at(&self, directory: BorrowedFd<'_>) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(directory, opaque_attribute(self.is_root), b"y", XattrFlags::empty())?)
    }

    /// Opens a directory of this layer that is no link.
    fn directory(&mut self, path: &LayerPath) -> io::Result<OwnedFd> {
        let parent = self.parent(&path.parent)?;
        Ok(rustix::fs::openat(parent, &*path.name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?)
    }

    /// Sets owner, permissions and time of an open file. The owner comes first: a change of it clears set-user-id.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn set_file_attributes(&self, file: &File, attributes: Attributes) -> io::Result<()> {
        if self.is_root {
            let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            rustix::fs::fchown(file, Some(uid), Some(gid))?;
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(attributes.mode & ALL_PERMISSIONS))?;
        Ok(rustix::fs::futimens(file, &times(attributes.modified))?)
    }

    /// Sets an extended attribute of an open file or directory.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn set_attribute(file: BorrowedFd<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
    }

    /// Opens a directory of the layer, for its attributes.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn open_directory(&mut self, path: &LayerPath) -> io::Result<File> {
        Ok(File::from(self.directory(path)?))
    }

    /// Sets owner and permissions of a directory; without root its owner must be able to fill it.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn set_directory_attributes(&self, directory: &File, attributes: Attributes) -> io::Result<()> {
        let needed = if self.is_root { 0 } else { 0o700 };
        self.set_file_attributes(directory, Attributes { mode: attributes.mode | needed, ..attributes })
    }

    /// Sets the owner and, except for links, the permissions of an entry that is not opened.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn set_node_attributes(&mut self, path: &LayerPath, attributes: Attributes, is_link: bool) -> io::Result<()> {
        let is_root = self.is_root;
        let parent = self.parent(&path.parent)?;
        if is_root {
            let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            rustix::fs::chownat(parent, &*path.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if !is_link {
            // This layer has just created the entry, it is no link, and no other process writes here.
            let mode = Mode::from_raw_mode(attributes.mode & ALL_PERMISSIONS);
            rustix::fs::chmodat(parent, &*path.name, mode, AtFlags::empty())?;
        }
        let times = times(attributes.modified);
        Ok(rustix::fs::utimensat(parent, &*path.name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets the times of a directory after all its entries have been made. The directory may have been removed by then.
    pub fn set_directory_time(&mut self, path: &LayerPath, modified: Timespec) {
        if let Ok(parent) = self.parent(&path.parent) {
            let _ = rustix::fs::utimensat(parent, &*path.name, &times(modified), AtFlags::SYMLINK_NOFOLLOW);
        }
    }

    /// Sets owner, permissions and time of the root directory.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    /// Sets the times of the root after all entries have been made.
    pub fn set_root_time(&self, modified: Timespec) {
        let _ = rustix::fs::futimens(&self.root, &times(modified));
    }

    pub fn set_root_attributes(&self, attributes: Attributes) -> io::Result<()> {
        self.set_directory_attributes(&File::from(self.root.try_clone()?), attributes)
    }

    /// Removes the entry in whose place a new file is made. A directory is removed with everything that this layer has
    /// put into it, as by `tar`.
    fn replace(&mut self, path: &LayerPath) -> io::Result<()> {
        let parent = self.parent(&path.parent)?;
        match rustix::fs::unlinkat(parent, &*path.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {
                let parent = parent.try_clone_to_owned()?;
                self.last = None;
                remove_tree_at(parent.as_fd(), &path.name)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the parent of a member, and makes the directories of its path that are missing.
    fn parent(&mut self, path: &Path) -> io::Result<BorrowedFd<'_>> {
        if self.last.as_ref().is_none_or(|(known, _)| known != path) {
            let opened = match open_in_root(self.root.as_fd(), path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_directories(path, 0)?,
                opened => opened?,
            };
            self.last = Some((path.to_owned(), opened));
        }
        Ok(self.last.as_ref().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// Takes into account that a directory is a member.
    fn list(&mut self, path: &LayerPath) -> io::Result<()> {
        if !self.implied.is_empty() {
            let root = self.root.try_clone()?;
            if let Some(parent) = real_path(&root, self.parent(&path.parent)?) {
                self.implied.remove(&parent.join(&path.name));
            }
        }
        Ok(())
    }

    /// Returns the directories that were made for files in them and are no members. They are still there, and no links.
    pub fn implied(&self) -> Vec<PathBuf> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        let resolve = IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let exists = |path: &&PathBuf| rustix::fs::openat2(&self.root, *path, flags, Mode::empty(), resolve).is_ok();
        self.implied.iter().filter(exists).cloned().collect()
    }

    /// Makes the directories of a path. A link on the way may lead to a directory that only lower layers have. That
    /// directory is made in this layer as well, and overlayfs merges the two.
    fn make_directories(&mut self, path: &Path, links: u32) -> io::Result<OwnedFd> {
        let mut at = self.root.try_clone()?;
        let mut so_far = PathBuf::new();
        for name in path {
            match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => self.implied.extend(real_path(&self.root, at.as_fd()).map(|parent| parent.join(name))),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let parent = so_far.clone();
            so_far.push(name);
            at = match open_in_root(self.root.as_fd(), &so_far) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && links < MAX_LINKS => {
                    let target = rustix::fs::readlinkat(&at, name, Vec::new())?;
                    let target = target_below_root(&parent, Path::new(OsStr::from_bytes(target.to_bytes())));
                    self.make_directories(&target, links + 1)?
                }
                opened => opened?,
            };
        }
        Ok(at)
    }
}

/// Returns the path of a directory below the root without links; `None` if it is longer than a path can be.
fn real_path(root: &OwnedFd, directory: BorrowedFd<'_>) -> Option<PathBuf> {
    let path = |fd: BorrowedFd<'_>| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
    path(directory)?.strip_prefix(path(root.as_fd())?).ok().map(Path::to_owned)
}

/// Returns the attribute by which overlayfs recognises an opaque directory. In a user namespace (mount option
/// `userxattr`) it is another one.
fn opaque_attribute(is_root: bool) -> &'static str {
    if is_root { "trusted.overlay.opaque" } else { "user.overlay.opaque" }
}

fn times(modified: Timespec) -> Timestamps {
    Timestamps { last_access: modified, last_modification: modified }
}

fn open_in_root(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    if path.as_os_str().is_empty() {
        return root.try_clone_to_owned();
    }
    match rustix::fs::openat2(root, path, DIRECTORY, Mode::empty(), IN_ROOT) {
        Err(Errno::NOSYS) => Err(io::Error::new(io::ErrorKind::Unsupported, "images need Linux 5.6 or newer")),
        opened => Ok(opened?),
    }
}

/// Returns whether lower layers must not show through a directory.
pub(crate) fn is_opaque(directory: BorrowedFd<'_>) -> bool {
    let mut value = [0; 1];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .into_iter()
        .any(|name| rustix::fs::fgetxattr(directory, name, &mut value).is_ok() && value == *b"y")
}

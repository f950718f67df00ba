//! The directory of one layer as a place to write into, and nowhere else.
//!
//! The kernel resolves every path from the directory's own descriptor as if it were the root (openat2(2), `RESOLVE_IN_ROOT`), so that
//! neither `..` nor an absolute link leads out. The last part of a path is never followed. (CVE-2019-14271, CVE-2021-41091 and their
//! kin are writes or reads through links of an image.)

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::layer_path::LayerPath;

pub(super) struct LayerRoot {
    root: OwnedFd,
    /// The parent of the last member: members of one directory mostly follow each other.
    last: Option<(PathBuf, OwnedFd)>,
    is_root: bool,
}

/// Owner, permissions and time of change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub uid: u32,
    pub gid: u32,
    /// With set-user-id, set-group-id and the sticky bit.
    pub mode: u32,
    pub modified: Timespec,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const ALL_PERMISSIONS: u32 = 0o7777;

impl LayerRoot {
    /// Opens the directory, which is the caller's own.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = rustix::fs::open(path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(LayerRoot { root, last: None, is_root: rustix::process::geteuid().is_root() })
    }

    /// Makes a new file, in the place of whatever file or link was there.
    pub fn create_file(&mut self, path: &LayerPath) -> io::Result<File> {
        self.replace(path)?;
        let parent = self.parent(&path.parent)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(parent, &*path.name, flags, Mode::from_raw_mode(0o600))?))
    }

    /// Makes a directory, or takes the one that is there. Returns whether a whiteout or a file was in its place: then lower layers
    /// must not show through.
    pub fn create_directory(&mut self, path: &LayerPath) -> io::Result<bool> {
        let parent = self.parent(&path.parent)?;
        match rustix::fs::mkdirat(parent, &*path.name, Mode::from_raw_mode(0o755)) {
            Ok(()) => Ok(false),
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(parent, &*path.name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    return Ok(false);
                }
                rustix::fs::unlinkat(parent, &*path.name, AtFlags::empty())?;
                rustix::fs::mkdirat(parent, &*path.name, Mode::from_raw_mode(0o755))?;
                Ok(true)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    pub fn link_symbolically(&mut self, path: &LayerPath, target: &Path) -> io::Result<()> {
        self.replace(path)?;
        // What was resolved before may lead elsewhere now.
        self.last = None;
        Ok(rustix::fs::symlinkat(target, self.parent(&path.parent)?, &*path.name)?)
    }

    /// Makes a second name of a file of this layer, of a link itself if the target is one.
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

    /// Makes a device or a pipe. Without root there is an empty file in place of a device.
    pub fn create_node(&mut self, path: &LayerPath, kind: FileType, device: u64) -> io::Result<()> {
        self.replace(path)?;
        let is_root = self.is_root;
        let parent = self.parent(&path.parent)?;
        let is_whiteout = kind == FileType::CharacterDevice && device == 0;
        let kind = if is_root || kind == FileType::Fifo || is_whiteout { kind } else { FileType::RegularFile };
        Ok(rustix::fs::mknodat(parent, &*path.name, kind, Mode::from_raw_mode(0o600), device)?)
    }

    /// Takes a name away from lower layers: overlayfs' whiteout is a character device 0/0. What this layer itself has under that name
    /// stays, but hides a directory below (whiteouts are about lower layers only).
    pub fn white_out(&mut self, path: &LayerPath) -> io::Result<()> {
        let parent = self.parent(&path.parent)?;
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

    /// Hides what lower layers have in a directory of this layer.
    pub fn set_opaque(&mut self, directory: &LayerPath) -> io::Result<()> {
        let at = self.directory(directory)?;
        self.set_opaque_at(at.as_fd())
    }

    /// Hides what lower layers have in the parent of `path`.
    pub fn set_parent_opaque(&mut self, path: &LayerPath) -> io::Result<()> {
        let is_root = self.is_root;
        let parent = self.parent(&path.parent)?;
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
    pub fn set_file_attributes(&self, file: &File, attributes: Attributes) -> io::Result<()> {
        if self.is_root {
            let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            rustix::fs::fchown(file, Some(uid), Some(gid))?;
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(attributes.mode & ALL_PERMISSIONS))?;
        Ok(rustix::fs::futimens(file, &times(attributes.modified))?)
    }

    /// Sets an extended attribute of an open file or directory.
    pub fn set_attribute(file: BorrowedFd<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
    }

    /// Opens a directory of the layer, for its attributes.
    pub fn open_directory(&mut self, path: &LayerPath) -> io::Result<File> {
        Ok(File::from(self.directory(path)?))
    }

    /// Sets owner and permissions of a directory; without root its owner must be able to fill it.
    pub fn set_directory_attributes(&self, directory: &File, attributes: Attributes) -> io::Result<()> {
        let needed = if self.is_root { 0 } else { 0o700 };
        self.set_file_attributes(directory, Attributes { mode: attributes.mode | needed, ..attributes })
    }

    /// Sets owner and, but for links, permissions of what is not opened.
    pub fn set_node_attributes(&mut self, path: &LayerPath, attributes: Attributes, is_link: bool) -> io::Result<()> {
        let is_root = self.is_root;
        let parent = self.parent(&path.parent)?;
        if is_root {
            let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
            rustix::fs::chownat(parent, &*path.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if !is_link {
            // It was made just now and is no link, and nobody else writes here.
            let mode = Mode::from_raw_mode(attributes.mode & ALL_PERMISSIONS);
            rustix::fs::chmodat(parent, &*path.name, mode, AtFlags::empty())?;
        }
        let times = times(attributes.modified);
        Ok(rustix::fs::utimensat(parent, &*path.name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets the times of a directory, after everything in it has been made; it may be gone by then.
    pub fn set_directory_time(&mut self, path: &LayerPath, modified: Timespec) {
        if let Ok(parent) = self.parent(&path.parent) {
            let _ = rustix::fs::utimensat(parent, &*path.name, &times(modified), AtFlags::SYMLINK_NOFOLLOW);
        }
    }

    pub fn set_root_attributes(&self, attributes: Attributes) -> io::Result<()> {
        self.set_directory_attributes(&File::from(self.root.try_clone()?), attributes)
    }

    /// Removes what is in the place of a new file. A directory goes with all that this layer has put into it, as with `tar`.
    fn replace(&mut self, path: &LayerPath) -> io::Result<()> {
        let parent = self.parent(&path.parent)?;
        match rustix::fs::unlinkat(parent, &*path.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {
                let parent = parent.try_clone_to_owned()?;
                self.last = None;
                remove_directory(parent.as_fd(), &path.name, 0)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the parent of a member, and makes what is missing of it.
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

    /// Makes the directories of a path. A link on the way may lead to a directory that only lower layers have: it is made here, and
    /// overlayfs puts the two together.
    fn make_directories(&self, path: &Path, links: u32) -> io::Result<OwnedFd> {
        let mut at = self.root.try_clone()?;
        let mut so_far = PathBuf::new();
        for name in path {
            match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let parent = so_far.clone();
            so_far.push(name);
            at = match open_in_root(self.root.as_fd(), &so_far) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && links < MAX_LINKS => {
                    let target = rustix::fs::readlinkat(&at, name, Vec::new())?;
                    let target = below_root(&parent, Path::new(OsStr::from_bytes(target.to_bytes())));
                    self.make_directories(&target, links + 1)?
                }
                opened => opened?,
            };
        }
        Ok(at)
    }
}

/// As many links are followed as by the kernel.
const MAX_LINKS: u32 = 40;

/// Where a link in a directory leads if nothing is above the root.
fn below_root(directory: &Path, target: &Path) -> PathBuf {
    let mut path = if target.is_absolute() { PathBuf::new() } else { directory.to_owned() };
    for component in target.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => drop(path.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

/// The attribute by which overlayfs knows an opaque directory; in a user namespace (mount option `userxattr`) another.
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

/// The deepest directory that one member can have.
const MAX_DEPTH: usize = 2048;

fn remove_directory(parent: BorrowedFd<'_>, name: &OsStr, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other("directories are nested too deeply"));
    }
    let directory = rustix::fs::openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let entry = entry?;
        let child = OsStr::from_bytes(entry.file_name().to_bytes());
        if child == "." || child == ".." {
            continue;
        }
        match rustix::fs::unlinkat(&directory, child, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::ISDIR | Errno::PERM) => remove_directory(directory.as_fd(), child, depth + 1)?,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

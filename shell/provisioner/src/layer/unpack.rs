//! Unpacks the members of a layer's tar archive, one after the other.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, Timespec, makedev};
use tar::{Entry, EntryType};
use untrusted_files::{MAX_HEADERS, TarMember, for_each_tar_member, is_link_target};

use super::layer_path::LayerPath;
use super::layer_root::{Attributes, LayerRoot};
use super::pax_records::{Records, pax_records};
use super::whiteout::Whiteout;
use crate::error::LayerError;

/// The limits of one layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpackLimits {
    /// The maximum number of files, directories and links.
    pub files: u64,
    /// The maximum number of bytes of all files together.
    pub bytes: u64,
}

/// Unpacks an archive into a directory. Returns the directories that it has files in without listing them.
///
/// # Errors
/// The archive is broken or hostile, costs more than the limits, or the directory cannot be written.
pub(super) fn unpack(
    archive: impl Read,
    directory: &Path,
    limits: UnpackLimits,
    cancelled: &AtomicBool,
) -> Result<Vec<PathBuf>, LayerError> {
    let failed = |source| LayerError::Write { path: directory.display().to_string(), source };
    let root = LayerRoot::open(directory).map_err(failed)?;
    let mut unpacking = Unpacking { root, limits, files: 0, bytes: 0, times: Vec::new(), root_time: None, cancelled };
    let broken = |source: io::Error, is_too_long: bool| match is_too_long {
        true => LayerError::Headers(MAX_HEADERS),
        false => LayerError::Read(source),
    };
    for_each_tar_member(archive, broken, |member| unpacking.member(member))?;
    Ok(unpacking.finish())
}

struct Unpacking<'a> {
    root: LayerRoot,
    limits: UnpackLimits,
    files: u64,
    bytes: u64,
    /// The modification times of directories. They are set at the end, because each new file in a directory changes its
    /// time.
    times: Vec<(LayerPath, Timespec)>,
    /// That of the root, if the layer has it as a member.
    root_time: Option<Timespec>,
    cancelled: &'a AtomicBool,
}

impl Unpacking<'_> {
    fn member<R: Read>(&mut self, mut member: TarMember<'_, R>) -> Result<(), LayerError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(LayerError::Read(io::Error::from(io::ErrorKind::Interrupted)));
        }
        self.files += 1;
        if self.files > self.limits.files {
            return Err(LayerError::TooManyFiles(self.limits.files));
        }
        let name = member.entry.path().map_err(LayerError::Read)?.into_owned();
        let shown = name.display().to_string();
        let outside = |()| LayerError::Outside(shown.clone());
        let Records { attributes: extended, modified } = match member.entry.pax_extensions() {
            Ok(extensions) => pax_records(extensions, &shown)?,
            Err(source) => return Err(LayerError::Read(source)),
        };
        let mut attributes = attributes(&member.entry)?;
        attributes.modified = modified.unwrap_or(attributes.modified);
        let Some(path) = LayerPath::parse(&name).map_err(outside)? else {
            // The member is the root itself.
            if member.entry.header().entry_type() == EntryType::Directory {
                self.root
                    .set_root_attributes(attributes)
                    .map_err(|source| LayerError::Write { path: shown, source })?;
                self.root_time = Some(attributes.modified);
            }
            return Ok(());
        };
        let failed = |source| LayerError::Write { path: shown.clone(), source };
        match Whiteout::parse(&path.name) {
            Whiteout::No => {}
            Whiteout::Of(name) => return self.root.white_out(&path.with_name(name)).map_err(failed),
            Whiteout::Opaque => return self.root.set_parent_opaque(&path).map_err(failed),
            Whiteout::Ignored => return Ok(()),
            Whiteout::Invalid => return Err(LayerError::Outside(shown)),
        }
        let kind = member.entry.header().entry_type();
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = self.root.create_file(&path).map_err(failed)?;
                self.copy(&mut member, &mut file, &shown)?;
                self.root.set_file_attributes(&file, attributes).map_err(failed)?;
                // The attributes are set after the owner, because a change of the owner removes capabilities.
                set_extended(file.as_fd(), &extended).map_err(failed)
            }
            EntryType::Directory => {
                if self.root.create_directory(&path).map_err(failed)? {
                    self.root.set_opaque(&path).map_err(failed)?;
                }
                let directory = self.root.open_directory(&path).map_err(failed)?;
                self.root.set_directory_attributes(&directory, attributes).map_err(failed)?;
                set_extended(directory.as_fd(), &extended).map_err(failed)?;
                self.times.push((path, attributes.modified));
                Ok(())
            }
            EntryType::Symlink => {
                let target = member.entry.link_name().map_err(LayerError::Read)?;
                let target =
                    target.filter(|target| is_link_target(target)).ok_or(LayerError::EmptyLink(shown.clone()))?;
                self.root.link_symbolically(&path, &target).map_err(failed)?;
                self.root.set_node_attributes(&path, attributes, true).map_err(failed)
            }
            EntryType::Link => {
                let target = member.entry.link_name().map_err(LayerError::Read)?;
                let target = target.ok_or(LayerError::EmptyLink(shown.clone()))?;
                let target = LayerPath::parse(&target).map_err(outside)?.ok_or(LayerError::EmptyLink(shown.clone()))?;
                self.root.link_hard(&path, &target).map_err(|source| match source.kind() {
                    io::ErrorKind::NotFound => LayerError::LinkTarget { link: shown.clone(), target: target.shown() },
                    _ => failed(source),
                })
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                let number = |found: io::Result<Option<u32>>| found.ok().flatten().unwrap_or(0);
                let header = member.entry.header();
                let device = makedev(number(header.device_major()), number(header.device_minor()));
                let (kind, device) = match kind {
                    EntryType::Char => (FileType::CharacterDevice, device),
                    EntryType::Block => (FileType::BlockDevice, device),
                    _ => (FileType::Fifo, 0),
                };
                self.root.create_node(&path, kind, device).map_err(failed)?;
                self.root.set_node_attributes(&path, attributes, false).map_err(failed)
            }
            EntryType::XGlobalHeader => Ok(()),
            _ => Err(LayerError::Kind(shown)),
        }
    }

    fn copy(&mut self, from: &mut impl Read, to: &mut impl Write, shown: &str) -> Result<(), LayerError> {
        let mut buffer = [0; 64 * 1024];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LayerError::Read(error)),
            };
            self.bytes += read as u64;
            if self.bytes > self.limits.bytes {
                return Err(LayerError::TooLarge(self.limits.bytes));
            }
            let failed = |source| LayerError::Write { path: shown.to_owned(), source };
            to.write_all(buffer.get(..read).unwrap_or_default()).map_err(failed)?;
        }
    }

    fn finish(mut self) -> Vec<PathBuf> {
        for (path, modified) in std::mem::take(&mut self.times) {
            self.root.set_directory_time(&path, modified);
        }
        if let Some(modified) = self.root_time {
            self.root.set_root_time(modified);
        }
        self.root.implied()
    }
}

fn attributes<R: Read>(entry: &Entry<'_, R>) -> Result<Attributes, LayerError> {
    let header = entry.header();
    // Linux has no ids beyond 32 bits.
    let id = |found: io::Result<u64>| {
        u32::try_from(found.map_err(LayerError::Read)?).map_err(|_| {
            LayerError::Read(io::Error::new(io::ErrorKind::InvalidData, "the id of an owner is out of range"))
        })
    };
    let seconds = header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0);
    Ok(Attributes {
        uid: id(header.uid())?,
        gid: id(header.gid())?,
        mode: header.mode().map_err(LayerError::Read)?,
        modified: Timespec { tv_sec: seconds, tv_nsec: 0 },
    })
}

/// Sets the attributes. An error is ignored on file systems without such attributes, and for users who may not set
/// them.
fn set_extended(file: std::os::fd::BorrowedFd<'_>, attributes: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
    for (name, value) in attributes {
        match LayerRoot::set_attribute(file, OsStr::from_bytes(name), value) {
            Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

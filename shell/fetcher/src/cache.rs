//! The fetcher's cache on disk: its directory, and requests that wait for each other.
//!
//! The directory belongs to the agent and nobody else can enter it, so that a task neither reads the files of another
//! user nor changes a file that later tasks get. The thread that fetches has the credentials of a task's user; the
//! thread that waits for it opens the files of the cache ([`crate::cache_files`]).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::cache_entries::{CacheEntries, EntryId, FileState, Lookup, NoSpace};
use crate::error::Reason;

/// The maximum number of files in the cache, which bounds its memory.
const MAX_FILES: usize = 100_000;

/// The interval at which a waiting request looks whether it is cancelled.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// The files that tasks of an agent have in common, as in Mesos (`--fetcher_cache_dir`, `--fetcher_cache_size`).
#[derive(Debug)]
pub struct Cache {
    directory: OwnedFd,
    entries: Mutex<CacheEntries>,
    changed: Condvar,
}

/// The reason for which the cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum CacheError {
    #[error("cannot make the directory '{}' of the fetcher's cache: {source}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot open the directory '{}' of the fetcher's cache: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("the directory '{}' of the fetcher's cache belongs to another user: set --fetcher_cache_dir to a directory of this one", .0.display())]
    Foreign(PathBuf),
    #[error("another agent uses '{}' as its fetcher's cache: set --fetcher_cache_dir to a directory of this agent's own", .0.display())]
    InUse(PathBuf),
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Cache {
    /// Opens the cache and removes the files that an earlier agent has left in it, as Mesos does. Other files in the
    /// directory stay.
    ///
    /// # Errors
    /// Returns [`CacheError`] if the directory cannot be made or opened, is that of another user, or is used by
    /// another agent.
    pub fn open(path: &Path, capacity: u64) -> Result<Self, CacheError> {
        std::fs::create_dir_all(path).map_err(|source| CacheError::Create { path: path.to_owned(), source })?;
        let failed = |errno: Errno| CacheError::Open { path: path.to_owned(), source: errno.into() };
        let directory = rustix::fs::open(path, DIRECTORY, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&directory).map_err(failed)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(CacheError::Foreign(path.to_owned()));
        }
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(CacheError::InUse(path.to_owned())),
            Err(errno) => return Err(failed(errno)),
        }
        rustix::fs::fchmod(&directory, Mode::RWXU).map_err(failed)?;
        let others = remove_entries(&directory, true).map_err(failed)?;
        if others > 0 {
            tracing::warn!("{others} files in '{}' are not of the fetcher's cache and stay there", path.display());
        }
        let entries = Mutex::new(CacheEntries::new(capacity, MAX_FILES));
        Ok(Cache { directory, entries, changed: Condvar::new() })
    }

    /// Returns the size of the cache in bytes.
    pub fn capacity(&self) -> u64 {
        self.entries().capacity()
    }

    /// Returns the number of bytes in use, including those that are reserved for downloads.
    pub fn used(&self) -> u64 {
        self.entries().used()
    }

    /// Finds or makes the entry of a file, and returns what its holder has to do.
    pub(crate) fn request(&self, user: Option<&str>, uri: &str, base_name: &str) -> (Reference<'_>, Lookup) {
        let (id, lookup) = self.entries().request(user, uri, base_name);
        (Reference { cache: self, id, downloads: lookup == Lookup::Download }, lookup)
    }

    /// Creates the file of a new entry.
    pub(crate) fn create_file(&self, file: &str) -> io::Result<File> {
        let (directory, name) = self.locate(file, true)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&directory, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Opens the file of a complete entry for reading.
    pub(crate) fn open_file(&self, file: &str) -> io::Result<File> {
        let (directory, name) = self.locate(file, false)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&directory, name, flags, Mode::empty())?))
    }

    /// Removes the file of an entry.
    pub(crate) fn remove_file(&self, file: &str) -> io::Result<()> {
        let (directory, name) = self.locate(file, false)?;
        Ok(rustix::fs::unlinkat(&directory, name, AtFlags::empty())?)
    }

    /// Returns the directory of a file, and the name in it.
    fn locate<'f>(&self, file: &'f str, create: bool) -> io::Result<(OwnedFd, &'f str)> {
        let Some((user, name)) = file.split_once('/') else { return Ok((self.directory.try_clone()?, file)) };
        if create {
            match rustix::fs::mkdirat(&self.directory, user, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok((rustix::fs::openat(&self.directory, user, DIRECTORY, Mode::empty())?, name))
    }

    fn entries(&self) -> MutexGuard<'_, CacheEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reference to an entry, which is not evicted meanwhile.
#[derive(Debug)]
pub(crate) struct Reference<'c> {
    cache: &'c Cache,
    id: EntryId,
    downloads: bool,
}

impl Reference<'_> {
    /// Returns the path of the file in the cache.
    pub fn file(&self) -> String {
        self.cache.entries().file(self.id).unwrap_or_default().to_owned()
    }

    /// Reserves space for the download, and returns the files that have to be removed for it.
    ///
    /// # Errors
    /// Returns [`NoSpace`] if the space cannot be made.
    pub fn reserve(&self, bytes: u64) -> Result<Vec<String>, NoSpace> {
        let evicted = self.cache.entries().reserve(self.id, bytes)?;
        Ok(evicted.into_iter().map(|(_, file)| file).collect())
    }

    /// Completes the download. Returns whether the file fits into its reservation.
    pub fn complete(&self, bytes: u64) -> bool {
        let complete = self.cache.entries().complete(self.id, bytes);
        self.cache.changed.notify_all();
        complete
    }

    /// Marks the file as unusable. Returns whether it has to be removed.
    pub fn fail(&self) -> bool {
        let failed = self.cache.entries().fail(self.id);
        self.cache.changed.notify_all();
        failed
    }

    /// Waits for the download of another request. Returns whether the file can be used.
    ///
    /// # Errors
    /// Returns [`Reason::Cancelled`] if the request is cancelled meanwhile.
    pub fn wait(&self, cancelled: &AtomicBool) -> Result<bool, Reason> {
        let mut entries = self.cache.entries();
        loop {
            if cancelled.load(Ordering::Relaxed) {
                return Err(Reason::Cancelled);
            }
            match entries.state(self.id) {
                FileState::Complete => return Ok(true),
                FileState::Failed => return Ok(false),
                FileState::Downloading => {}
            }
            let waited = self.cache.changed.wait_timeout(entries, CANCEL_INTERVAL);
            entries = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Reference<'_> {
    fn drop(&mut self) {
        let mut entries = self.cache.entries();
        // A download that has no result when its holder ends has failed, also after a panic.
        if self.downloads && entries.state(self.id) == FileState::Downloading {
            entries.fail(self.id);
        }
        entries.release(self.id);
        drop(entries);
        self.cache.changed.notify_all();
    }
}

/// Removes the files that look like entries from a directory and, with `descend`, from the directories of users in it.
/// Returns the number of other files.
fn remove_entries(directory: &OwnedFd, descend: bool) -> Result<u64, Errno> {
    let mut others = 0;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if is_entry(name.to_bytes()) => {
                rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
            }
            FileType::Directory if descend => {
                let user = rustix::fs::openat(directory, name, DIRECTORY, Mode::empty())?;
                others += remove_entries(&user, false)?;
                match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
            _ => others += 1,
        }
    }
    Ok(others)
}

/// Returns whether a name is `c<number>-…`, as those of entries are.
fn is_entry(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"c") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'-')
}

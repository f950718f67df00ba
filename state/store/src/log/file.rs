//! The file of a log: `<directory>/<generation>.log`. A compaction writes the next generation beside it and then
//! removes the old one. After a crash at any point, the newest complete file is the log.
//!
//! The file may be removed while it is open: by a job that cleans up, by hand, or because a disk is mounted over the
//! directory. What is written to it afterwards reaches no later process, although every write succeeds. [`Log::is_displaced`]
//! notices it, and [`Log::renew`] begins a new file with everything that its owner still has.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::device::Device;
use super::error::LogError;
use super::frame::{self, Frame, HEADER};

/// The approximate size in bytes of the pieces in which a snapshot is written.
const SNAPSHOT_CHUNK: usize = 1 << 20;
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// A log that is open for appending, by one process at a time.
pub struct Log {
    directory: PathBuf,
    path: PathBuf,
    generation: u64,
    device: Box<dyn Device>,
    identity: Identity,
    /// The number of bytes that are durable.
    length: u64,
    poisoned: bool,
    /// The lock of the directory, because two processes would overwrite each other's records.
    lock: Option<File>,
}

/// The device and the inode of a file (stat(2)), which no two files have at the same time.
type Identity = (u64, u64);

/// The content of a log when it was opened.
#[derive(Debug, Default)]
pub struct Replay {
    /// The records that were read, the oldest first.
    pub records: Vec<Vec<u8>>,
    /// The length of an incomplete write at the end, which a crash has interrupted and which was never confirmed.
    pub torn: u64,
}

impl Log {
    /// Opens the log in `directory`, and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns [`LogError`] if the log is in use, damaged, from a later version, or cannot be used for another reason.
    pub fn open(directory: &Path) -> Result<(Log, Replay), LogError> {
        Log::open_known(directory, false)
    }

    /// Does the same as [`open`](Self::open). `existed` means that something else proves that records of the log were
    /// confirmed.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open). With `existed`, a log without a readable record is damaged.
    pub fn open_known(directory: &Path, existed: bool) -> Result<(Log, Replay), LogError> {
        fs::create_dir_all(directory).map_err(LogError::io("make the directory", directory))?;
        let lock = Some(lock(directory)?);
        let generations = generations(directory)?;
        let Some((&generation, older)) = generations.split_last() else {
            return Ok((Log { lock, ..Log::create(directory, 1, [])? }, Replay::default()));
        };
        let path = path_of(directory, generation);
        let bytes = fs::read(&path).map_err(LogError::io("read", &path))?;
        let (records, length) = replay(&path, &bytes)?;
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(LogError::io("open", &path))?;
        let torn = bytes.len() as u64 - length;
        // Only a crash during the very first write leaves such a log; a log after a compaction begins with records.
        if torn > 0 && records.is_empty() && (existed || generation > 1) {
            return Err(LogError::CutShort { path });
        }
        if torn > 0 {
            file.set_len(length).map_err(LogError::io("cut", &path))?;
            file.sync_data().map_err(LogError::io("flush", &path))?;
        }
        for old in older {
            remove(&path_of(directory, *old));
        }
        let identity = identity_of(&file).map_err(LogError::io("look at", &path))?;
        let log = Log {
            directory: directory.to_owned(),
            path,
            generation,
            device: Box::new(file),
            identity,
            length,
            poisoned: false,
            lock,
        };
        Ok((log, Replay { records, torn }))
    }

    /// Returns whether there is a log in this directory.
    pub fn exists(directory: &Path) -> bool {
        generations(directory).is_ok_and(|generations| !generations.is_empty())
    }

    /// Appends a frame. Either all of it is durable when the call returns, or nothing of it is in the log.
    pub(super) fn append(&mut self, frame: &mut Frame) -> Result<(), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned { path: self.path.clone() });
        }
        let bytes = frame.bytes();
        if let Err(source) = self.device.write_at(bytes, self.length) {
            // Bytes behind the end count as an incomplete write after a crash. They must not look like damage when a
            // shorter frame is written over them.
            if self.device.truncate(self.length).is_err() {
                self.poisoned = true;
            }
            return Err(LogError::io("write to", &self.path)(source));
        }
        let written = bytes.len() as u64;
        if let Err(source) = self.device.flush() {
            self.poisoned = true;
            return Err(LogError::io("flush", &self.path)(source));
        }
        self.length += written;
        Ok(())
    }

    /// Replaces the whole content by these records.
    ///
    /// # Errors
    /// Returns [`LogError`] if the new file cannot be written. The log is then as before.
    pub fn compact(&mut self, records: impl IntoIterator<Item = Vec<u8>>) -> Result<(), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned { path: self.path.clone() });
        }
        let generation = self.generation + 1;
        match Log::create(&self.directory, generation, records) {
            Ok(next) => {
                let lock = self.lock.take();
                let old = std::mem::replace(self, Log { lock, ..next });
                remove(&old.path);
                Ok(())
            }
            Err(error) => {
                // The next `open` would take this file for the log and miss records that are appended here.
                let path = path_of(&self.directory, generation);
                remove(&path);
                self.poisoned = path.exists();
                Err(error)
            }
        }
    }

    /// Returns whether the path of the log no longer leads to the file that is written to. An error that says nothing
    /// about that, such as one of the disk, is no sign of it.
    pub fn is_displaced(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(found) => (found.dev(), found.ino()) != self.identity,
            Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    /// Begins a new file with these records in place of a log that [was displaced](Self::is_displaced), and makes the
    /// directory again. The earlier file is not touched, wherever it is now.
    ///
    /// # Errors
    /// Returns [`LogError::Replaced`] if there is another log now, which may belong to another process or to another time:
    /// only a person can decide between them. Returns [`LogError`] if the directory or the file cannot be made. The log
    /// is then as before.
    pub fn renew(&mut self, records: impl IntoIterator<Item = Vec<u8>>) -> Result<(), LogError> {
        let directory = self.directory.clone();
        fs::create_dir_all(&directory).map_err(LogError::io("make the directory", &directory))?;
        // The own lock is in force if only the log was removed; its second owner would wait for the first.
        let own = self.lock.as_ref().and_then(|lock| identity_of(lock).ok());
        let found = fs::metadata(directory.join("lock")).ok().map(|lock| (lock.dev(), lock.ino()));
        let taken = if own.is_some() && own == found { None } else { Some(lock(&directory)?) };
        if !generations(&directory)?.is_empty() {
            return Err(LogError::Replaced { path: directory });
        }
        let next = Log::create(&directory, self.generation + 1, records)?;
        let lock = taken.or_else(|| self.lock.take());
        *self = Log { lock, ..next };
        Ok(())
    }

    /// Returns the file that is written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the length of the log in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn create(directory: &Path, generation: u64, records: impl IntoIterator<Item = Vec<u8>>) -> Result<Log, LogError> {
        let path = path_of(directory, generation);
        let temporary = path.with_extension("new");
        let created = write_new(&temporary, records).and_then(|(file, length)| {
            fs::rename(&temporary, &path).map_err(LogError::io("rename", &temporary))?;
            let entries = File::open(directory).map_err(LogError::io("open", directory))?;
            entries.sync_all().map_err(LogError::io("flush", directory))?;
            Ok((file, length))
        });
        if created.is_err() {
            remove(&temporary);
        }
        let (file, length) = created?;
        let identity = identity_of(&file).map_err(LogError::io("look at", &path))?;
        let directory = directory.to_owned();
        Ok(Log { directory, path, generation, device: Box::new(file), identity, length, poisoned: false, lock: None })
    }

    #[cfg(test)]
    pub(super) fn with_device(directory: &Path, device: Box<dyn Device>) -> Result<Log, LogError> {
        let log = Log::create(directory, 1, [])?;
        Ok(Log { device, ..log })
    }
}

fn identity_of(file: &File) -> io::Result<Identity> {
    file.metadata().map(|found| (found.dev(), found.ino()))
}

/// Locks the directory, and retries for some time: a process that the earlier owner was just starting holds its lock
/// until it executes its program.
fn lock(directory: &Path) -> Result<File, LogError> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(LogError::io("open", &path))?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOCK_TIMEOUT / 50),
            Err(TryLockError::WouldBlock) => return Err(LogError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(LogError::io("lock", &path)(source)),
        }
    }
}

fn write_new(path: &Path, records: impl IntoIterator<Item = Vec<u8>>) -> Result<(File, u64), LogError> {
    let failed = |source| LogError::io("write to", path)(source);
    let mut file = File::create(path).map_err(LogError::io("create", path))?;
    let mut length = HEADER.len() as u64;
    Device::write_at(&mut file, &HEADER, 0).map_err(failed)?;
    let mut frame = Frame::new();
    let mut put = |frame: &mut Frame, file: &mut File| {
        let bytes = frame.bytes();
        Device::write_at(file, bytes, length).map_err(failed)?;
        length += bytes.len() as u64;
        *frame = Frame::new();
        Ok::<(), LogError>(())
    };
    for record in records {
        frame.push(&record)?;
        if frame.len() >= SNAPSHOT_CHUNK {
            put(&mut frame, &mut file)?;
        }
    }
    if !frame.is_empty() {
        put(&mut frame, &mut file)?;
    }
    file.sync_all().map_err(LogError::io("flush", path))?;
    Ok((file, length))
}

/// Returns all records, and the offset at which the last complete frame ends.
fn replay(path: &Path, bytes: &[u8]) -> Result<(Vec<Vec<u8>>, u64), LogError> {
    let mut rest = bytes.strip_prefix(&HEADER).ok_or_else(|| match frame::is_other_version(bytes) {
        true => LogError::TooNew { path: path.to_owned() },
        false => LogError::Foreign { path: path.to_owned() },
    })?;
    let mut records = Vec::new();
    while let Some((found, length)) = frame::read(rest) {
        records.extend(found.into_iter().map(<[u8]>::to_vec));
        rest = rest.get(length..).unwrap_or_default();
    }
    let end = (bytes.len() - rest.len()) as u64;
    if frame::contains_frame(rest) {
        return Err(LogError::Damaged { path: path.to_owned(), offset: end });
    }
    Ok((records, end))
}

fn path_of(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{generation:010}.log"))
}

/// Returns the generations in ascending order. Files with other names are ignored.
fn generations(directory: &Path) -> Result<Vec<u64>, LogError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(LogError::io("read", directory))?,
    };
    for entry in entries {
        let entry = entry.map_err(LogError::io("read", directory))?;
        let name = entry.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes a file. If that fails, the next `open` removes it.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot remove an old log");
    }
}

//! Locks between the agent, the command line and threads. All of them are locks of open files (flock(2)), which end
//! with their holder.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "its end is what unlocks")] File);

/// How often and how long it is waited for a lock that is held for a moment, as by the thread that settles images.
const MOMENTS: u32 = 20;
const MOMENT: Duration = Duration::from_millis(10);

impl Lock {
    /// Waits for a shared lock.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn shared(path: &Path) -> io::Result<Self> {
        lock(path, FlockOperation::LockShared).map(Lock)
    }

    /// Waits for an exclusive lock.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        lock(path, FlockOperation::LockExclusive).map(Lock)
    }

    /// Returns an exclusive lock, or `None` if the lock is held for longer than a moment.
    pub fn exclusive_soon(path: &Path) -> io::Result<Option<Self>> {
        for _ in 0..MOMENTS {
            match Lock::try_exclusive(path)? {
                None => std::thread::sleep(MOMENT),
                lock => return Ok(lock),
            }
        }
        Lock::try_exclusive(path)
    }

    /// Returns an exclusive lock, or `None` if the lock is held.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        match lock(path, FlockOperation::NonBlockingLockExclusive) {
            Ok(file) => Ok(Some(Lock(file))),
            Err(error) if error.raw_os_error() == Some(Errno::WOULDBLOCK.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn lock(path: &Path, operation: FlockOperation) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    loop {
        match rustix::fs::flock(&file, operation) {
            Ok(()) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

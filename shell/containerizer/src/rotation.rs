//! Keeps the outputs of containers from filling the disk, without a process or a pipe per container.
//!
//! A container writes to its file directly (opened for appending), so its output does not depend on the agent. One
//! thread of the agent checks the sizes every second and rotates files beyond their bounds (see [`crate::rotate`]); files
//! that nobody writes to are left out until the next write, and the thread exists only while there are files to check. While the agent is away the files grow and nothing is lost, and
//! the next agent rotates them within a second of its start. The files of a container that ends are checked once more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ids::ContainerId;

use crate::Rotation;
use crate::quiet_files::{FileKey, QuietFiles};
use crate::rotate::rotate_if_large;
use crate::trusted_file::TrustedFile;

/// Returns the number of directories of an output's path that the users of its container control.
fn untrusted_directories(container: &str) -> usize {
    2 * (ContainerId::new(container).depth() - 1)
}

/// Rotates a file if it is large. Returns its length before; zero for a file that does not exist.
fn rotate(path: &Path, rotation: Rotation, untrusted: usize, maybe_interrupted: bool) -> io::Result<u64> {
    match TrustedFile::find(path, untrusted) {
        Ok(file) => rotate_if_large(file.path(), rotation, maybe_interrupted),
        // The sandbox has been removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The number of checks without a change after which a file is left alone until the next write.
const QUIET_CHECKS: u32 = 3;

/// The files to watch, shared with the thread that checks them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rotator {
    shared: Arc<(Mutex<Watched>, Condvar)>,
}

#[derive(Debug, Default)]
struct Watched {
    containers: BTreeMap<String, Outputs>,
    running: bool,
    stopped: bool,
}

#[derive(Debug)]
struct Outputs {
    files: Vec<OutputFile>,
    /// Whether the files have not been checked yet. An earlier agent may have left an unfinished rotation.
    fresh: bool,
    /// Whether the container has ended, so that the next check is the last.
    ended: bool,
}

#[derive(Debug)]
struct OutputFile {
    path: PathBuf,
    rotation: Rotation,
    /// The length at the last check.
    length: u64,
    /// The number of checks since the length has changed.
    unchanged: u32,
    /// Whether the kernel reports the next write, so that no check is needed.
    quiet: bool,
}

/// A file that is checked now.
#[derive(Debug)]
struct DueFile {
    key: FileKey,
    path: PathBuf,
    rotation: Rotation,
    fresh: bool,
    ended: bool,
}

impl Rotator {
    /// Watches the outputs of a container until [`Rotator::end`].
    ///
    /// # Errors
    /// Returns the error of the operating system if the thread cannot be started.
    pub(crate) fn watch(&self, container: &str, files: Vec<(PathBuf, Rotation)>) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let mut watched = self.lock();
        let file = |(path, rotation)| OutputFile { path, rotation, length: 0, unchanged: 0, quiet: false };
        let files = files.into_iter().map(file).collect();
        watched.containers.insert(container.to_owned(), Outputs { files, fresh: true, ended: false });
        if !watched.running {
            let rotator = self.clone();
            thread::Builder::new().name("rotate".into()).spawn(move || rotator.run())?;
            watched.running = true;
        }
        Ok(())
    }

    /// Checks the outputs of a container once more and then forgets them.
    pub(crate) fn end(&self, container: &str) {
        if let Some(outputs) = self.lock().containers.get_mut(container) {
            outputs.ended = true;
        }
    }

    /// Ends the thread after the current file.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.shared.1.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        // The error of a file is logged once, and not every second.
        let mut warned: BTreeSet<PathBuf> = BTreeSet::new();
        let mut quiet = QuietFiles::new();
        while let Some(due) = self.wait_for_check(&mut quiet) {
            for file in due {
                if self.lock().stopped {
                    return;
                }
                let untrusted = untrusted_directories(&file.key.0);
                match rotate(&file.path, file.rotation, untrusted, file.fresh || warned.contains(&file.path)) {
                    Ok(length) => {
                        warned.remove(&file.path);
                        self.checked(&file, length, untrusted, &mut quiet);
                    }
                    Err(error) => {
                        if warned.insert(file.path.clone()) {
                            tracing::warn!(path = %file.path.display(), %error, "cannot rotate an output");
                        }
                    }
                }
                if file.ended {
                    warned.remove(&file.path);
                }
            }
        }
    }

    /// Notes the length of a file that was checked, and leaves a file alone that has not changed for a while.
    fn checked(&self, file: &DueFile, length: u64, untrusted: usize, quiet: &mut QuietFiles) {
        let (container, index) = &file.key;
        let mut watched = self.lock();
        let Some(known) = watched.containers.get_mut(container).and_then(|outputs| outputs.files.get_mut(*index))
        else {
            return;
        };
        known.unchanged = if known.length == length { known.unchanged.saturating_add(1) } else { 0 };
        known.length = length;
        if known.unchanged < QUIET_CHECKS {
            return;
        }
        let Ok(trusted) = TrustedFile::find(&file.path, untrusted) else { return };
        let is_watched = quiet.watch(trusted.path(), file.key.clone());
        // A write before the watch is not reported.
        let now = std::fs::symlink_metadata(trusted.path()).map_or(0, |data| data.len());
        known.quiet = is_watched && now == length;
    }

    /// Waits for the next check. Returns the files to check; `None` if there are none left to watch.
    fn wait_for_check(&self, quiet: &mut QuietFiles) -> Option<Vec<DueFile>> {
        let mut watched = self.lock();
        if !watched.stopped {
            (watched, _) = self.shared.1.wait_timeout(watched, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner);
        }
        if watched.stopped || watched.containers.is_empty() {
            watched.running = false;
            return None;
        }
        for (container, index) in quiet.take_written() {
            let outputs = watched.containers.get_mut(&container);
            if let Some(file) = outputs.and_then(|outputs| outputs.files.get_mut(index)) {
                (file.quiet, file.unchanged) = (false, 0);
            }
        }
        let mut due = Vec::new();
        watched.containers.retain(|container, outputs| {
            for (index, file) in outputs.files.iter().enumerate() {
                let key = (container.clone(), index);
                if outputs.ended {
                    quiet.forget(&key);
                }
                if !file.quiet || outputs.ended {
                    due.push(DueFile {
                        key,
                        path: file.path.clone(),
                        rotation: file.rotation,
                        fresh: outputs.fresh,
                        ended: outputs.ended,
                    });
                }
            }
            outputs.fresh = false;
            !outputs.ended
        });
        Some(due)
    }
}

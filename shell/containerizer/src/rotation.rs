//! Keeps the outputs of containers from filling the disk, without a process or a pipe per container.
//!
//! A container writes to its file directly (opened for appending), so its output does not depend on the agent. One
//! thread of the agent checks the sizes every second and rotates files beyond their bounds (see [`crate::rotate`]); the
//! thread exists only while there are files to check. While the agent is away the files grow and nothing is lost, and
//! the next agent rotates them within a second of its start. The files of a container that ends are checked once more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ids::ContainerId;

use crate::Rotation;
use crate::rotate::rotate_if_large;
use crate::trusted_file::TrustedFile;

/// Returns the number of directories of an output's path that the users of its container control.
fn untrusted_directories(container: &str) -> usize {
    2 * (ContainerId::new(container).depth() - 1)
}

fn rotate(path: &Path, rotation: Rotation, untrusted: usize, maybe_interrupted: bool) -> io::Result<()> {
    match TrustedFile::find(path, untrusted) {
        Ok(file) => rotate_if_large(file.path(), rotation, maybe_interrupted),
        // The sandbox has been removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

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

#[derive(Debug, Clone)]
struct Outputs {
    files: Vec<(PathBuf, Rotation)>,
    /// Whether the files have not been checked yet. An earlier agent may have left an unfinished rotation.
    fresh: bool,
    /// Whether the container has ended, so that the next check is the last.
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
        loop {
            let Some(due) = self.wait_for_check() else { return };
            let files = due.iter().flat_map(|(container, outputs)| {
                let untrusted = untrusted_directories(container);
                outputs.files.iter().map(move |file| (file, untrusted, outputs.fresh))
            });
            for ((path, rotation), untrusted, fresh) in files {
                if self.lock().stopped {
                    return;
                }
                match rotate(path, *rotation, untrusted, fresh || warned.contains(path)) {
                    Ok(()) => {
                        warned.remove(path);
                    }
                    Err(error) => {
                        if warned.insert(path.clone()) {
                            tracing::warn!(path = %path.display(), %error, "cannot rotate an output");
                        }
                    }
                }
            }
            for (path, _) in due.values().filter(|outputs| outputs.ended).flat_map(|outputs| &outputs.files) {
                warned.remove(path);
            }
        }
    }

    /// Waits for the next check. Returns the outputs to check; `None` if there are none left to watch.
    fn wait_for_check(&self) -> Option<BTreeMap<String, Outputs>> {
        let mut watched = self.lock();
        if !watched.stopped {
            (watched, _) = self.shared.1.wait_timeout(watched, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner);
        }
        if watched.stopped || watched.containers.is_empty() {
            watched.running = false;
            return None;
        }
        let due = watched.containers.clone();
        watched.containers.retain(|_, outputs| {
            outputs.fresh = false;
            !outputs.ended
        });
        Some(due)
    }
}

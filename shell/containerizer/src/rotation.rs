//! Keeps the outputs of containers from filling the disk, without a process or a pipe per container.
//!
//! The container writes to its file directly (opened for appending), so its output survives any restart of the agent.
//! One thread looks at the sizes; it exists only while something is to be rotated. What has been written so far is
//! copied to `<file>.1` and then cut off the front of the file by `FALLOC_FL_COLLAPSE_RANGE` (ext4, xfs, f2fs), which
//! moves what was appended meanwhile and loses nothing: `stdout.1` and `stdout` are the stream, cut at a block boundary.
//! Other file systems get logrotate's `copytruncate`: what is written between the last copied byte and the truncation
//! is lost. A file can exceed its bound by what is written between two looks.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};

use crate::Rotation;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// What may be cut off is a multiple of this on all file systems that can (their block size, at most a page here).
const BLOCK: u64 = 4096;

/// The files to watch, shared with the thread that does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rotator {
    shared: Arc<(Mutex<Watched>, Condvar)>,
}

#[derive(Debug, Default)]
struct Watched {
    files: BTreeMap<String, Vec<(PathBuf, Rotation)>>,
    running: bool,
    stopped: bool,
}

impl Rotator {
    pub(crate) fn watch(&self, container: &str, files: Vec<(PathBuf, Rotation)>) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let mut watched = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.files.insert(container.to_owned(), files);
        if !watched.running {
            let rotator = self.clone();
            thread::Builder::new().name("rotate".into()).spawn(move || rotator.run())?;
            watched.running = true;
        }
        Ok(())
    }

    pub(crate) fn forget(&self, container: &str) {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).files.remove(container);
    }

    pub(crate) fn stop(&self) {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.shared.1.notify_all();
    }

    fn run(&self) {
        let (lock, changed) = &*self.shared;
        let mut watched = lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            (watched, _) = changed.wait_timeout(watched, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            if watched.stopped || watched.files.is_empty() {
                watched.running = false;
                return;
            }
            let files: Vec<_> = watched.files.values().flatten().cloned().collect();
            drop(watched);
            for (path, rotation) in files {
                if let Err(error) = rotate_if_large(&path, rotation) {
                    tracing::warn!(path = %path.display(), %error, "cannot rotate an output");
                }
            }
            watched = lock.lock().unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn rotate_if_large(path: &Path, rotation: Rotation) -> io::Result<()> {
    // Not through a link: the sandbox belongs to the task, and this thread may be root (MESOS-9564 was such a case).
    let open = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match open {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        outcome => outcome?,
    };
    let data = file.metadata()?;
    if !data.is_file() || data.len() < rotation.max_bytes.max(1) {
        return Ok(());
    }
    if rotation.max_files > 0 {
        shift(path, rotation.max_files)?;
    }
    // The range may not reach the end of the file.
    let cut = (data.len() - 1) / BLOCK * BLOCK;
    if cut > 0 {
        keep(&file, path, rotation, cut)?;
        if fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, cut).is_ok() {
            return Ok(());
        }
    }
    keep(&file, path, rotation, data.len())?;
    file.set_len(0)
}

/// `.1` becomes `.2`, and so on; the oldest goes.
fn shift(path: &Path, max_files: u32) -> io::Result<()> {
    for number in (1..max_files).rev() {
        match fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies the first `length` bytes to `.1`, by a new file, so that nothing the task put there is written through.
fn keep(file: &File, path: &Path, rotation: Rotation, length: u64) -> io::Result<()> {
    if rotation.max_files == 0 {
        return Ok(());
    }
    let target = numbered(path, 1);
    let temporary = path.with_extension("rotating");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
    let owner = file.metadata()?;
    // Without root the copy is ours, as the file is.
    let _ = fchown(&copy, Some(owner.uid()), Some(owner.gid()));
    let mut source = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)))?.take(length);
    io::copy(&mut source, &mut copy)?;
    fs::rename(temporary, target)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn appending(path: &Path) -> File {
        OpenOptions::new().append(true).create(true).open(path).unwrap()
    }

    #[test]
    fn nothing_is_lost_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stdout");
        let mut task = appending(&path);
        let rotation = Rotation { max_bytes: 10_000, max_files: 2 };
        let mut stream = Vec::new();
        for round in 0..4u8 {
            let block: Vec<u8> = (0..12_000).map(|i| b'a' + round + (i % 7) as u8).collect();
            task.write_all(&block).unwrap();
            stream.extend(block);
            rotate_if_large(&path, rotation).unwrap();
        }
        let kept: Vec<u8> = [numbered(&path, 2), numbered(&path, 1), path.clone()]
            .iter()
            .flat_map(|path| fs::read(path).unwrap())
            .collect();
        assert!(stream.ends_with(&kept), "what is kept is the end of the stream, without a gap");
        assert!(kept.len() >= 20_000);
        assert!(!numbered(&path, 3).exists());
        assert!(fs::metadata(&path).unwrap().len() < rotation.max_bytes);
    }

    #[test]
    fn a_small_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stdout");
        appending(&path).write_all(b"little").unwrap();
        rotate_if_large(&path, Rotation { max_bytes: 7, max_files: 1 }).unwrap();
        assert!(!numbered(&path, 1).exists());
    }

    #[test]
    fn no_old_files_if_none_are_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stdout");
        appending(&path).write_all(&[b'x'; 9000]).unwrap();
        rotate_if_large(&path, Rotation { max_bytes: 9000, max_files: 0 }).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 9000);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_planted_by_the_task_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        fs::write(&secret, [b's'; 9000]).unwrap();
        let path = directory.path().join("stdout");
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        let rotation = Rotation { max_bytes: 10, max_files: 1 };
        assert!(rotate_if_large(&path, rotation).is_err());
        fs::remove_file(&path).unwrap();
        appending(&path).write_all(&[b'x'; 9000]).unwrap();
        std::os::unix::fs::symlink(&secret, numbered(&path, 1)).unwrap();
        rotate_if_large(&path, rotation).unwrap();
        assert_eq!(fs::read(&secret).unwrap(), [b's'; 9000]);
    }
}

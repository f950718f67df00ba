//! Files that nobody has written to for a while: the kernel reports the next write (inotify(7)), so that nobody has to look.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// A file of a container, by its place in the container's list.
pub(crate) type FileKey = (String, usize);

/// The size of the buffer for events, in bytes. An event of a watched file has no name and takes 16 bytes.
const EVENTS: usize = 4096;

/// The files that the kernel watches.
#[derive(Debug)]
pub(crate) struct QuietFiles {
    /// `None` if the kernel allows no further instance; then no file is watched.
    inotify: Option<OwnedFd>,
    /// Several names may lead to one file, which has one watch.
    by_watch: BTreeMap<i32, Vec<FileKey>>,
    by_file: BTreeMap<FileKey, i32>,
}

impl QuietFiles {
    pub(crate) fn new() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        QuietFiles { inotify, by_watch: BTreeMap::new(), by_file: BTreeMap::new() }
    }

    /// Lets the kernel report the next write to a file. Returns false if it does not, for instance because the user has too
    /// many watches (`fs.inotify.max_user_watches`).
    pub(crate) fn watch(&mut self, path: &Path, key: FileKey) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        // The task may put a link in the place of its file.
        let flags = WatchFlags::MODIFY | WatchFlags::ONESHOT | WatchFlags::DONT_FOLLOW;
        match inotify::add_watch(inotify, path, flags) {
            Ok(watch) => {
                self.by_watch.entry(watch).or_default().push(key.clone());
                self.by_file.insert(key, watch);
                true
            }
            Err(_) => false,
        }
    }

    /// Returns the files that were written to, or whose watch has ended for another reason.
    pub(crate) fn take_written(&mut self) -> Vec<FileKey> {
        let Some(inotify) = &self.inotify else { return Vec::new() };
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut reader = Reader::new(inotify, &mut buffer);
        let mut written = Vec::new();
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                written.extend(std::mem::take(&mut self.by_watch).into_values().flatten());
            }
            written.extend(self.by_watch.remove(&event.wd()).into_iter().flatten());
        }
        for key in &written {
            self.by_file.remove(key);
        }
        written
    }

    /// Ends the watch of a file.
    pub(crate) fn forget(&mut self, key: &FileKey) {
        let Some(watch) = self.by_file.remove(key) else { return };
        let Some(keys) = self.by_watch.get_mut(&watch) else { return };
        keys.retain(|other| other != key);
        if keys.is_empty() {
            self.by_watch.remove(&watch);
            if let Some(inotify) = &self.inotify {
                // The file may be gone, and its watch with it.
                let _ = inotify::remove_watch(inotify, watch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_write_is_reported_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut quiet = QuietFiles::new();
        let key = |index| ("c".to_owned(), index);
        assert!(quiet.watch(file.path(), key(0)) && quiet.watch(file.path(), key(1)));
        assert!(quiet.take_written().is_empty());
        file.write_all(b"x").unwrap();
        assert_eq!(quiet.take_written(), [key(0), key(1)]);
        file.write_all(b"x").unwrap();
        assert!(quiet.take_written().is_empty());
        assert!(quiet.watch(file.path(), key(0)));
        drop(file);
        assert_eq!(quiet.take_written(), [key(0)]);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        assert!(quiet.watch(file.path(), key(0)));
        quiet.forget(&key(0));
        file.write_all(b"x").unwrap();
        assert!(quiet.take_written().is_empty());
        assert!(!quiet.watch(Path::new("/no/such/file"), key(0)));
    }
}

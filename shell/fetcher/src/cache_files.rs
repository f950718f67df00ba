//! Lets the thread that fetches use the files of the cache, although it has given up the rights to enter it: it sends
//! requests to the thread that waits for it, and gets opened files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::cache::Cache;

#[derive(Debug)]
enum Request {
    Create(String, SyncSender<io::Result<File>>),
    Open(String, SyncSender<io::Result<File>>),
    /// The download is complete.
    Keep(String),
    Remove(String),
}

/// The end of the thread that fetches.
#[derive(Debug)]
pub(crate) struct CacheFiles(SyncSender<Request>);

/// The end of the thread that may enter the cache.
#[derive(Debug)]
pub(crate) struct CacheKeeper<'c> {
    cache: &'c Cache,
    requests: Receiver<Request>,
}

/// Returns both ends.
pub(crate) fn cache_files(cache: &Cache) -> (CacheFiles, CacheKeeper<'_>) {
    let (sender, requests) = sync_channel(1);
    (CacheFiles(sender), CacheKeeper { cache, requests })
}

impl CacheFiles {
    /// Creates the file of a new entry.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn create(&self, file: String) -> io::Result<File> {
        self.ask(|reply| Request::Create(file, reply))
    }

    /// Opens the file of a complete entry for reading.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn open(&self, file: String) -> io::Result<File> {
        self.ask(|reply| Request::Open(file, reply))
    }

    /// Keeps a file after the fetch. Files that are not kept are removed when the fetch ends.
    pub fn keep(&self, file: String) {
        // The keeper ends after this thread.
        let _ = self.0.send(Request::Keep(file));
    }

    /// Removes a file.
    pub fn remove(&self, file: String) {
        let _ = self.0.send(Request::Remove(file));
    }

    fn ask(&self, request: impl FnOnce(SyncSender<io::Result<File>>) -> Request) -> io::Result<File> {
        let ended = || io::Error::other("the keeper of the cache has ended");
        let (reply, answer) = sync_channel(1);
        self.0.send(request(reply)).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }
}

impl CacheKeeper<'_> {
    /// Serves requests until the other end is dropped, and then removes the files of downloads that were not completed.
    pub fn serve(self) {
        let mut unfinished = BTreeSet::new();
        for request in &self.requests {
            match request {
                Request::Create(file, reply) => {
                    let created = self.cache.create_file(&file);
                    if created.is_ok() {
                        unfinished.insert(file);
                    }
                    // The other end waits for the answer, unless it has panicked.
                    let _ = reply.send(created);
                }
                Request::Open(file, reply) => drop(reply.send(self.cache.open_file(&file))),
                Request::Keep(file) => drop(unfinished.remove(&file)),
                Request::Remove(file) => {
                    unfinished.remove(&file);
                    self.remove(&file);
                }
            }
        }
        unfinished.iter().for_each(|file| self.remove(file));
    }

    fn remove(&self, file: &str) {
        if let Err(error) = self.cache.remove_file(file) {
            tracing::warn!(file, %error, "cannot remove a file of the fetcher's cache");
        }
    }
}

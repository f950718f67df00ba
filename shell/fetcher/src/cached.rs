//! Fetches a file by way of the cache. If the cache cannot be used, the file is fetched without it.

use std::fs::File;
use std::sync::atomic::AtomicBool;

use crate::cache::{Cache, Reference};
use crate::cache_entries::Lookup;
use crate::cache_files::CacheFiles;
use crate::checksum::Checksum;
use crate::error::Reason;
use crate::output::{Output, Place};
use crate::source::Opened;

/// The cache, as the thread that fetches uses it.
pub(crate) struct CacheAccess<'c> {
    pub cache: &'c Cache,
    pub files: CacheFiles,
    pub user: Option<&'c str>,
}

/// The answer to a request.
pub(crate) enum Provided<'c, 'p> {
    /// The file is in the cache, and stays there as long as the reference lives.
    Cached { file: File, bytes: u64, _reference: Reference<'c> },
    /// The file is fetched without the cache. Its source may be opened already.
    Bypass(Option<Opened<'p>>),
}

/// A request for a file.
pub(crate) struct FileRequest<'r> {
    /// The URI with its checksum, which is a part of the key.
    pub uri: &'r str,
    pub base_name: &'r str,
    pub checksum: Option<&'r Checksum>,
    pub cancelled: &'r AtomicBool,
}

impl<'c> CacheAccess<'c> {
    /// Returns the file from the cache, after downloading it if nobody else does.
    ///
    /// # Errors
    /// Returns the [`Reason`] for which the source cannot be read; a second attempt without the cache would fail, too.
    pub fn provide<'p>(
        &self,
        request: &FileRequest<'_>,
        open: impl FnOnce() -> Result<Opened<'p>, Reason>,
    ) -> Result<Provided<'c, 'p>, Reason> {
        let (reference, lookup) = self.cache.request(self.user, request.uri, request.base_name);
        let complete = match lookup {
            Lookup::Download => return self.download(reference, request, open()?),
            Lookup::Wait => reference.wait(request.cancelled)?,
            Lookup::Retrieve => true,
        };
        Ok(if complete { self.retrieve(reference) } else { Provided::Bypass(None) })
    }

    fn download<'p>(
        &self,
        reference: Reference<'c>,
        request: &FileRequest<'_>,
        opened: Opened<'p>,
    ) -> Result<Provided<'c, 'p>, Reason> {
        // As in Mesos, files of an unknown size and empty files are not cached.
        let Some(bytes) = opened.size().filter(|size| *size > 0) else { return Ok(Provided::Bypass(Some(opened))) };
        let evicted = match reference.reserve(bytes) {
            Ok(evicted) => evicted,
            Err(no_space) => {
                tracing::info!("'{}' is not cached: {no_space}", request.uri);
                return Ok(Provided::Bypass(Some(opened)));
            }
        };
        evicted.into_iter().for_each(|file| self.files.remove(file));
        let name = reference.file();
        let file = match self.files.create(name.clone()) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!("'{}' cannot be cached: {error}", request.uri);
                return Ok(Provided::Bypass(Some(opened)));
            }
        };
        let mut output = Output::new(file, Place::Cache, bytes, request.checksum, request.cancelled);
        let saved = opened.save(&mut output).and_then(|()| output.finish());
        match saved {
            Ok(bytes) if reference.complete(bytes) => {
                self.files.keep(name);
                Ok(self.retrieve(reference))
            }
            Ok(_) => {
                self.files.remove(name);
                Ok(Provided::Bypass(None))
            }
            Err(reason) => {
                reference.fail();
                self.files.remove(name);
                match reason {
                    Reason::LargerThanReserved(_) | Reason::CacheFile(_) => {
                        tracing::warn!("'{}' cannot be cached: {reason}", request.uri);
                        Ok(Provided::Bypass(None))
                    }
                    reason => Err(reason),
                }
            }
        }
    }

    /// Opens the file of a complete entry. If it is lost, it is downloaded again by the next request.
    fn retrieve<'p>(&self, reference: Reference<'c>) -> Provided<'c, 'p> {
        let name = reference.file();
        let opened = self.files.open(name.clone()).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((bytes, file)) => Provided::Cached { file, bytes, _reference: reference },
            Err(error) => {
                tracing::warn!(file = name, %error, "a file of the fetcher's cache is lost");
                reference.fail();
                Provided::Bypass(None)
            }
        }
    }
}

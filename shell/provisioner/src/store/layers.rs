//! Adds one layer to the store. It is fetched, checked and unpacked in one pass, and gets its name only when all of it
//! is correct.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::image::LayerId;
use super::lock::Lock;
use super::store_root::Store;
use crate::error::LayerError;
use crate::layer::{UnpackLimits, unpack_stream};
use crate::manifest::Descriptor;
use crate::{Digest, Error};

/// The number of the next staging directory of this process, which keeps their names distinct.
static NEXT_STAGING: AtomicU64 = AtomicU64::new(0);

/// Returns a name in the staging directory that no other one has.
pub(super) fn next_staging_name() -> String {
    format!("{}-{}", std::process::id(), NEXT_STAGING.fetch_add(1, Ordering::Relaxed))
}

/// A layer that is being put into the store.
pub(super) struct Arriving<'a> {
    pub descriptor: &'a Descriptor,
    /// The `diff_id` that the image's configuration states for the layer.
    pub diff_id: Option<Digest>,
    pub limits: UnpackLimits,
    pub cancelled: &'a AtomicBool,
}

impl Store {
    /// Returns the unpacked layer of a packed one, if the store has it. The `diff_id` of an image's configuration is
    /// trusted only with a layer that was checked against it: two images may claim the same `diff_id` for different
    /// blobs.
    pub(super) fn known_layer(&self, arriving: &Arriving<'_>) -> Option<LayerId> {
        let recorded = fs::read_to_string(self.directories.blob(arriving.descriptor.digest)).ok()?;
        let layer = LayerId(Digest::from_hex(recorded.trim()).ok()?);
        let is_right = arriving.diff_id.is_none_or(|expected| expected == layer.0);
        (is_right && self.has_layer(layer)).then_some(layer)
    }

    /// Returns how many layers some process is fetching, and how many bytes of them have come.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn arriving(&self) -> Result<(usize, u64), Error> {
        let (mut layers, mut bytes) = (0, 0);
        for name in self.names(&self.directories.ingest())? {
            let Ok(digest) = Digest::from_hex(&name) else { continue };
            let lock = self.directories.partial_lock(digest);
            if lock.exists() && Lock::try_exclusive(&lock).is_ok_and(|lock| lock.is_none()) {
                layers += 1;
                bytes += fs::metadata(self.directories.partial(digest)).map_or(0, |metadata| metadata.len());
            }
        }
        Ok((layers, bytes))
    }

    /// Waits until no other pull fetches this blob.
    pub(super) fn lock_blob(&self, digest: Digest) -> Result<Lock, Error> {
        let path = self.directories.partial_lock(digest);
        Lock::exclusive(&path).map_err(|source| self.directories.failed("lock", &path, source))
    }

    /// Opens the file with the bytes of a blob that an earlier attempt has fetched. The file is empty if there was no
    /// such attempt, or if it was larger than the blob.
    pub(super) fn open_partial(&self, descriptor: &Descriptor) -> Result<File, Error> {
        let path = self.directories.partial(descriptor.digest);
        let failed = |source| self.directories.failed("open", &path, source);
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if descriptor.size.is_some_and(|size| length > size) {
            file.set_len(0).map_err(failed)?;
        }
        Ok(file)
    }

    pub(super) fn remove_partial(&self, digest: Digest) {
        let _ = fs::remove_file(self.directories.partial(digest));
    }

    /// Unpacks a stream, checks it, and gives the layer its name.
    pub(super) fn add_layer(&self, arriving: &Arriving<'_>, stream: impl Read) -> Result<LayerId, Error> {
        let staging = self.make_staging()?;
        let outcome = self.add_staged(arriving, stream, &staging);
        if outcome.is_err() {
            self.remove_tree(&staging)?;
        }
        outcome
    }

    fn add_staged(&self, arriving: &Arriving<'_>, stream: impl Read, staging: &PathBuf) -> Result<LayerId, Error> {
        let Descriptor { digest, size } = *arriving.descriptor;
        let unpacked = unpack_stream(stream, staging, arriving.limits, arriving.cancelled)
            .map_err(|reason| self.layer_failed(digest, reason))?;
        let what = || format!("layer {digest}");
        if size.is_some_and(|size| size != unpacked.packed_bytes) {
            let expected = size.unwrap_or_default();
            return Err(Error::SizeMismatch { what: what(), expected, found: unpacked.packed_bytes });
        }
        if digest != unpacked.digest {
            return Err(Error::DigestMismatch { what: what(), expected: digest, found: unpacked.digest });
        }
        if let Some(expected) = arriving.diff_id.filter(|expected| *expected != unpacked.diff_id) {
            let what = format!("the archive in layer {digest}");
            return Err(Error::DigestMismatch { what, expected, found: unpacked.diff_id });
        }
        let layer = LayerId(unpacked.diff_id);
        self.record_implied(layer, &unpacked.implied)?;
        let path = self.directories.layer(layer);
        match fs::rename(staging, &path) {
            Ok(()) => {}
            // Another pull has added the same archive, packed in another way, meanwhile.
            Err(_) if path.is_dir() => self.remove_tree(staging)?,
            Err(source) => return Err(self.directories.failed("create", &path, source)),
        }
        self.directories.write(&self.directories.blob(digest), layer.0.hex().as_bytes())?;
        Ok(layer)
    }

    pub(super) fn make_staging(&self) -> Result<PathBuf, Error> {
        let path = self.directories.staging().join(next_staging_name());
        fs::create_dir(&path).map_err(|source| self.directories.failed("create", &path, source))?;
        // This is the default mode of an image's root. The directory of the store keeps other users out.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, readable).map_err(|source| self.directories.failed("create", &path, source))?;
        Ok(path)
    }

    fn layer_failed(&self, layer: Digest, reason: LayerError) -> Error {
        match reason {
            LayerError::Write { path, source } => match self.directories.failed("write", path.as_ref(), source) {
                Error::Store { source, .. } => Error::Layer { layer, reason: LayerError::Write { path, source } },
                no_space => no_space,
            },
            reason => Error::Layer { layer, reason },
        }
    }
}
